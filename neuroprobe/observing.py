"""Observing: a pass over batches in which every chosen layer is seen, and observers of what it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuroprobe.addresses import Layer, choose
from neuroprobe.cores import shared_out
from neuroprobe.data import Batch
from neuroprobe.models import reading
from neuroprobe.preparation import Preparation
from neuroprobe.progress import progress_bar
from neuroprobe.reading_passes import Pass, reading_passes
from neuroprobe.readout import Readout, Rectifier
from neuroprobe.reducers import Observed, Reducer


class Summed:
    """An observer that feeds reducers, and holds their sums, which may go on from those of an earlier run."""

    def __init__(self, reducers: Mapping[str, Reducer], states: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._reducers, self._restored = reducers, states or {}
        self.states: dict[str, dict[str, Any]] = {  # reducer -> layer -> state
            name: dict(self._restored.get(name, {})) for name in reducers
        }

    def __call__(self, layer: Layer, seen: Observed) -> None:
        """Add one batch of one layer."""
        for name, reducer in self._reducers.items():
            state, so_far = reducer(seen), self.states[name].get(layer.name)
            if so_far is not None and so_far is self._restored.get(name, {}).get(layer.name):
                so_far = _beside(so_far, state)
            self.states[name][layer.name] = state if so_far is None else so_far + state


def _beside(state: Any, like: Any) -> Any:
    """Return a state from disk with its tensors on the devices of those of a new one."""
    own, new = vars(state), vars(like)
    return replace(state, **{name: own[name].to(new[name].device) for name in own if isinstance(own[name], Tensor)})


class Kept:
    """An observer that keeps every response, on the CPU, in one table a layer."""

    def __init__(self, images: int | None) -> None:
        # one block made at the start: many small ones between the maps would keep the freed memory from being reused
        self._expected = images or 1
        self._tables: dict[str, Tensor] = {}
        self._filled: Counter[str] = Counter()

    def __call__(self, layer: Layer, seen: Observed) -> None:
        """Copy one batch of one layer into its table."""
        new = seen.responses
        table = self._tables.get(layer.name, torch.empty(0, *new.shape[1:]))
        start, end = self._filled[layer.name], self._filled[layer.name] + len(new)
        if end > len(table):
            roomier = torch.empty(max(self._expected, end, 2 * len(table)), *new.shape[1:])
            roomier[:start] = table[:start]
            table = self._tables[layer.name] = roomier
        table[start:end] = new
        self._filled[layer.name] = end

    def __add__(self, later: Kept) -> Kept:
        """Return the responses to these images and to more that come after them."""
        both = Kept(None)
        for name, count in self._filled.items():
            rows = [self._tables[name][:count], later._tables[name][: later._filled[name]]]
            both._tables[name], both._filled[name] = torch.cat(rows), count + later._filled[name]
        return both

    def responses(self, layer: Layer) -> NDArray[np.float32]:
        """Return a layer's responses, (images, units), or whole maps (images, units, *grid)."""
        return self._tables[layer.name][: self._filled[layer.name]].numpy()


@dataclass(frozen=True, eq=False)
class _Look:
    """One pass over a batch, and what each layer did in it: shown at once with its maps, or handed back without."""

    run: Pass
    readout: Readout
    rectifier: Rectifier | None
    show: Callable[[Layer, Observed], None] | None

    def __call__(self, batch: Batch) -> tuple[int, list[tuple[Layer, Observed]], Any]:
        """Return how many images there were, what is still to be shown, and the network's own output."""
        later: list[tuple[Layer, Observed]] = []
        tell = self.show or (lambda *seen: later.append(seen))

        def keep(layer: Layer, output: Tensor) -> None:
            with reading():
                tell(layer, self._seen(layer, output.detach(), batch))

        output = self.run(batch.images, keep)
        return len(batch.images), later, output

    def _seen(self, layer: Layer, output: Tensor, batch: Batch) -> Observed:
        maps = self.readout.places(layer, output)
        maps = self.rectifier(layer, maps) if self.rectifier else maps
        responses = _finite(layer, self.readout.respond(maps))
        return Observed(responses, maps if self.show else responses, batch.numbers, batch.labels, batch.fingerprints)


def observe(
    prepared: Preparation,
    batches: Iterable[Batch],
    layers: str | Sequence[str] | None,
    observers: Sequence[Callable[[Layer, Observed], None]],
    readout: Readout,
    *,
    unit_axis: Mapping[str, int] | None = None,
    rectifier: Rectifier | None = None,
    total: int | None = None,
    progress: bool = True,
    on_output: Callable[[Any], None] | None = None,
    done: int = 0,
    maps: bool = True,
) -> list[Layer]:
    """Run the network over batches and show the observers what every chosen layer did; return the layers.

    The batches are drawn one at a time, each just before its forward pass. ``on_output`` is told the network's own
    output of each pass, after all its layers. Of ``total`` images so many were ``done`` before. Where no observer looks
    at ``maps`` it is shown responses in their place, and a batch may be shared out over the processor's cores.
    """
    times: Counter[str] = Counter()

    def show(layer: Layer, seen: Observed) -> None:
        times[layer.name] += 1
        for observer in observers:
            observer(layer, seen)

    def bring(batch: Batch) -> Batch:
        return replace(batch, images=prepared.prepared(batch.images))

    with prepared.at_rest():  # the data too: shuffling draws random numbers
        sample, batches = first_image(batches)
        found = choose(prepared.layers(sample, unit_axis), layers)
        passes = reading_passes(prepared, sample, found)
        with passes as (run, cores), progress_bar("recording", total, shown=progress, done=done) as bar:
            at_once, look = 1 if maps else cores, _Look(run, readout, rectifier, show if maps else None)
            with shared_out(look, shared_among(at_once, map(bring, batches)), at_once) as looks:
                for number, (images, later, output) in enumerate(looks, start=1):
                    for layer, seen in later:
                        show(layer, seen)
                    _refuse_skipped(found, times, number)
                    if on_output is not None:
                        on_output(output)
                    bar.update(images)
    return found


def shared_among(cores: int, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Cut batches into as many parts as there are cores, or as there are images."""
    return (part for batch in batches for part in batch.cut(ceil(len(batch.images) / cores)))


def first_image(batches: Iterable[Batch]) -> tuple[Tensor, Iterator[Batch]]:
    """Return a copy of the first image (1, C, H, W), and the batches from the first on."""
    remaining = iter(batches)
    first = next(remaining)
    return first.images[:1].clone(), chain([first], remaining)


def _refuse_skipped(found: Sequence[Layer], times: Mapping[str, int], batches: int) -> None:
    skipped = next((layer.name for layer in found if times[layer.name] != batches), None)
    if skipped is not None:
        raise RuntimeError(
            f"layer {skipped!r} ran {times[skipped]} times in {batches} forward passes: where a network decides by its "
            "input what to run, responses cannot be matched to images"
        )


def _finite(layer: Layer, responses: Tensor) -> Tensor:
    # a sum is quick, and finite only if all is; one that overflows is looked at again
    if not responses.sum().isfinite() and not responses.isfinite().all():
        raise ValueError(
            f"layer {layer.name!r} gave NaN or infinite responses to finite images: are the network's weights finite, "
            f"and is its precision ({responses.dtype}) wide enough?"
        )
    return responses
