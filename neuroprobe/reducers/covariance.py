"""How responses vary together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_NO_RESPONSE = 1e-12  # response units
_ROUNDING = 1e-6  # of a mean over many places in single precision, relative


@dataclass(frozen=True, eq=False)
class CoMoments:
    """How two responses of each unit vary together: means, sums of squares and of products about them.

    Example:
        >>> import torch
        >>> a = CoMoments.of(torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [7.0]]))
        >>> b = CoMoments.of(torch.tensor([[2.0]]), torch.tensor([[9.0]]))
        >>> (a + b).pearson.item()
        1.0

    Source: the merge law is that of Chan, Golub and LeVeque (1983), for products as for squares.
    """

    count: int
    mean: Tensor  # (2, units), of the one response and of the other, response units
    sum_sq_dev: Tensor  # (2, units), response units squared
    sum_product: Tensor  # (units,), of the two deviations from the mean

    @classmethod
    def of(cls, one: Tensor, other: Tensor) -> CoMoments:
        """Return the co-moments of one batch of two responses, each (images, units)."""
        values = torch.stack([one, other]).double()
        mean = values.mean(1)
        deviations = values - mean[:, None]
        return cls(len(one), mean, deviations.square().sum(1), deviations.prod(0).sum(0))

    @property
    def pearson(self) -> Tensor:
        """Pearson's r over images (units,); NaN where one of the two responses is constant but for rounding."""
        spread = self.sum_sq_dev.sqrt()
        r = (self.sum_product / spread.prod(0)).clamp(-1, 1)
        return torch.where(self.constant.any(0), torch.nan, r)

    @property
    def constant(self) -> Tensor:
        """Whether a response is the same for all images (2, units), up to the rounding of single precision."""
        return (self.sum_sq_dev / self.count).sqrt() <= _ROUNDING * self.mean.abs() + _NO_RESPONSE

    def __add__(self, other: CoMoments) -> CoMoments:
        count, gap = self.count + other.count, other.mean - self.mean
        weight = self.count * other.count / count
        return CoMoments(
            count,
            self.mean + gap * (other.count / count),
            self.sum_sq_dev + other.sum_sq_dev + gap.square() * weight,
            self.sum_product + other.sum_product + gap.prod(0) * weight,
        )
