"""Quantiles of each unit's responses from counts in bins that are the same whatever the data.

The bins are cut out of floating-point numbers as they are: exponent and first six bits of the mantissa. To which bin a
value goes is thus exact, where a logarithm may round the same value up here and down there; and counts add up exactly.
Of libraries, ddsketch takes one value of one unit at a time, and Apache's sketches bound the error of ranks, not of
values, and draw at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroprobe.reducers.observation import Observed

_DROPPED_BITS = 52 - 6  # of a float64: 64 bins an octave
_SMALLEST = 2.0**-40  # response units; what is nearer to 0 counts as 0
_BELOW_FIRST = 64 * (1023 - 40) - 1  # the bits that are kept of the last number below the smallest
_RANK_ROUNDING = 1e-12  # relative: 0.07 x 100 is a little more than 7


@dataclass(frozen=True, eq=False)
class Quantiles:
    """How often each unit's responses fell into each of the bins that the layer's responses fell into.

    A quantile is off by less than 1% of its value (0.8%); what is within 2^-40 (9e-13) of 0 counts as 0. It is the same
    bit for bit however the images are cut, ordered and merged. Memory is 8 bytes for each unit and each bin that any
    unit of the layer used, 64 an octave: 14 kB a unit where responses lie between 1e-6 and 1e2, however many images.

    Example:
        >>> from neuroprobe.reducers import observed
        >>> a, b = (Quantiles.of(observed(values)) for values in ([[0.0], [3.0]], [[4.0], [100.0]]))
        >>> (a + b).quantile([0.25, 0.5, 1]).round(decimals=1).tolist()
        [[0.0], [3.0], [100.5]]

    Source: relative error and merge law as in DDSketch, Masson, Rim and Lee (2019).
    """

    bins: Tensor  # (bins,), ascending: 0 holds zeros, 1, 2, ... growing and -1, -2, ... falling values
    counts: Tensor  # (bins, units), images

    @classmethod
    def of(cls, observed: Observed) -> Quantiles:
        """Return the counts of one batch."""
        units = observed.responses.shape[1]
        bins, places = _bin_of(observed.responses).unique(return_inverse=True)
        cells = places * units + torch.arange(units, device=places.device)
        counts = torch.bincount(cells.flatten(), minlength=len(bins) * units)
        return cls(bins, counts.reshape(len(bins), units))

    @property
    def count(self) -> int:
        """How many images were seen."""
        return int(self.counts[:, 0].sum())

    def quantile(self, q: float | Sequence[float]) -> Tensor:
        """Return the least response (units,) that a share ``q`` of the images does not exceed; 0.5 for the median.

        For several shares (shares, units). 0 gives the smallest response and 1 the largest.

        Raises:
            ValueError: if a share is not within 0 to 1.
        """
        shares = torch.as_tensor(q, dtype=torch.float64, device=self.counts.device)
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"q is a share of the images, or several, from 0 to 1; {q!r} came")
        ranks = (shares * self.count * (1 - _RANK_ROUNDING)).ceil().long().clamp_min(1)
        up_to = self.counts.T.cumsum(1)  # (units, bins), images
        places = torch.searchsorted(up_to, ranks.reshape(1, -1).expand(len(up_to), -1).contiguous())
        return _value_of(self.bins)[places].T.reshape(*shares.shape, -1)

    def __add__(self, other: Quantiles) -> Quantiles:
        bins = torch.cat([self.bins, other.bins]).unique()
        counts = self.counts.new_zeros(len(bins), self.counts.shape[1])
        for part in (self, other):
            counts.index_add_(0, torch.searchsorted(bins, part.bins), part.counts)
        return Quantiles(bins, counts)


def _bin_of(values: Tensor) -> Tensor:
    """Return the number of each value's bin."""
    sizes = (values.double().abs().view(torch.int64) >> _DROPPED_BITS) - _BELOW_FIRST
    return sizes.clamp_min(0) * values.sign().long()


def _value_of(bins: Tensor) -> Tensor:
    """Return the value that stands for each bin: as far, by proportion, from its lower as from its upper end."""
    kept = bins.abs() + _BELOW_FIRST
    lower, upper = ((kept + step << _DROPPED_BITS).view(torch.float64) for step in (0, 1))
    return torch.where(bins == 0, 0.0, bins.sign() * 2 * lower / (1 + lower / upper))
