"""What takes every response and not only class means: ranks, information, and what permuted labels would give.

Responses are (units, images), labels (images,) whole numbers from 0 with no class left out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuroprobe.analysis.class_indices import EPSILON, selectivity
from neuroprobe.analysis.indices import Floats

BINS = 10  # of equal count, for mutual information: deciles of the responses
_TIE = 1e-9  # of si: values nearer than this are equal but for rounding
Labels = NDArray[np.intp]


def ranks(responses: ArrayLike) -> Floats:
    """Rank each unit's responses (units, images) from 1, equal responses by the mean of their places."""
    from scipy.stats import rankdata  # here, as scipy.stats takes most of a second to load

    return rankdata(responses, axis=1)


def auroc(ranked: Floats, labels: ArrayLike, preferred: ArrayLike) -> Floats:
    """Chance (units,) that an image of the preferred class gives more than one of the rest; ties count half.

    Args:
        ranked: from :func:`ranks`, (units, images).
        labels: (images,).
        preferred: class of each unit (units,).

    Example:
        >>> auroc(ranks([[0.0, 0.0, 1.0, 3.0]]), [0, 0, 0, 1], [1])
        array([1.])
    """
    inside = np.equal(np.asarray(labels)[None], np.asarray(preferred)[:, None])
    own = inside.sum(axis=1)
    below = (ranked * inside).sum(axis=1) - own * (own + 1) / 2
    return below / (own * (ranked.shape[1] - own))


def mutual_information(ranked: Floats, labels: ArrayLike) -> Floats:
    """Information (units,) between class and response in bits, the responses in ten bins of equal count.

    Equal responses share a bin, so a constant unit has none. Taken as it is from the counts it is too high by about
    (bins - 1) (classes - 1) / (2 images ln 2) bits.

    Args:
        ranked: from :func:`ranks`, (units, images).
        labels: (images,).

    Example:
        >>> mutual_information(ranks([[0.0, 0.0, 5.0, 5.0], [1.0, 1.0, 1.0, 1.0]]), [0, 0, 1, 1])
        array([1., 0.])
    """
    labels = np.asarray(labels)
    units, images = ranked.shape
    classes = int(labels.max()) + 1
    bins = ((ranked - 0.5) * (BINS / images)).astype(np.intp)
    cells = (np.arange(units)[:, None] * BINS + bins) * classes + labels
    counts = np.bincount(cells.ravel(), minlength=units * BINS * classes).reshape(units, BINS, classes)
    shared = _entropy(counts.sum(axis=2)) + _entropy(counts.sum(axis=1)) - _entropy(counts.reshape(units, -1))
    return np.maximum(shared, 0)


def label_null(
    responses: NDArray[np.floating],
    labels: ArrayLike,
    observed: ArrayLike,
    *,
    permutations: int,
    seed: int,
    eps: float = EPSILON,
) -> tuple[Floats, Floats]:
    """Mean selectivity (units,) when labels are permuted, and p: the share of permutations that reach a unit's own.

    p is (b + 1) / (n + 1). The preferred class is chosen anew in each permutation; every unit meets the same ones.

    Args:
        responses: (units, images).
        labels: (images,).
        observed: selectivity (units,) with the labels as they are.
        permutations: how many, at least 1.
        seed: of the permutations.
        eps: of the selectivity.

    Example:
        >>> null, p = label_null(np.eye(2).repeat(20, axis=1), np.arange(2).repeat(20), [1, 1], permutations=99, seed=0)
        >>> p
        array([0.01, 0.01])
    """
    by_image = np.ascontiguousarray(responses.T, dtype=np.float64)
    level = np.asarray(observed) - _TIE
    total, reached = np.zeros(len(level)), np.zeros(len(level))
    for means in _permuted_means(by_image, np.bincount(np.asarray(labels)), permutations, seed):
        null = selectivity(means, eps)
        total += null
        reached += null >= level
    return total / permutations, (reached + 1) / (permutations + 1)


def _permuted_means(by_image: Floats, count: Labels, permutations: int, seed: int) -> Iterator[Floats]:
    """Yield class means (classes, units) of classes as large as the real ones, filled by chance."""
    from scipy.sparse import csr_array

    # a sparse indicator: its product costs the same however many classes there are
    random, images = np.random.default_rng(seed), np.arange(len(by_image), dtype=np.int32)
    ends, share = np.concatenate(([0], np.cumsum(count))), np.repeat(1 / count, count)
    for _ in range(permutations):
        yield csr_array((share, random.permutation(images), ends), shape=(len(count), len(images))) @ by_image


def _entropy(counts: NDArray[np.intp]) -> Floats:
    """Entropy (units,) of counts (units, cells), bits."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    return -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
