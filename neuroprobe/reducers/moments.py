"""Counts, means and variances of each unit, over all images and class by class.

Source: the merge laws are those of Chan, Golub and LeVeque (1983).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuroprobe.reducers.observation import Observed


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean, variance, smallest and largest response of each unit.

    Example:
        >>> from neuroprobe.reducers import observed
        >>> a, b = (Moments.of(observed(values)) for values in ([[0.0], [2.0]], [[4.0]]))
        >>> (a + b).mean.item(), (a + b).variance.item(), (a + b).maximum.item()
        (2.0, 4.0, 4.0)
    """

    count: int
    mean: Tensor  # (units,), response units
    sum_sq_dev: Tensor  # (units,), response units squared
    minimum: Tensor  # (units,)
    maximum: Tensor  # (units,)

    @classmethod
    def of(cls, observed: Observed) -> Moments:
        """Return the moments of one batch."""
        values = observed.responses.double()
        mean = values.mean(0)
        return cls(len(values), mean, (values - mean).square().sum(0), values.amin(0), values.amax(0))

    @property
    def variance(self) -> Tensor:
        """The unbiased variance (units,); NaN for a single image."""
        return self.sum_sq_dev / (self.count - 1) if self.count > 1 else torch.full_like(self.mean, torch.nan)

    def __add__(self, other: Moments) -> Moments:
        count, gap = self.count + other.count, other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * (other.count / count),
            self.sum_sq_dev + other.sum_sq_dev + gap.square() * (self.count * other.count / count),
            torch.minimum(self.minimum, other.minimum),
            torch.maximum(self.maximum, other.maximum),
        )


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """Count of images, mean and variance of each unit's response, for each class apart."""

    count: Tensor  # (classes,), images
    mean: Tensor  # (classes, units), 0 where a class has no image
    sum_sq_dev: Tensor  # (classes, units)

    @classmethod
    def of(cls, observed: Observed) -> ClassMoments:
        """Return the moments of one batch, for as many classes as its largest label asks for."""
        if observed.labels is None:
            raise ValueError(
                "class moments need labels: give data as (images, labels) or a folder with one for each class"
            )
        labels, values = observed.labels.to(observed.responses.device), observed.responses.double()
        count = torch.bincount(labels).double()
        sums = values.new_zeros(len(count), values.shape[1]).index_add_(0, labels, values)
        mean = sums / count.clamp_min(1)[:, None]
        sum_sq_dev = torch.zeros_like(mean).index_add_(0, labels, (values - mean[labels]).square())
        return cls(count, mean, sum_sq_dev)

    @property
    def variance(self) -> Tensor:
        """The unbiased variance (classes, units); NaN where a class has fewer than two images."""
        return self.sum_sq_dev / torch.where(self.count > 1, self.count - 1, torch.nan)[:, None]

    def __add__(self, other: ClassMoments) -> ClassMoments:
        a, b = self._with_classes(len(other.count)), other._with_classes(len(self.count))
        count, gap = a.count + b.count, b.mean - a.mean
        share = (b.count / count.clamp_min(1))[:, None]
        return ClassMoments(
            count, a.mean + gap * share, a.sum_sq_dev + b.sum_sq_dev + gap.square() * share * a.count[:, None]
        )

    def _with_classes(self, classes: int) -> ClassMoments:
        """Return the same with empty classes added at the end, up to a number."""
        more = max(classes - len(self.count), 0)
        pad = torch.nn.functional.pad
        return ClassMoments(
            pad(self.count, (0, more)), pad(self.mean, (0, 0, 0, more)), pad(self.sum_sq_dev, (0, 0, 0, more))
        )
