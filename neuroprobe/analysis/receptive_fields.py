"""Receptive fields: which pixels of the image can reach a place of a layer's map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neuroprobe.addresses import Layer, choose
from neuroprobe.analysis.total_stride import total_strides
from neuroprobe.preparation import Preparation, prepare
from neuroprobe.probe import tapping

_IMAGES = 4  # of noise: what one of them shuts off (a ReLU, a maximum) another lets by
_SEED = 0


@dataclass(frozen=True)
class Span:
    """What the places of a map see along one axis of the image: they move by a stride, as far as the image goes."""

    first_end: float  # pixels from the image's edge to the end of what place 0 sees
    last_start: float  # and to the start of what the last place sees
    places: int
    pixels: float
    stride: float

    def of(self, place: int) -> tuple[float, float]:
        """Return where what a place sees starts and ends, pixels from the image's edge."""
        start = self.last_start - self.stride * (self.places - 1 - place)
        return max(0.0, start), min(self.pixels, self.first_end + self.stride * place)


@dataclass(frozen=True)
class ReceptiveFields:
    """What the places of a layer's map see of the image."""

    rows: Span
    columns: Span

    @classmethod
    def shares(cls, grid: tuple[int, int], sides: tuple[int, int]) -> ReceptiveFields:
        """Give each place of a map its equal share of the image: no more than where it lies."""
        steps = [pixels / places for places, pixels in zip(grid, sides, strict=True)]
        rows, columns = (
            Span(step, pixels - step, places, pixels, step)
            for step, places, pixels in zip(steps, grid, sides, strict=True)
        )
        return cls(rows, columns)

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Return what a place sees as (top, bottom, left, right), pixels from the image's upper left corner."""
        return *self.rows.of(row), *self.columns.of(column)


def receptive_fields(
    model: nn.Module, layers: str | Sequence[str] | None = None, *, image_size: tuple[int, int, int]
) -> dict[str, ReceptiveFields]:
    """Measure the receptive fields of the layers that have maps; others, and those no gradient reaches, are left out.

    Noise is shown and the gradient of a map's first and last place followed down to the image: where it is not zero,
    the place sees. What leads through a global pooling or attention sees everything.

    Example:
        >>> import neuroprobe
        >>> fields = receptive_fields(neuroprobe.load_network("cnn7"), ["relu1", "relu3"], image_size=(3, 32, 32))
        >>> fields["relu3"].box(0, 11)
        (0.0, 9.0, 22.0, 31.0)

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W); it is left as it was found.
        layers: names, globs, or None for the outputs of all non-linearities.
        image_size: (C, H, W) of the images, pixels.
    """
    prepared = prepare(model, preprocess=None)
    with prepared.at_rest():
        sample = torch.full((1, *image_size), 0.5)
        found = [layer for layer in choose(prepared.layers(sample, None), layers) if len(layer.grid) == 2]
        strides = total_strides(prepared, found, sample)
        ends = _ends(prepared, found, image_size)
    return {
        layer.name: ReceptiveFields(*_spans(layer, image_size[1:], ends[layer.name], strides[layer.name]))
        for layer in found
        if layer.name in ends
    }


def _ends(prepared: Preparation, layers: Sequence[Layer], size: tuple[int, int, int]) -> dict[str, Any]:
    """Return for each layer which rows and columns its first place sees last, and its last place first."""
    generator = torch.Generator().manual_seed(_SEED)
    noise = torch.randn(_IMAGES, *size, generator=generator)
    seen: dict[str, list[Tensor]] = {}

    def weigh(layer: Layer, output: Tensor) -> None:
        # summed at once, before what follows writes into the map; units weighed apart, so that none cancels another
        maps = output.movedim(layer.unit_axis, 1)
        weights = torch.randn(maps.shape[1], generator=generator).to(maps)
        seen[layer.name] = [(maps[:, :, place, place] * weights).sum() for place in (0, -1)]

    with torch.enable_grad():
        inputs = prepared.prepared(noise).requires_grad_()
        with tapping(prepared.model, layers, weigh):
            prepared.forward(inputs.clone())
        reached = {name: [_reached(place, inputs) for place in places] for name, places in seen.items()}
    return {name: places for name, places in reached.items() if all(rows.any() for rows, _ in places)}


def _reached(response: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return which rows and which columns of the image change a response, as flags."""
    if not response.requires_grad:
        return torch.zeros(inputs.shape[2], dtype=torch.bool), torch.zeros(inputs.shape[3], dtype=torch.bool)
    (gradient,) = torch.autograd.grad(response, inputs, retain_graph=True)
    sees = gradient.ne(0).any(0).any(0).cpu()
    return sees.any(1), sees.any(0)


def _spans(layer: Layer, sides: tuple[int, int], ends: Any, strides: Sequence[int | None]) -> list[Span]:
    spans = []
    for axis, (places, pixels) in enumerate(zip(layer.grid, sides, strict=True)):
        first, last = (torch.nonzero(place[axis]).flatten() for place in ends)
        spans.append(
            Span(float(first[-1]) + 1, float(last[0]), places, float(pixels), strides[axis] or pixels / places)
        )
    return spans
