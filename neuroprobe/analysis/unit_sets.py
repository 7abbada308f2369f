"""Which units are ablated together: nested sets that grow in the order of a score, against it, or by chance.

An order of units gives the sets: the first k of it, for each k. Nothing here knows of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuroprobe.analysis.indices import Floats

Order = Literal["top", "bottom", "random", "matched"]
Places = NDArray[np.intp]
ORDERS: tuple[Order, ...] = get_args(Order)
CHANCE: tuple[Order, ...] = ("random", "matched")  # orders of which there are as many as there are repeats
_NEIGHBOURS = 5  # units that a matched set may take for one another


def rankings(
    order: Order, scores: ArrayLike, *, repeats: int = 1, seed: Sequence[int] = (0,), strata: ArrayLike | None = None
) -> Places:
    """Return the order(s) in which units are ablated, (1 or repeats, units), as places in ``scores``.

    ``top`` goes by falling score, equal scores in an order drawn from the seed; ``bottom`` is its reverse, so that the
    two halves share no unit. ``random`` is drawn anew each repeat. ``matched`` is ``top`` with the units of each
    stratum dealt anew among their places: any set has as many units of a stratum as the top set of its size.
    A repeat is the same however many there are.

    Example:
        >>> rankings("top", [0.2, 0.9, 0.5]).tolist(), rankings("bottom", [0.2, 0.9, 0.5]).tolist()
        ([[1, 2, 0]], [[0, 2, 1]])
        >>> rankings("matched", [4, 3, 2, 1], strata=[0, 0, 1, 1], repeats=2).max(axis=0).tolist()
        [1, 1, 3, 3]
    """
    scores = np.asarray(scores, dtype=np.float64)
    ties = np.random.default_rng([*seed, ORDERS.index("top")]).permutation(len(scores))
    top = np.lexsort((ties, -scores))
    if order not in CHANCE:
        return top[None] if order == "top" else top[None, ::-1]
    rng = np.random.default_rng([*seed, ORDERS.index(order)])
    shuffles = np.stack([rng.permutation(len(scores)) for _ in range(repeats)])
    return shuffles if order == "random" else _dealt_within(np.asarray(strata), shuffles)[:, top]


def _dealt_within(strata: NDArray[Any], shuffles: Places) -> Places:
    """Return for each unit the one that takes its place, (repeats, units): another of its stratum, or itself."""
    holders = np.argsort(strata, kind="stable")
    takers = np.stack([np.lexsort((shuffle, strata)) for shuffle in shuffles])
    return takers[:, np.argsort(holders)]


def activity_strata(activity: ArrayLike, layers: ArrayLike) -> NDArray[np.intp]:
    """Number the strata (units,) in which units of one layer stand beside those next to them in mean activity.

    A stratum has about five units.

    Example:
        >>> activity_strata([0, 9, 1, 8, 2, 7, 3, 6, 4, 5], ["a"] * 10).tolist()
        [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    """
    activity, layers = np.asarray(activity), np.asarray(layers)
    strata, begun = np.empty(len(activity), dtype=np.intp), 0
    for layer in np.unique(layers):
        units = np.flatnonzero(layers == layer)
        by_activity = units[np.argsort(activity[units], kind="stable")]
        for neighbours in np.array_split(by_activity, max(1, len(units) // _NEIGHBOURS)):
            strata[neighbours] = begun
            begun += 1
    return strata


def set_sizes(fractions: ArrayLike, units: int) -> NDArray[np.intp]:
    """Return how many units each fraction is: the nearest whole number, halves down, so that two halves never overlap.

    Example:
        >>> set_sizes([0, 0.1, 0.5, 1], 7).tolist()
        [0, 1, 3, 7]
    """
    exact = np.round(np.asarray(fractions, dtype=np.float64) * units, 9)  # 0.3 x 5 is meant to be 1.5
    return np.ceil(exact - 0.5).astype(np.intp)


def checked_fractions(fractions: int | Sequence[float]) -> Floats:
    """Return the fractions in ascending order, 0 among them: a count spreads evenly over 0 to 1.

    Example:
        >>> checked_fractions(3).tolist(), checked_fractions([0.5]).tolist()
        ([0.0, 0.5, 1.0], [0.0, 0.5])
    """
    if isinstance(fractions, int | np.integer) and not isinstance(fractions, bool) and fractions >= 2:
        return np.linspace(0, 1, int(fractions)).round(12)  # 0.3, not 0.30000000000000004
    wanted = np.asarray(fractions, dtype=object)
    try:
        values = wanted.astype(np.float64)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.ndim != 1 or not len(values) or not ((values >= 0) & (values <= 1)).all() or not values.any():
        raise ValueError(
            f"fractions must be a count from 2, or a sequence of numbers from 0 to 1, one of them above 0; "
            f"{fractions!r} came"
        )
    return np.unique(np.append(values, 0.0))
