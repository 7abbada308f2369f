"""The plain way to run trials: hooks, and a whole forward pass for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor

from neuroprobe.addresses import Layer
from neuroprobe.answers import logits_of
from neuroprobe.holding import Holder
from neuroprobe.preparation import Preparation
from neuroprobe.probe import tapping


class Rerun:
    """Runs the whole network once for each trial: right for any network, and slow."""

    most_images = sys.maxsize  # it keeps nothing beside a plain pass
    unread: Sequence[str] = ()  # layers on which the output does not depend: it cannot tell

    def __init__(self, prepared: Preparation, layers: Mapping[str, Layer], holder: Holder) -> None:
        self._prepared, self._layers, self._holder = prepared, layers, holder
        self._images, self._keys = torch.zeros(0), cast("Sequence[int]", ())

    def intact(self, images: Tensor, keys: Sequence[int]) -> Tensor:
        """Run the network as it is; return its logits."""
        self._images, self._keys = images, keys
        return self._forward()

    @contextmanager
    def held(self, trials: Sequence[Mapping[str, Sequence[int]]]) -> Iterator[Iterator[tuple[list[int], Tensor]]]:
        """Run each trial over the same images; yield its number, in a list, and its (1, images, classes)."""
        yield (([number], self._one(trial)[None]) for number, trial in enumerate(trials))

    def _one(self, trial: Mapping[str, Sequence[int]]) -> Tensor:
        def hold(layer: Layer, output: Tensor) -> Tensor:
            return self._holder.held(layer, output, trial[layer.name], self._keys)

        with tapping(self._prepared.model, [self._layers[name] for name in trial], hold):
            return self._forward()

    def _forward(self) -> Tensor:
        return logits_of(self._prepared.forward(self._images.clone()))  # it may write into its input
