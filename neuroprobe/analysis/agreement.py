"""How alike a network's answers to images and to moved images are: sums over images that add up."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from neuroprobe.analysis.shifting import AXES, overlap
from neuroprobe.answers import labels_among
from neuroprobe.reducers import CoMoments, Observed

_WITHOUT = {"who": "accuracy needs", "otherwise": "give images alone where they are of other classes"}


@dataclass(frozen=True, eq=False)
class Cosines:
    """Cosines between each unit's two maps, summed over the images that have one."""

    total: Tensor  # (units,)
    images: Tensor  # (units,)

    @classmethod
    def of(cls, one: Tensor, other: Tensor) -> Cosines:
        """Return the sums of one batch of maps (images, units, *grid)."""
        values = cosines(one, other).double()
        return cls(values.nansum(0), values.isfinite().sum(0))

    @classmethod
    def none(cls, like: Tensor) -> Cosines:
        """Return the sums of maps (images, units, *grid) that have no cosine."""
        return cls(like.new_zeros(like.shape[1], dtype=torch.float64), like.new_zeros(like.shape[1], dtype=torch.long))

    @property
    def mean(self) -> Tensor:
        """The mean over images of each unit's cosine (units,); NaN where no image has one."""
        return self.total / self.images

    def __add__(self, other: Cosines) -> Cosines:
        return Cosines(self.total + other.total, self.images + other.images)


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """Return the cosine between two maps of each unit for each image, (images, units), from (images, units, *grid).

    NaN where both maps are silent, 0 where only one is: nothing is left of it. A single place has no pattern: NaN.

    Example:
        >>> one, other = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
        >>> cosines(one, other)
        tensor([[0.7071,    nan]])
    """
    if one.shape[2:].numel() < 2:
        return one.new_full(one.shape[:2], nan)
    grid = tuple(range(2, one.ndim))  # summed as they lie: to flatten maps that are channels last would copy them
    a, b = one.float(), other.float()
    lengths = a.square().sum(grid).sqrt(), b.square().sum(grid).sqrt()
    product = lengths[0] * lengths[1]
    cosine = torch.where(product > 0, (a * b).sum(grid) / product, 0.0)
    return torch.where(lengths[0] + lengths[1] > 0, cosine.clamp(-1, 1), nan)


@dataclass(frozen=True, eq=False)
class Agreement:
    """How alike one layer's responses to images and to the same images moved are."""

    responses: CoMoments
    cosine_map: Cosines  # of the maps as they stand
    cosine_aligned: Cosines  # of the maps moved back, where they overlap

    @classmethod
    def of(cls, still: Observed, moved: Observed, axis: str, places: int | None) -> Agreement:
        """Compare one batch with itself moved, by so many places of the map; None if by no whole number of them."""
        maps = still.maps, moved.maps
        responses = CoMoments.of(still.responses, moved.responses)
        return cls(responses, Cosines.of(*maps), _aligned(*maps, axis, places))

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.responses + other.responses,
            self.cosine_map + other.cosine_map,
            self.cosine_aligned + other.cosine_aligned,
        )


def _aligned(still: Tensor, moved: Tensor, axis: str, places: int | None) -> Cosines:
    if places is None or still.ndim != 4 or abs(places) >= still.shape[AXES[axis]]:
        return Cosines.none(still)
    return Cosines.of(*overlap(still, moved, axis, places))


@dataclass(frozen=True, eq=False)
class Decisions:
    """What the network decides about images moved, beside what it decides about them where they are."""

    images: int
    correct: float  # images given their label; NaN where labels are missing
    same: float  # images given the class they have where they are; NaN where the network gives no classes
    change: float  # of the probability of that class, summed sizes

    @classmethod
    def of(cls, still: Tensor | None, moved: Tensor | None, labels: Tensor | None, images: int) -> Decisions:
        """Compare the logits (images, classes) of one batch, None where the network gives none."""
        if still is None or moved is None:
            return cls(images, nan, nan, nan)
        first, now = still.argmax(1), moved.argmax(1)
        change = _probability(moved, first) - _probability(still, first)
        correct = nan if labels is None else float((now == labels_among(moved, labels, **_WITHOUT)).sum())
        return cls(images, correct, float((now == first).sum()), float(change.abs().sum()))

    @property
    def accuracy(self) -> float:
        """Share of images given their label."""
        return self.correct / self.images

    @property
    def consistency(self) -> float:
        """Share of images given the class they have where they are."""
        return self.same / self.images

    @property
    def mac(self) -> float:
        """Mean size of the change of the probability of the class first given."""
        return self.change / self.images

    def __add__(self, other: Decisions) -> Decisions:
        return Decisions(
            self.images + other.images,
            self.correct + other.correct,
            self.same + other.same,
            self.change + other.change,
        )


def _probability(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.double().softmax(1).gather(1, classes[:, None])[:, 0]
