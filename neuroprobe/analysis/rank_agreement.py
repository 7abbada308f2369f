"""How well quick scores of units agree with the exact effects of ablating them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroprobe.results import named

if TYPE_CHECKING:
    import pandas as pd

POOLED = "all"  # stands for the layer where the units of all layers are ranked together


def rank_agreement(scores: pd.DataFrame, impact: pd.DataFrame, effect: str = "delta_loss") -> pd.DataFrame:
    """Return the Spearman correlation of each score with an effect of ablation, layer by layer and pooled.

    Example:
        >>> import pandas as pd
        >>> index = pd.MultiIndex.from_product([["relu1"], range(3)], names=["layer", "unit"])
        >>> scores = pd.DataFrame({"conductance": [0.1, 0.5, 0.9]}, index)
        >>> impact = pd.DataFrame({"delta_loss": [0.0, 2.0, 1.0]}, index)
        >>> rank_agreement(scores, impact).spearman.tolist()
        [0.5, 0.5]

    Args:
        scores: unit table (layer, unit) with a column a score.
        impact: unit table with the exact effects of holding each unit; units of one table alone are left out, as are
            those that a column ``estimated`` marks.
        effect: the column of ``impact``.

    Returns:
        A DataFrame, a row a (``layer``, ``method``), the last layer ``all``: ``spearman`` (-1 to 1, NaN where either
        side is constant), ``units`` (how many were ranked).

    Raises:
        ValueError: if there is no such column, or no unit is in both tables.
    """
    import pandas as pd

    effects = impact[named("column of effects", effect, impact.columns)].astype(float)
    if "estimated" in impact:
        effects = effects[~impact["estimated"].astype(bool)]
    both = scores.join(effects, how="inner")  # keeps the order of scores
    if both.empty:
        raise ValueError(
            f"scores and impact must be of the same units (layer, unit); scores begin with {_first(scores)}, impact "
            f"with {_first(impact)}"
        )
    groups = [*both.groupby(level="layer", sort=False), (POOLED, both)]
    rows = [
        {"layer": layer, "method": method, **_ranked(units[[method, effect]])}
        for layer, units in groups
        for method in scores
    ]
    return pd.DataFrame(rows).set_index(["layer", "method"])


def _ranked(pair: pd.DataFrame) -> dict[str, float]:
    # a frame's own correlation gives NaN for a constant, and says nothing
    return {"spearman": pair.corr("spearman").to_numpy()[0, 1], "units": len(pair.dropna())}


def _first(table: pd.DataFrame) -> str:
    return "({!r}, {})".format(*table.index[0]) if len(table) else "none"
