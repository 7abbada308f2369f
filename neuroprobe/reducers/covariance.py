"""How responses vary together: two of each unit, or those of all units of a layer.

Source: the merge laws are those of Chan, Golub and LeVeque (1983), for products as for squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroprobe.reducers.observation import Observed

_NO_RESPONSE = 1e-12  # response units
_ROUNDING = 1e-6  # of a mean over many places in single precision, relative
_MOST_BYTES = 2**30  # of one layer's covariance


@dataclass(frozen=True, eq=False)
class CoMoments:
    """How two responses of each unit vary together: means, sums of squares and of products about them.

    Example:
        >>> import torch
        >>> a = CoMoments.of(torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [7.0]]))
        >>> b = CoMoments.of(torch.tensor([[2.0]]), torch.tensor([[9.0]]))
        >>> round((a + b).pearson.item(), 6)
        1.0
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
        return _is_constant(self.count, self.mean, self.sum_sq_dev)

    def __add__(self, other: CoMoments) -> CoMoments:
        count, gap = self.count + other.count, other.mean - self.mean
        weight = self.count * other.count / count
        return CoMoments(
            count,
            self.mean + gap * (other.count / count),
            self.sum_sq_dev + other.sum_sq_dev + gap.square() * weight,
            self.sum_product + other.sum_product + gap.prod(0) * weight,
        )


@dataclass(frozen=True, eq=False)
class Covariance:
    """How the responses of a layer's units vary together over images: means, and products of deviations from them.

    Memory is units x units numbers of 8 bytes, held twice while two batches are added: 0.1 GB for 4,096 units, and at
    most 1 GiB. For some of the units only: ``functools.partial(Covariance.of, units=slice(1000))``, the first 1,000 of
    every layer.

    Example:
        >>> from neuroprobe.reducers import observed
        >>> a, b = (Covariance.of(observed(values)) for values in ([[0.0, 2.0], [1.0, 1.0]], [[2.0, 0.0]]))
        >>> (a + b).covariance.tolist(), round((a + b).correlation[0, 1].item(), 6)
        ([[1.0, -1.0], [-1.0, 1.0]], -1.0)
    """

    count: int
    units: Tensor  # (units,), their numbers in the layer
    mean: Tensor  # (units,), response units
    sum_product: Tensor  # (units, units), of two units' deviations from their means, response units squared

    @classmethod
    def of(cls, observed: Observed, units: slice | Sequence[int] = slice(None)) -> Covariance:
        """Return the covariance of one batch, of all units or of some by number.

        Raises:
            ValueError: if it takes more than 1 GiB; IndexError: if a unit is not there.
        """
        chosen = _chosen(units, observed.responses.shape[1])
        _refuse_too_many(len(chosen))
        values = observed.responses[:, chosen.to(observed.responses.device)].double()
        mean = values.mean(0)
        deviations = values - mean
        return cls(len(values), chosen, mean, deviations.T @ deviations)

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance (units, units), response units squared; NaN for a single image."""
        return self.sum_product / (self.count - 1 if self.count > 1 else torch.nan)

    @property
    def correlation(self) -> Tensor:
        """Pearson's r over images (units, units); NaN where a unit is constant but for rounding."""
        sum_sq_dev = self.sum_product.diagonal()
        varies = torch.where(_is_constant(self.count, self.mean, sum_sq_dev), torch.nan, sum_sq_dev.sqrt())
        return (self.sum_product / varies / varies[:, None]).clamp(-1, 1)

    def __add__(self, other: Covariance) -> Covariance:
        if not torch.equal(self.units, other.units):
            raise ValueError(
                f"the covariance of {len(self.units)} units and that of {len(other.units)} others do not add up: "
                "choose the same units"
            )
        count, gap = self.count + other.count, other.mean - self.mean
        weight = self.count * other.count / count
        sum_product = (self.sum_product + other.sum_product).addr_(gap, gap, alpha=weight)  # in place: it may be large
        return Covariance(count, self.units, self.mean + gap * (other.count / count), sum_product)


def _is_constant(count: int, mean: Tensor, sum_sq_dev: Tensor) -> Tensor:
    """Whether responses are the same for all images, up to the rounding of single precision."""
    return (sum_sq_dev / count).sqrt() <= _ROUNDING * mean.abs() + _NO_RESPONSE


def _chosen(units: slice | Sequence[int], there: int) -> Tensor:
    """Return the numbers of the units that are chosen of a layer."""
    if isinstance(units, slice):
        return torch.arange(there)[units]
    missing = next((unit for unit in units if not 0 <= unit < there), None)
    if missing is not None:
        raise IndexError(f"unit {missing} was chosen for the covariance; the layer has {there} units, from 0")
    return torch.tensor(units)


def _refuse_too_many(units: int) -> None:
    if 8 * units**2 > _MOST_BYTES:
        raise ValueError(
            f"the covariance of {units:,} units takes {8 * units**2 / 1e9:.1f} GB, and more than "
            f"{_MOST_BYTES / 1e9:.1f} GB is refused: name fewer layers=, or some of the units, "
            "reducers={'covariance': functools.partial(Covariance.of, units=slice(1000))}"
        )
