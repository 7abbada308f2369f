"""Indices of class selectivity from class means and variances, for all units at once.

Class means are (classes, units) or, for many sets of labels, (..., classes, units); classes without images are left
out beforehand. A unit whose index is not defined (nothing varies, a zero denominator) gets NaN.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuroprobe.analysis.indices import Floats, ratio

EPSILON = 1e-7  # response units
Indices = NDArray[np.intp]


def selectivity(means: ArrayLike, eps: float = EPSILON) -> Floats:
    """Class selectivity (mu_max - mu_rest) / (mu_max + mu_rest + eps), 0 to 1; mu_rest is the mean of the other means.

    Example:
        >>> selectivity([[3.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).round(3)
        array([0.5, 1. , 0. ])

    Source: Morcos et al., ICLR 2018; with eps, Leavitt and Morcos, ICLR 2021.
    """
    means = np.asarray(means, dtype=np.float64)
    best = means.max(axis=-2)
    return np.maximum(_contrast(best, _rest(means, best), eps), 0)  # equal means round to either side of 0


def preferred_class(means: ArrayLike) -> Indices:
    """The class (units,) of the largest mean; of equal ones the first."""
    return np.argmax(means, axis=-2)


def cross_validated(one_half: ArrayLike, other_half: ArrayLike, eps: float = EPSILON) -> Floats:
    """Selectivity (units,) for the class that the other half of the images prefers, averaged both ways.

    Without class information it is 0 on average, where plain selectivity is not; it may be below 0.
    """
    halves = [np.asarray(half, dtype=np.float64) for half in (one_half, other_half)]
    there = _selectivity_for(halves[1], preferred_class(halves[0]), eps)
    back = _selectivity_for(halves[0], preferred_class(halves[1]), eps)
    return (there + back) / 2


def margin(means: ArrayLike, eps: float = EPSILON) -> Floats:
    """How far the best class (units,) stands above the second: (mu_1 - mu_2) / (mu_1 + mu_2 + eps), 0 to 1."""
    second, first = np.sort(np.asarray(means, dtype=np.float64), axis=-2)[-2:]
    return _contrast(first, second, eps)


def d_prime(means: ArrayLike, variances: ArrayLike) -> Floats:
    """Distance (units,) of the preferred class from the others in standard deviations.

    (mu_max - mu_rest) / sqrt((var_max + var_rest) / 2), var_rest the mean of the other classes' variances. Classes with
    no variance of their own (a single image, NaN) are left out of it.
    """
    means, variances = np.asarray(means, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    best = preferred_class(means)[None]
    of_best = np.take_along_axis(variances, best, axis=0)[0]
    known = np.isfinite(variances)
    others = known.sum(axis=0) - np.isfinite(of_best)
    of_rest = ratio(np.where(known, variances, 0).sum(axis=0) - np.nan_to_num(of_best), others)
    top = means.max(axis=0)
    spread = np.sqrt(np.maximum(of_best + of_rest, 0) / 2)
    return ratio(top - _rest(means, top), spread)


def eta_squared(count: ArrayLike, means: ArrayLike, sum_sq_dev: ArrayLike) -> Floats:
    """Share (units,) of the variance over images that lies between classes, 0 to 1.

    Args:
        count: images (classes,).
        means: (classes, units).
        sum_sq_dev: squared deviations from the class mean, summed over its images, (classes, units).
    """
    count, means = np.asarray(count, dtype=np.float64)[:, None], np.asarray(means, dtype=np.float64)
    between = (count * (means - (count * means).sum(axis=0) / count.sum()) ** 2).sum(axis=0)
    return ratio(between, between + np.sum(sum_sq_dev, axis=0))


def sparseness(count: ArrayLike, means: ArrayLike, sum_sq_dev: ArrayLike) -> Floats:
    """How few images (units,) make up the response: (1 - mean(r)^2 / mean(r^2)) / (1 - 1 / images), 0 to 1.

    Arguments as for :func:`eta_squared`.

    Source: Treves and Rolls, Network 2 (1991) 371-397, in the form of Vinje and Gallant, Science 287 (2000).
    """
    count, means = np.asarray(count, dtype=np.float64)[:, None], np.asarray(means, dtype=np.float64)
    images = count.sum()
    mean = (count * means).sum(axis=0) / images
    mean_square = (count * means**2 + np.asarray(sum_sq_dev)).sum(axis=0) / images
    return ratio(1 - ratio(mean**2, mean_square), np.full_like(mean, 1 - 1 / images))


def _selectivity_for(means: Floats, which: Indices, eps: float) -> Floats:
    """Selectivity (units,) for given classes (units,)."""
    chosen = np.take_along_axis(means, which[None], axis=0)[0]
    return _contrast(chosen, _rest(means, chosen), eps)


def _rest(means: Floats, chosen: Floats) -> Floats:
    """Mean of the class means other than the one chosen."""
    return (means.sum(axis=-2) - chosen) / (means.shape[-2] - 1)


def _contrast(one: Floats, other: Floats, eps: float) -> Floats:
    """Divide the difference by the sum; two silent classes do not differ, whatever eps."""
    total = one + other + eps
    return np.divide(one - other, total, out=np.zeros_like(total), where=total != 0)
