"""A network shown every batch where it is and then moved: what its layers and its decisions make of it, summed up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from neuroprobe.addresses import Layer
from neuroprobe.analysis.agreement import Agreement, Decisions
from neuroprobe.analysis.shifting import STILL, Move, Mover
from neuroprobe.analysis.total_stride import Strides
from neuroprobe.answers import logits_of
from neuroprobe.data import Batch
from neuroprobe.reducers import Observed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_RESPONSE = 1e-12  # response units
_FEWEST_IMAGES = 3  # two always lie on a line


class Comparison:
    """Shows each batch where it is and then moved in every way, and sums up what the network makes of it.

    ``shown`` is drawn from one batch at a time, so that ``see`` and ``decide`` are always told of the batch and the
    move that it showed last.
    """

    def __init__(self, mover: Mover, wanted: Sequence[Move], strides: Mapping[str, Strides]) -> None:
        self._mover, self._wanted, self._strides = mover, wanted, strides
        self._still: dict[str, Observed] = {}  # layer -> what it did for the batch where it is
        self._decided: Tensor | None = None  # the logits of the batch where it is
        self.layers: dict[tuple[str, Move], Agreement] = {}
        self.network: dict[Move, Decisions] = {}

    def shown(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield each batch where it is, and moved."""
        for batch in batches:
            self._mover.check(batch.images, self._wanted)
            for move in (STILL, *self._wanted):
                self._batch, self._move = batch, move
                yield replace(batch, images=self._mover(batch.images, move))

    def see(self, layer: Layer, seen: Observed) -> None:
        """Keep what a layer does for the batch where it is, and compare what it does for the batch moved."""
        if self._move == STILL:
            self._still[layer.name] = replace(seen, maps=seen.maps.clone())
        else:
            agreement = Agreement.of(self._still[layer.name], seen, self._move.axis, self._places(layer))
            _add(self.layers, (layer.name, self._move), agreement)

    def decide(self, output: Any) -> None:
        """Do the same with what the network gives at its end."""
        logits = _logits_or_none(output)
        if self._move == STILL:
            self._decided = logits
        decisions = Decisions.of(self._decided, logits, self._batch.labels, len(self._batch.images))
        _add(self.network, self._move, decisions)

    def _places(self, layer: Layer) -> int | None:
        """Return by how many places a layer's map moves; None where that is no whole number."""
        rows, columns = self._strides.get(layer.name, (None, None))
        stride = columns if self._move.axis == "x" else rows
        return None if stride is None or self._move.pixels % stride else self._move.pixels // stride

    def pearson(self, layer: Layer) -> NDArray[np.float64]:
        """Return each unit's correlation over images (units, moves); NaN with too few images."""
        states = [self.layers[layer.name, move].responses for move in self._wanted]
        r = torch.stack([state.pearson for state in states], 1).cpu().numpy()
        return r if states[0].count >= _FEWEST_IMAGES else np.full_like(r, np.nan)

    def status(self, layer: Layer, *, signed: bool) -> NDArray[np.object_]:
        """Return how each unit's numbers are to be read (units,)."""
        states = [self.layers[layer.name, move].responses for move in self._wanted]
        if states[0].count < _FEWEST_IMAGES:
            return np.full(layer.units, "too_few", dtype=object)
        constant = torch.stack([state.constant.any(0) for state in states]).any(0).cpu().numpy()
        dead = (states[0].mean[0] <= _NO_RESPONSE).cpu().numpy()  # to images where they are; rectified, so at least 0
        return np.select([dead, constant], ["dead", "unresponsive"], "rectified" if signed else "ok").astype(object)


def _add(sums: dict[Any, Any], key: Any, value: Any) -> None:
    sums[key] = sums[key] + value if key in sums else value


def _logits_or_none(output: Any) -> Tensor | None:
    try:
        logits = logits_of(output).detach()
    except ValueError:  # no classifier: there is still what its layers do
        return None
    if not logits.isfinite().all():
        raise ValueError("the network gave NaN or infinite logits: are its weights finite, its precision wide enough?")
    return logits
