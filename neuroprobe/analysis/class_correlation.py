"""How far each unit's response goes with the probability that the network gives each class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neuroprobe.adding import with_added
from neuroprobe.addresses import Layer
from neuroprobe.answers import logits_of
from neuroprobe.reducers import Observed

_ROUNDING = 1e-12  # of a variance, relative to the mean square


class ClassCorrelation:
    """Observes layers and the network's output; holds Pearson's r between every unit and every class.

    Source: Zhou, Sun, Bau and Torralba (2018).
    """

    def __init__(self) -> None:
        self._batch: dict[str, Tensor] = {}
        self._units: dict[str, Tensor] = {}  # layer -> (2, units): sums of responses and of their squares
        self._products: dict[str, Tensor] = {}  # layer -> (units, classes)
        self._classes = torch.zeros(0)  # (2, classes): sums of probabilities and of their squares
        self._images = 0

    def __call__(self, layer: Layer, seen: Observed) -> None:
        """Keep one batch of one layer until the network has answered."""
        self._batch[layer.name] = seen.responses.double()

    def output(self, output: Any) -> None:
        """Take in the network's answer to the batch."""
        probabilities = logits_of(output).double().softmax(1)
        self._images += len(probabilities)
        self._classes = _sums(probabilities) + (self._classes if len(self._classes) else 0)
        for name, responses in self._batch.items():
            product = responses.T @ probabilities
            self._units[name] = _sums(responses) + self._units.get(name, 0)
            self._products[name] = product + self._products.get(name, 0)

    def __add__(self, other: ClassCorrelation) -> ClassCorrelation:
        """Return what both sets of images gave."""
        return with_added(self, other, "_units", "_products", "_classes", "_images")

    def responds(self, layer: str) -> Tensor:
        """Whether each unit gave any response, (units,)."""
        return self._units[layer][1] > 0

    def pearson(self, layer: str) -> Tensor:
        """Return r (units, classes); NaN where a unit or a class's probability is the same for all images."""
        mean, square = self._units[layer] / self._images
        class_mean, class_square = self._classes / self._images
        covariance = self._products[layer] / self._images - mean[:, None] * class_mean
        return covariance / (_spread(mean, square)[:, None] * _spread(class_mean, class_square))


def _sums(values: Tensor) -> Tensor:
    return torch.stack([values.sum(0), values.square().sum(0)])


def _spread(mean: Tensor, square: Tensor) -> Tensor:
    variance = square - mean.square()
    return torch.where(variance > _ROUNDING * square, variance, torch.nan).sqrt()
