"""From a layer's output to responses: which places of the map are read, and how they become one number."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt, prod
from threading import Lock
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from neuroprobe.addresses import Layer

Reduce = Literal["mean", "max", "center", "none"]
Tokens = Literal["patch", "cls", "all"]
_ONE_AT_A_TIME = Lock()
_REDUCES, _TOKENS = ("mean", "max", "center", "none"), ("patch", "cls", "all")


@dataclass(frozen=True)
class Readout:
    """How responses are read: ``reduce`` over the places of a map, ``tokens`` that count as places.

    Raises:
        ValueError: if ``reduce`` or ``tokens`` is none of those known.
    """

    reduce: Reduce = "mean"
    tokens: Tokens = "patch"
    as_given: bool = False  # places in the layer's own order, where they do not stand as they lie in the image

    def __post_init__(self) -> None:
        one_of("reduce", self.reduce, _REDUCES)
        one_of("tokens", self.tokens, _TOKENS)

    def places(self, layer: Layer, output: Tensor) -> Tensor:
        """Return the places that are read (images, units, *grid), a view where they stand as they lie in the image.

        Raises:
            ValueError: if ``tokens="cls"`` is wanted of a layer without a class token, or ``reduce="center"`` of one
                whose places are not those of the image.
        """
        maps = output.movedim(layer.unit_axis, 1)
        if layer.is_tokens:
            maps = self._tokens_read(layer, maps)
        if not self.as_given:
            maps = layer.places.in_order(maps)
        return _center(layer, maps) if self.reduce == "center" else maps

    def grid(self, layer: Layer) -> tuple[int, ...]:
        """Return the lengths of the axes of places that ``places`` returns for a layer."""
        output = torch.empty(layer.shape, device="meta")
        return tuple(self.places(layer, output).shape[2:])

    def respond(self, maps: Tensor) -> Tensor:
        """Reduce (images, units, *grid) to responses (images, units); ``none`` keeps a copy of the maps."""
        if self.reduce == "none":
            return maps.clone()
        if maps.ndim == 2:
            return maps.to(torch.promote_types(maps.dtype, torch.float32), copy=True)
        axes = tuple(range(2, maps.ndim))
        if self.reduce == "max":
            return maps.amax(axes).to(torch.promote_types(maps.dtype, torch.float32))
        if maps.dtype is torch.bfloat16 and maps.device.type == "cpu" and maps.ndim == 4:
            return _mean_by_rows(maps)
        return maps.mean(axes, dtype=torch.promote_types(maps.dtype, torch.float32))

    def _tokens_read(self, layer: Layer, maps: Tensor) -> Tensor:
        ahead = layer.places.ahead
        if self.tokens == "all":
            return maps
        if self.tokens == "cls":
            if ahead == 0:
                raise ValueError(f"tokens='cls' wants a class token; layer {layer.name!r} has none that is known")
            return maps[:, :, :1]
        return maps[:, :, ahead:]


def _center(layer: Layer, maps: Tensor) -> Tensor:
    """Return the place at (H // 2, W // 2); tokens are laid out as the map they come from."""
    if not layer.places.in_image and maps.ndim > 2:
        raise ValueError(
            f"reduce='center' reads the middle of a map; what layer {layer.name!r}, of shape {layer.shape}, has beside "
            "its units is no map of the image: leave it out of layers=, or take reduce='mean'"
        )
    if maps.ndim == 3:
        maps = _laid_out(layer, maps)
    for axis in range(2, maps.ndim):
        middle = maps.shape[axis] // 2
        maps = maps.narrow(axis, middle, 1)
    return maps.flatten(2).squeeze(2) if maps.ndim > 2 else maps


def _laid_out(layer: Layer, maps: Tensor) -> Tensor:
    """Return tokens (images, units, T) as the map they come from, a square where that is not known."""
    tokens, known = maps.shape[2], layer.places.map
    if known and prod(known) == tokens:
        return maps.unflatten(2, known)
    return maps.unflatten(2, (isqrt(tokens), -1)) if _is_square(tokens) else maps


def _is_square(number: int) -> bool:
    return isqrt(number) ** 2 == number


def _mean_by_rows(maps: Tensor) -> Tensor:
    """Return the mean of (images, units, H, W), each row summed by a matrix product in float32 and rounded once.

    On a CPU the mean of bfloat16 numbers takes torch longer than the convolution that made them.
    """
    images, units, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(images * height, width, units)
    sums = torch.bmm(rows.new_ones(1, 1, width).expand(len(rows), 1, width), rows)
    return sums.view(images, height, units).mean(1, dtype=torch.float32) / width


class Rectifier:
    """Clip responses at zero, and remember which layers had any below: those are *signed*.

    Passes that run at the same time may share one.
    """

    def __init__(self, *, clip: bool = True) -> None:
        self._clip = clip  # False: only remember
        self._lowest: dict[str, Tensor] = {}

    def __call__(self, layer: Layer, maps: Tensor) -> Tensor:
        """Return max(maps, 0), or the maps as they are where they are not to be clipped."""
        lowest = maps.new_zeros(()) if layer.never_negative else _lowest(maps)
        with _ONE_AT_A_TIME:
            self._lowest[layer.name] = torch.minimum(self._lowest.get(layer.name, lowest), lowest)
        if layer.never_negative or not self._clip:
            return maps
        # to ask a GPU would wait for it; on a CPU the answer saves a copy of the map
        return maps.clamp_min(0) if maps.is_cuda or lowest < 0 else maps

    def __add__(self, other: Rectifier) -> Rectifier:
        """Return one that has seen what both have."""
        both = Rectifier(clip=self._clip)
        both._lowest = {name: torch.minimum(lowest, other._lowest[name]) for name, lowest in self._lowest.items()}
        return both

    def is_signed(self, layer: Layer) -> bool:
        """Whether any value of the layer so far was below zero."""
        return bool(self._lowest[layer.name] < 0)


def _lowest(maps: Tensor) -> Tensor:
    """Return the smallest value."""
    if maps.device.type == "cpu" and maps.dtype in (torch.float32, torch.float64):
        # one thread of NumPy's is done with most maps before torch's are awake
        return torch.from_numpy(maps.numpy().min(keepdims=True)).reshape(())
    return maps.amin()


def one_of(what: str, value: object, known: tuple[object, ...]) -> None:
    """Raise a ValueError that lists the choices where a value is none of them."""
    if value not in known:
        raise ValueError(f"{what} must be one of {', '.join(map(repr, known))}; {value!r} came")


def whole_number(what: str, value: object, least: int = 0) -> None:
    """Raise a ValueError where a value is no whole number of at least so much."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{what} must be a whole number from {least}; {value!r} came")
