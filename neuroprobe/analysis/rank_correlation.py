"""Do two measures of units rise together, and do they still where a third is held?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

_FEWEST = 4  # units: with three and one held constant nothing is left to vary


def spearman(x: ArrayLike, y: ArrayLike, held: ArrayLike | None = None) -> float:
    """Return Spearman's rho over units that have all numbers, partial where a third measure is held constant.

    NaN with fewer than 4 such units, or where one measure is the same for all (or follows from the one held).

    Example:
        >>> round(spearman([1, 2, 3, 4, np.nan], [1, 8, 27, 64, 0]), 9)
        1.0
        >>> activity = np.array([1, 2, 3, 4, 5, 6])
        >>> x, y = activity + [1.5, 0, 0, 0, 0, 0], activity + [0, 0, 0, 0, 0, -1.5]  # alike by activity alone
        >>> round(spearman(x, y), 2), round(spearman(x, y, held=activity), 2)
        (0.89, -0.03)

    Source: partial rank correlation is that of the residuals of ranks.
    """
    from scipy.stats import rankdata  # here, as scipy.stats takes most of a second to load

    columns = np.array([x, y] if held is None else [x, y, held], dtype=np.float64)
    ranks = np.array([rankdata(column) for column in columns[:, np.isfinite(columns).all(axis=0)]])
    if ranks.shape[1] < _FEWEST:
        return float("nan")
    ranks -= ranks.mean(axis=1, keepdims=True)
    if held is not None and ranks[2].any():
        ranks = ranks[:2] - np.outer(ranks[:2] @ ranks[2] / (ranks[2] @ ranks[2]), ranks[2])
    lengths = np.linalg.norm(ranks[:2], axis=1)
    return float(ranks[0] @ ranks[1] / lengths.prod()) if (lengths > 1e-9).all() else float("nan")
