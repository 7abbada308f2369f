"""The total stride of every layer: by how many pixels an image moves when the layer's map moves by one place."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from torch import Tensor
from torch.nn import functional as F

from neuroprobe.addresses import Layer
from neuroprobe.preparation import Preparation
from neuroprobe.probe import tapping

_LARGER = 192  # pixels: a multiple of every total stride up to 64 that is made of twos and a three
Strides = tuple[int | None, int | None]  # of rows and of columns, pixels a place; None where there is none


def total_strides(prepared: Preparation, layers: Sequence[Layer], image: Tensor) -> dict[str, Strides]:
    """Measure each layer's total stride on an image (1, C, H, W) and on a larger one; the network must be at rest.

    What a border adds to a map or takes from it is the same for both, so the growth of the image over that of the map
    is the stride, however the layers are padded. Where a layer's map does not grow, or the network takes no larger
    image, it is the image over the map, if that comes out even. Layers without rows and columns are left out.
    """
    maps = [layer for layer in layers if len(layer.grid) == 2]
    grown = _sizes_on_larger(prepared, maps, image)
    sides = image.shape[2:]
    lengths = {layer.name: list(zip(sides, layer.grid, grown[layer.name], strict=True)) for layer in maps}
    return {name: (_stride(*rows), _stride(*columns)) for name, (rows, columns) in lengths.items()}


def _sizes_on_larger(prepared: Preparation, layers: Sequence[Layer], image: Tensor) -> dict[str, tuple[int, ...]]:
    """Return each layer's grid for a larger image; that for the image itself where it was not reached."""
    sizes = {layer.name: layer.grid for layer in layers}

    def note(layer: Layer, output: Tensor) -> None:
        sizes[layer.name] = tuple(output.movedim(layer.unit_axis, 1).shape[2:])

    larger = F.pad(image, (0, _LARGER, 0, _LARGER), value=0.5)
    # a network of a fixed size raises something, but only where its size is fixed: its convolutions have run by then
    with suppress(Exception), tapping(prepared.model, layers, note):
        prepared.forward(prepared.prepared(larger))
    return sizes


def _stride(image: int, places: int, more_places: int) -> int | None:
    pixels, steps = (_LARGER, more_places - places) if more_places > places else (image, places)
    return None if pixels % steps else pixels // steps
