"""What ablated units are held at: zero, their mean, another image's map, noise, a number or a tensor.

A draw is seeded by the image it is for, so it is the same however the batches are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from neuroprobe.addresses import Layer
from neuroprobe.data import Batch, Images
from neuroprobe.map_statistics import Donors, MapMoments
from neuroprobe.observing import observe
from neuroprobe.preparation import Preparation
from neuroprobe.readout import Readout, one_of
from neuroprobe.reducers import Observed

_STATISTICS: dict[str, Any] = {"mean": MapMoments, "noise": MapMoments, "resample": Donors}
_NEED_DATA = tuple(_STATISTICS)
_SITES = ("address", "post_norm")
_NORMS = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm")  # how the names of the classes begin
_HAND_ON = ("Identity", "Dropout", "Dropout1d", "Dropout2d")  # kinds that change nothing at rest


@dataclass(frozen=True, eq=False, kw_only=True)
class Holding:
    """How ablated units are held.

    Args:
        value: ``"zero"``; ``"mean"``, the unit's mean over the data; ``"resample"``, its map for another image;
            ``"noise"``, its own map and Gaussian noise; a number; a tensor with one entry a unit of the layer, or one
            a unit held, with the axes of the map after it where they are wanted.
        site: ``"address"`` holds the layer's output, ``"post_norm"`` that of the normalisation which follows it.
        per_position: the mean of each place of the map, in place of one for the unit.
        scale: of the noise, in standard deviations of the unit over images and places.
        seed: of the donors and of the noise.

    Raises:
        ValueError: if a choice is none of those known, a number is not finite, or ``scale`` is negative.
        TypeError: if ``value`` is of none of these kinds.
    """

    value: str | float | Tensor = "zero"
    site: str = "address"
    per_position: bool = False
    scale: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.value, str):
            one_of("value", self.value, ("zero", *_NEED_DATA))
        elif isinstance(self.value, bool) or not isinstance(self.value, Tensor | int | float):
            raise TypeError(f"value must be a word, a number or a tensor; {type(self.value).__name__} came")
        elif not torch.as_tensor(self.value).isfinite().all():
            raise ValueError(f"value must be finite; {self.value} came")
        one_of("site", self.site, _SITES)
        if self.per_position and self.value != "mean":
            raise ValueError(f"per_position=True is for value='mean'; value={self.value!r} came")
        if not 0 <= self.scale < inf:
            raise ValueError(f"scale counts standard deviations: a finite number from 0 is wanted; {self.scale} came")

    @property
    def needs_data(self) -> bool:
        """Whether units are held at what data give."""
        return isinstance(self.value, str) and self.value in _NEED_DATA

    @property
    def draws(self) -> bool:
        """Whether each image has a draw of its own."""
        return self.value in ("resample", "noise") if isinstance(self.value, str) else False

    def target(self, layer: Layer, found: Sequence[Layer]) -> Layer:
        """Return the layer whose output is held: the layer itself, or the normalisation that follows it.

        Raises:
            ValueError: if ``site="post_norm"`` and something else follows.
        """
        if self.site == "address":
            return layer
        after = found[found.index(layer) + 1 :]
        following = next((other for other in after if other.kind not in _HAND_ON), None)
        if following is None or not following.kind.startswith(_NORMS) or following.units != layer.units:
            came = f"{following.name!r} ({following.kind})" if following else "nothing"
            raise ValueError(f"site='post_norm' wants a normalisation right after {layer.name!r}; {came} follows")
        return following


class Holder:
    """Holds units of layers' outputs, with all that was measured for it."""

    def __init__(self, holding: Holding, statistics: Mapping[str, Any] | None = None) -> None:
        self._holding, self._statistics = holding, statistics or {}
        self._noise: tuple[tuple[str, Sequence[int]], Tensor] | None = None  # of the last layer and images

    @classmethod
    def measured(
        cls,
        holding: Holding,
        prepared: Preparation,
        data: Images,
        layers: Sequence[str],
        *,
        unit_axis: Mapping[str, int] | None = None,
        progress: bool = True,
    ) -> Holder:
        """Return a holder for some layers, after a pass over the data where the value needs one."""
        if not holding.needs_data:
            return cls(holding)
        statistics = {layer: _STATISTICS[str(holding.value)](per_position=holding.per_position) for layer in layers}
        everything = Readout("mean", "all", as_given=True)
        images = _keyed(data, prepared)

        def see(layer: Layer, seen: Observed) -> None:
            statistics[layer.name].add(seen)

        observe(prepared, images, layers, [see], everything, unit_axis=unit_axis, progress=progress)
        return cls(holding, data.pooled(statistics))

    def held(self, layer: Layer, output: Tensor, units: Sequence[int], keys: Sequence[int]) -> Tensor:
        """Return a copy of a layer's output (images first) with some units held."""
        new = output.clone()
        self.hold(layer, new, units, keys)
        return new

    def hold(self, layer: Layer, output: Tensor, units: Sequence[int], keys: Sequence[int]) -> None:
        """Write over some units of a layer's output; ``keys`` are those of its images, where draws are wanted."""
        maps = output.movedim(layer.unit_axis, 1)
        chosen = torch.tensor(units, dtype=torch.long, device=output.device)
        new = self._replacement(layer, maps, chosen, keys).to(output.dtype)
        new = new.expand(len(maps), len(chosen), *maps.shape[2:]).movedim(1, layer.unit_axis)
        output.index_copy_(layer.unit_axis, chosen, new)  # not into a view: so a tape can follow it

    def change(self, layer: Layer, output: Tensor, units: Sequence[int], keys: Sequence[int]) -> Tensor:
        """Return what holding some units adds to their maps, (images, units held, *grid)."""
        maps = output.movedim(layer.unit_axis, 1)
        chosen = torch.tensor(units, dtype=torch.long, device=output.device)
        return self._replacement(layer, maps, chosen, keys) - maps[:, chosen]

    def _replacement(self, layer: Layer, maps: Tensor, units: Tensor, keys: Sequence[int]) -> Tensor:
        value, grid = self._holding.value, maps.ndim - 2
        if isinstance(value, Tensor):
            return _entries(layer, value.to(maps), units, maps.shape[2:])
        if value == "mean":
            return _spread_over_places(self._statistics[layer.name].mean.to(maps)[units], grid)
        if value == "resample":
            return self._statistics[layer.name].given(keys, units.cpu(), self._holding.seed).to(maps)
        if value == "noise":
            spread = _spread_over_places(self._statistics[layer.name].std.to(maps)[units], grid)
            return maps[:, units] + self._holding.scale * spread * self._drawn(layer, maps, keys)[:, units]
        return maps.new_full((), 0.0 if isinstance(value, str) else value)

    def _drawn(self, layer: Layer, maps: Tensor, keys: Sequence[int]) -> Tensor:
        """Return Gaussian noise like the maps, seeded image by image; kept, since many trials ask for the same."""
        about = (layer.name, keys)
        known = self._noise  # read once: others may be drawing beside
        if known is None or known[0] != about:
            seeds = [crc32(f"{layer.name} {key} {self._holding.seed}".encode()) for key in keys]
            drawn = [torch.randn(maps.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
            known = self._noise = about, torch.stack(drawn).to(maps.device)
        return known[1]


def image_keys(images: Tensor) -> list[int]:
    """Return a number for each image, the same wherever it stands in the data: draws are seeded by it."""
    return [crc32(image.contiguous().numpy().tobytes()) for image in images.detach().float().cpu()]


def _keyed(data: Iterable[Batch], prepared: Preparation) -> Iterator[Batch]:
    for batch in data:
        yield replace(batch, numbers=torch.tensor(image_keys(prepared.prepared(batch.images))))


def _entries(layer: Layer, value: Tensor, units: Tensor, grid: torch.Size) -> Tensor:
    """Return the entries of a tensor for some units: one a unit of the layer, or one a unit held."""
    if value.ndim == 0:
        return value
    if len(value) not in (layer.units, len(units)) or value.shape[1:] not in (grid, ()):
        raise ValueError(
            f"value must have one entry for each of the {layer.units} units of {layer.name!r} or for each of the "
            f"{len(units)} held, and after it no axes or those of the map {tuple(grid)}; {tuple(value.shape)} came"
        )
    return _spread_over_places(value[units] if len(value) == layer.units else value, len(grid))


def _spread_over_places(values: Tensor, places: int) -> Tensor:
    """Return values (units,) or (units, *grid) with as many axes of places as the map has."""
    return values if values.ndim > 1 else values.reshape(-1, *(1,) * places)
