"""A stimulus set: the product of a few parameters, and the images they stand for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)  # eq=False: == on arrays has no single truth value
class StimulusSet:
    """Images that are one for each combination of a few parameters, drawn when they are asked for.

    Image ``i`` has the parameters of row ``i`` of `parameters`: the product of the axes in C order, the
    first axis slowest. Responses to the set therefore fold into curves by ``reshape(st.shape)``.

    Attributes:
        kind: what is drawn, as ``"gratings"``.
        axes: name to ascending values; orientation and phase in degrees, frequency in cycles/pixel.
        size: (C, H, W) of an image.
        draw: parameters, each (n,), to grey images (n, H, W) in [0, 1], on the parameters' device.
        blank_level: grey level of the blank, which is held apart and not counted.
        preset: the published protocol this set follows, if any.
        settings: what all images share, in values that JSON can hold.

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
    draw: Callable[[Mapping[str, Tensor]], Tensor]
    blank_level: float
    preset: str | None
    settings: Mapping[str, Any]

    def __len__(self) -> int:
        return prod(self.shape)

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
    def parameters(self) -> "pd.DataFrame":
        """A table, one row an image, one column an axis."""
        import pandas as pd

        return pd.DataFrame(self._rows(np.arange(len(self))))

    @property
    def blank(self) -> Tensor:
        """The blank, (C, H, W): the grey on which nothing is drawn."""
        return torch.full(self.size, self.blank_level)

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
        rows = self._rows(np.asarray(indices))
        grey = self.draw({name: torch.as_tensor(values).to(device, precision) for name, values in rows.items()})
        # repeated, not expanded: whoever normalises in place needs channels with their own memory
        return grey.float().unsqueeze(1).repeat(1, self.size[0], 1, 1)

    def describe(self) -> dict[str, Any]:
        """Say in JSON's terms what was shown, for the record of a result."""
        return {
            "kind": self.kind,
            "preset": self.preset,
            "size": list(self.size),
            "axes": {name: values.tolist() for name, values in self.axes.items()},
            "settings": dict(self.settings),
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw a sheet of the images; see `neuroprobe.plots.stimulus_sheet`."""
        from neuroprobe.plots import stimulus_sheet

        return stimulus_sheet(self, ax=ax)

    def _rows(self, indices: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
        """Look up the parameters of some images."""
        steps = np.unravel_index(indices, self.shape)
        return {name: values[step] for (name, values), step in zip(self.axes.items(), steps, strict=True)}
