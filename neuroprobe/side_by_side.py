"""The layers of a batch side by side: one step for all units, where a step a layer would cost a small network dear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from neuroprobe.addresses import Layer
from neuroprobe.reducers import Observed


class SideBySide:
    """An observer that joins the responses of a pass, (images, units of all layers), and shows them to others.

    The layers are in order of execution. The joined batch has no maps to show: those of the layers differ in size. So
    none need be kept for it: it is for ``observe(..., maps=False)``.

    Example:
        >>> from neuroprobe.reducers import observed
        >>> joined = SideBySide(lambda seen: print(tuple(seen.responses.shape)))
        >>> for layer in ("conv1", "conv2"):
        ...     joined(layer, observed([[1.0, 2.0, 3.0]]))
        >>> joined.complete(None)
        (1, 6)
    """

    def __init__(self, *takers: Callable[[Observed], None]) -> None:
        self._takers = takers
        self._layers: list[Observed] = []

    def __call__(self, _layer: Layer, seen: Observed) -> None:
        """Hold one layer's responses until the pass is over."""
        self._layers.append(seen)

    def complete(self, _output: Any) -> None:
        """Join what the pass has shown: ``on_output`` of :func:`neuroprobe.observing.observe`."""
        first = self._layers[0]
        joined = torch.cat([seen.responses.to(first.responses.device) for seen in self._layers], dim=1)
        self._layers.clear()
        for taker in self._takers:
            taker(replace(first, responses=joined, maps=joined))
