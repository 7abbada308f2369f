"""Does a score go with the effect of ablation for its own sake, or because active units have more of both?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuroprobe.analysis.rank_agreement import POOLED

if TYPE_CHECKING:
    import pandas as pd

_ROUNDING = 1e-9  # of a squared correlation: a rest no larger is none
_FEWEST = 4  # units: of three, two ranks are fixed by the third


def partial_spearman(score: pd.Series[float], effect: pd.Series[float], held: pd.Series[float]) -> pd.Series[float]:
    """Return Spearman's rho of a score and an effect, layer by layer and pooled, at equal ranks of what is held.

    NaN where either follows from what is held alone, or for fewer than 4 units that have all three.

    Example:
        >>> import pandas as pd
        >>> index = pd.MultiIndex.from_product([["relu1"], range(6)], names=["layer", "unit"])
        >>> activity = pd.Series([1.0, 2, 3, 4, 5, 6], index)
        >>> score, effect = activity + [1.5, 0, 0, 0, 0, 0], activity + [0, 0, 0, 0, 0, -1.5]  # alike by activity alone
        >>> round(float(score.corr(effect, "spearman")), 2), partial_spearman(score, effect, activity).round(2).tolist()
        (0.89, [-0.03, -0.03])

    Args:
        score: indexed by (layer, unit).
        effect: of ablating each unit, indexed likewise.
        held: such as the unit's mean response, indexed likewise.

    Source: first-order partial correlation, of ranks.
    """
    import pandas as pd

    table = pd.concat([score, effect, held], axis=1, join="inner", keys=["score", "effect", "held"]).dropna()
    groups = [*table.groupby(level="layer", sort=False), (POOLED, table)]
    return pd.Series({layer: _partial(units) for layer, units in groups}, name="partial_spearman").rename_axis("layer")


def _partial(units: pd.DataFrame) -> float:
    if len(units) < _FEWEST:
        return float("nan")
    (_, together, with_score), (_, _, with_effect), _ = units.corr("spearman").to_numpy()
    rest = (1 - with_score**2) * (1 - with_effect**2)
    return float((together - with_score * with_effect) / np.sqrt(rest)) if rest > _ROUNDING else float("nan")
