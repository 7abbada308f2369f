"""What only the network itself can tell: the order of layers, the first filters, what the places of its maps see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neuroprobe.addresses import dry_run
from neuroprobe.analysis.first_filters import first_filters
from neuroprobe.analysis.receptive_fields import ReceptiveFields, receptive_fields
from neuroprobe.models import unwrap
from neuroprobe.networks.expected import expected_input
from neuroprobe.page.joining import grid_of
from neuroprobe.results import Recording, Tuning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from neuroprobe.page.joining import Joined

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Insight:
    """What a network tells beyond the results; nothing where it is not at hand."""

    image_shape: Shape | None = None  # (C, H, W)
    order: Sequence[str] = ()  # of all layers
    filters: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # (units, height, width, colours)
    fields: Mapping[str, ReceptiveFields] = field(default_factory=dict)

    @classmethod
    def of(cls, model: nn.Module | None, joined: Joined) -> Insight:
        """Look at a network; of one whose images have no known size there is nothing to say.

        Raises:
            ValueError: if it is not the network that was measured.
        """
        sizes = _sizes(model, joined)
        if model is None or not sizes:
            return cls(next(iter(sizes), None))
        joined.refuse_another(model)
        found = dry_run(model, sizes[0])
        filters = {layer: weights.permute(0, 2, 3, 1).numpy() for layer, weights in first_filters(model, found).items()}
        return cls(sizes[0], [layer.name for layer in found], filters, _fields(model, joined, sizes))


def _sizes(model: nn.Module | None, joined: Joined) -> list[Shape]:
    """Return (C, H, W) of what the network may have been shown: its own size, then those of photographs, of stimuli."""
    expected = None if model is None else expected_input(unwrap(model))
    own: list[Shape] = [expected.size] if expected else []
    photographs = [each.meta.get("input_size") for each in joined.results if isinstance(each, Recording)]
    stimuli = [each.meta["stimuli"]["size"] for each in joined.results if isinstance(each, Tuning)]
    shown: list[Shape] = [tuple(size) for size in photographs + stimuli if size is not None]
    return own + shown


def _fields(model: nn.Module, joined: Joined, sizes: Sequence[Shape]) -> dict[str, ReceptiveFields]:
    """Measure receptive fields where there are images to draw them on, whose size is one of these."""
    fields: dict[str, ReceptiveFields] = {}
    for recording in (each for each in joined.results if isinstance(each, Recording)):
        grids = {layer: grid_of(recording, layer) for layer in recording.layer_names}
        maps = {layer: places for layer, places in grids.items() if len(places) == 2}
        size = next((size for size in sizes if _gives(model, size, maps)), None)
        if maps and size is not None:
            fields |= receptive_fields(model, list(maps), image_size=size)
    return fields


def _gives(model: nn.Module, size: Shape, maps: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether images of a size give maps of these (height, width)."""
    found = {layer.name: layer.grid for layer in dry_run(model, size)}
    return all(found.get(layer) == places for layer, places in maps.items())
