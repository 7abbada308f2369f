"""Stimuli shown to a network: what every unit gave to each image, and to the blank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuroprobe.addresses import Layer
from neuroprobe.analysis.tuning import Responses
from neuroprobe.data import Batch
from neuroprobe.distributed import Part, look_out
from neuroprobe.networks.untrained import calibrate, untrained
from neuroprobe.observing import Kept, observe
from neuroprobe.preparation import Preparation
from neuroprobe.readout import Readout, Rectifier, whole_number
from neuroprobe.stimuli import StimulusSet

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Run:
    """What the units of one network, those of all layers in one table, gave to a set of stimuli."""

    stimuli: StimulusSet
    layers: list[Layer]
    cube: NDArray[np.float32]  # (units, *stimuli.shape)
    blank: NDArray[np.float32]  # (units,)
    one_place: NDArray[np.bool_]  # (units,), read at one place of the map
    signed: Mapping[str, bool]

    @property
    def names(self) -> list[str]:
        """The layers, in order of execution."""
        return [layer.name for layer in self.layers]

    def shuffled(self, seed: int) -> Run:
        """Return the same with all images permuted once; the blank stays."""
        flat = self.cube.reshape(len(self.cube), -1)
        order = np.random.default_rng(seed).permutation(flat.shape[1])
        return replace(self, cube=flat[:, order].reshape(self.cube.shape))

    def responses(self) -> Responses:
        """Lay the responses out for analysis: conditions, orientations, and what a curve is pooled over."""
        axes, searched, pooled = list(self.stimuli.axes), self.stimuli.searched, self.stimuli.pooled
        order = [1 + axes.index(name) for name in (*searched, "orientation", *pooled)]
        lengths = [
            prod(self.stimuli.axes[name].size for name in names) for names in (searched, ("orientation",), pooled)
        ]
        return Responses(
            cube=self.cube.transpose(0, *order).reshape(-1, *lengths),
            blank=self.blank,
            conditions=self._conditions(),
            orientations=self.stimuli.axes["orientation"],
            phases=self.stimuli.axes["phase"] if pooled == ("phase",) else None,
            layers=_places(self.layers),
            one_place=self.one_place,
        )

    def curves(self) -> dict[str, xr.DataArray]:
        """Return the labelled responses, layer by layer: (unit, *axes of the stimuli)."""
        import xarray as xr

        axes, further = self.stimuli.axes, self.stimuli.coordinates

        @cache  # to index the same coordinates for each layer anew would take longer than a small network's pass
        def template(units: int) -> xr.DataArray:
            values = np.empty((units, *self.stimuli.shape), np.float32)
            coordinates: dict[str, Any] = {"unit": np.arange(units), **axes, **further}
            return xr.DataArray(values, dims=("unit", *axes), coords=coordinates)

        curves = {
            layer.name: template(layer.units).copy(deep=False, data=self.cube[place])
            for layer, place in zip(self.layers, _places(self.layers), strict=True)
        }
        for name, curve in curves.items():
            curve.name = name
        return curves

    def _conditions(self) -> dict[str, NDArray[np.float64]]:
        """Say what each condition is; an axis that has coordinates goes by those."""
        located = {axis for axis, _ in self.stimuli.coordinates.values()}
        rows = self.stimuli.rows(self.stimuli.searched)
        return {name: values for name, values in rows.items() if name not in located}


@dataclass(frozen=True, eq=False, kw_only=True)
class Presentation:
    """Stimuli, and how responses to them are read: the same for a network and its control."""

    stimuli: StimulusSet
    readout: Readout
    clip: bool  # clip negative values
    batch_size: int
    unit_axis: Mapping[str, int] | None
    progress: bool

    def __post_init__(self) -> None:
        whole_number("batch_size", self.batch_size, least=1)

    def run(self, prepared: Preparation, layers: str | Sequence[str] | None) -> Run:
        """Show all stimuli and the blank, each process its part of them, and record."""
        part = Part.of(len(self.numbers))
        rectifier, total = Rectifier(clip=self.clip), sum(map(len, map(self._rows, part.batches))) + 1
        kept = Kept(total)
        found = observe(
            prepared,
            self.batches(prepared.device, part.batches),
            layers,
            [kept],
            self.readout,
            unit_axis=self.unit_axis,
            rectifier=rectifier,
            total=total,
            progress=self.progress,
            maps=False,
        )
        kept, rectifier = part.pooled((kept, rectifier))
        return self._run(found, kept, {layer.name: rectifier.is_signed(layer) for layer in found})

    def untrained(self, prepared: Preparation, layers: Sequence[str], seed: int) -> Run:
        """Run the network initialised anew, its batch normalisation calibrated on the stimuli."""
        fresh = replace(prepared, model=untrained(prepared.model, seed).eval())
        several = replace(self, batch_size=max(self.batch_size, 2))  # a single image has no variance
        with prepared.at_rest():  # not that of the fresh one, which would take its new statistics back
            shown = several.batches(prepared.device, several.numbers)
            calibrate(fresh.model, (fresh.prepared(batch.images) for batch in shown))
        return self.run(fresh, layers)

    @property
    def numbers(self) -> range:
        """The numbers of the batches."""
        return range(ceil(len(self.stimuli) / self.batch_size))

    def batches(self, device: torch.device, numbers: range) -> Iterator[Batch]:
        """Return some of the batches of images; the last of all has the blank at its end."""

        def batch(number: int) -> Batch:
            look_out()
            drawn = self.stimuli.images(self._rows(number), device)
            if number == self.numbers[-1]:
                drawn = torch.cat([drawn, self.stimuli.blank[None].to(device)])
            return Batch(drawn, None, torch.arange(len(drawn)))

        return map(batch, numbers)  # where a loop would hold on to each batch while the network runs

    def _rows(self, number: int) -> range:
        """Return which images are a batch."""
        return range(len(self.stimuli))[number * self.batch_size : (number + 1) * self.batch_size]

    def _run(self, found: list[Layer], kept: Kept, signed: Mapping[str, bool]) -> Run:
        units = [layer.units for layer in found]
        flat = np.empty((sum(units), len(self.stimuli) + 1), np.float32)
        for layer, place in zip(found, _places(found), strict=True):
            flat[place] = kept.responses(layer).T
        cube = np.ascontiguousarray(flat[:, :-1]).reshape(-1, *self.stimuli.shape)
        one_place = np.repeat([prod(self.readout.grid(layer)) == 1 for layer in found], units)
        return Run(self.stimuli, found, cube, flat[:, -1], one_place, signed)


def _places(layers: Sequence[Layer]) -> tuple[slice, ...]:
    """Return which units are a layer's, those of all layers counted on."""
    ends = np.cumsum([layer.units for layer in layers])
    return tuple(slice(end - layer.units, end) for end, layer in zip(ends, layers, strict=True))
