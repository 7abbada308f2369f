"""A stimulus set: the product of a few parameters, and the images they stand for."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Draw = Callable[[Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True, eq=False, repr=False)  # eq=False: == on arrays has no single truth value
class StimulusSet:
    """Images that are one for each combination of a few parameters, drawn when they are asked for.

    Image ``i`` has the parameters of row ``i`` of `parameters`: the product of the axes in C order, the
    first axis slowest. Responses to the set therefore fold into curves by ``reshape(st.shape)``.
    ``neuroprobe.record(model, st)`` records them, ``neuroprobe.orientation(model, stimuli=st)`` makes them curves.

    Attributes:
        kind: what is drawn, as ``"gratings"``.
        axes: name to ascending values; orientation and phase in degrees, frequency in cycles/pixel, lengths in pixels.
        size: (C, H, W) of an image.
        draw: parameters, each (n,), to images in [0, 1] on the parameters' device, grey (n, H, W) or (n, C, H, W).
        blank_level: what nothing is drawn on, held apart and not counted: a grey level, or an image (C, H, W).
        preset: the published protocol this set follows, if any.
        settings: what all images share, in values that JSON can hold.
        pooled: the axes that a tuning curve is pooled over, as that of gratings is over phase. Over the others,
            orientation apart, it is taken where the response is largest.
        coordinates: further values along an axis, name to (axis, values): the x and y of Gabor patches' positions.
        own: whether the images are a user's, which nobody can draw again from a description.

    Example:
        >>> from neuroprobe.stimuli import gratings
        >>> st = gratings(32, orientations=4, frequencies=[0.1, 0.2], phases=2)
        >>> st
        StimulusSet(gratings: 2 frequency x 4 orientation x 2 phase = 16 images of 3x32x32)
        >>> next(st.batches(batch_size=5)).shape
        torch.Size([5, 3, 32, 32])
    """

    kind: str
    axes: Mapping[str, NDArray[np.float64]]
    size: tuple[int, int, int]
    draw: Draw
    blank_level: float | Tensor
    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    pooled: tuple[str, ...] = ()
    coordinates: Mapping[str, tuple[str, NDArray[np.float64]]] = field(default_factory=dict)
    own: bool = False

    def __len__(self) -> int:
        return prod(self.shape)

    def __getitem__(self, number: int) -> Tensor:
        """Draw one image (C, H, W), that of row ``number`` of `parameters`."""
        if not -len(self) <= number < len(self):
            raise IndexError(f"the set has {len(self)} images (0 to {len(self) - 1}); image {number} was asked for")
        return self.images([number % len(self)])[0]

    def __repr__(self) -> str:
        axes = " x ".join(f"{values.size} {name}" for name, values in self.axes.items())
        size = "x".join(map(str, self.size))
        preset = f", preset {self.preset}" if self.preset else ""
        return f"StimulusSet({self.kind}: {axes} = {len(self)} images of {size}{preset})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes, in their order."""
        return tuple(values.size for values in self.axes.values())

    @property
    def searched(self) -> tuple[str, ...]:
        """The axes that are neither orientation nor pooled: a unit has a preferred value on each."""
        return tuple(name for name in self.axes if name != "orientation" and name not in self.pooled)

    @property
    def parameters(self) -> "pd.DataFrame":
        """A table, one row an image, one column an axis or coordinate."""
        import pandas as pd

        return pd.DataFrame(self.rows(self.axes))

    @property
    def blank(self) -> Tensor:
        """The blank, (C, H, W): that on which nothing is drawn."""
        level = torch.as_tensor(self.blank_level, dtype=torch.float32)
        return level.expand(self.size).clone()

    def batches(self, batch_size: int = 32, device: str | torch.device = "cpu") -> Iterator[Tensor]:
        """Yield all images in order as float32 (n, C, H, W) in [0, 1], each batch drawn when its turn comes."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more; {batch_size} came")
        starts = range(0, len(self), batch_size)
        return (self.images(range(start, min(start + batch_size, len(self))), device) for start in starts)

    def images(self, indices: Sequence[int] | NDArray[np.intp], device: str | torch.device = "cpu") -> Tensor:
        """Draw the images of some rows of `parameters`, float32 (n, C, H, W) in [0, 1]."""
        device = torch.device(device)
        precision = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        rows = self.rows(self.axes, np.asarray(indices))
        drawn = self.draw(
            {name: torch.as_tensor(values).to(device, precision) for name, values in rows.items()}
        ).float()
        # repeated, not expanded: whoever normalises in place needs channels with their own memory
        return drawn if drawn.ndim == 4 else drawn.unsqueeze(1).repeat(1, self.size[0], 1, 1)

    def rows(
        self, axes: Sequence[str] | Mapping[str, Any], indices: NDArray[np.intp] | None = None
    ) -> dict[str, NDArray[np.float64]]:
        """Look up the parameters of some, or all, combinations of some axes, counted in C order."""
        shape = (*(self.axes[name].size for name in axes), 1)  # 1: where there are no axes, there is one combination
        counted = np.arange(prod(shape)) if indices is None else indices
        steps = dict(zip(axes, np.unravel_index(counted, shape), strict=False))
        further = {name: values[steps[axis]] for name, (axis, values) in self.coordinates.items() if axis in steps}
        return {name: self.axes[name][step] for name, step in steps.items()} | further

    def digest(self) -> str:
        """Draw all images and the blank, and return a digest: equal for equal images of one size."""
        digest = hashlib.blake2b(digest_size=16)
        for images in chain(self.batches(), [self.blank]):
            digest.update(images.contiguous().numpy().data)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Say in JSON's terms what was shown, for the record of a result."""
        return {
            "kind": self.kind,
            "preset": self.preset,
            "size": list(self.size),
            "axes": {name: values.tolist() for name, values in self.axes.items()},
            "coordinates": {name: [axis, values.tolist()] for name, (axis, values) in self.coordinates.items()},
            "pooled": list(self.pooled),
            "settings": dict(self.settings),
        } | ({"digest": self.digest()} if self.own else {})

    def plot(self, ax: "Axes | None" = None, *, down: str | None = None, across: str | None = None) -> "Axes":
        """Draw a contact sheet of the images; see `neuroprobe.plots.stimulus_sheet`."""
        from neuroprobe.plots import stimulus_sheet

        return stimulus_sheet(self, ax=ax, down=down, across=across)
