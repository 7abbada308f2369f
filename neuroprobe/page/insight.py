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
        shape = _image_shape(model, joined)
        if model is None or shape is None:
            return cls(shape)
        joined.refuse_another(model)
        found = dry_run(model, shape)
        filters = {layer: weights.permute(0, 2, 3, 1).numpy() for layer, weights in first_filters(model, found).items()}
        return cls(shape, [layer.name for layer in found], filters, _fields(model, joined, shape))


def _image_shape(model: nn.Module | None, joined: Joined) -> Shape | None:
    """Return (C, H, W) of the images that the network takes, where it or a result tells."""
    expected = None if model is None else expected_input(unwrap(model))
    shown: list[Shape] = [tuple(each.meta["stimuli"]["size"]) for each in joined.results if isinstance(each, Tuning)]
    return expected.size if expected else next(iter(shown), None)


def _fields(model: nn.Module, joined: Joined, shape: Shape) -> dict[str, ReceptiveFields]:
    """Measure receptive fields where there are images to draw them on."""
    recorded = {layer for each in joined.results if isinstance(each, Recording) for layer in each.layer_names}
    layers = [layer for layer in joined.layers if layer in recorded and len(joined.grid(layer)) == 2]
    return receptive_fields(model, layers, image_size=shape) if layers else {}
