"""Do selective units matter more? Each unit's score against what ablating it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.plots.style import INK, LABELS, new_axes, plain_numbers, shades, shorten, spread, styled, symmetric_log
from neuroprobe.results import UnitImpact

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_NAMED_LAYERS = 10  # with more, the legend names the first, the last and some between


@styled
def selectivity_against_impact(
    impact: UnitImpact,
    score: pd.Series[Any],
    activity: pd.Series[Any] | None = None,
    effect: str = "delta_loss",
    ax: Axes | None = None,
) -> Axes:
    """Draw what ablating units does against a score of theirs, darker the earlier the layer, with Spearman's rho.

    Impact has a logarithmic scale on both sides of a linear piece around 0, which holds at most half of the units.

    Example:
        >>> import torch, neuroprobe
        >>> model, data = neuroprobe.load_network("cnn7"), (torch.rand(20, 3, 32, 32), torch.arange(20) % 10)
        >>> tuning = neuroprobe.orientation(model, ["relu6"], permutations=0)
        >>> impact = neuroprobe.unit_impact(model, data, ["relu6"])
        >>> axes = neuroprobe.plots.selectivity_against_impact(impact, tuning.units.gosi)
        >>> axes.get_xlabel(), axes.get_ylabel()
        ('Selectivity (gOSI)', 'Change in loss when ablated (nats)')

    Args:
        impact: what ``neuroprobe.unit_impact`` found; units that were only estimated are left out.
        score: a column of another unit table, such as ``tuning.units.gosi``; units in both are drawn.
        activity: a column of a third, such as ``recording.units["mean"]``: rho at equal ranks of it is printed in
            brackets, since active units may have more of both.
        effect: which column of the impact's unit table is drawn.
        ax: where to draw; a new figure by default.

    Raises:
        TypeError: if the impact is no such result, or a whole table is given in place of a column.
    """
    _check(impact, score=score, activity=activity)
    rho = impact.against(score, activity, effect)
    changes = impact.numbers(effect)[~impact.units["estimated"]]
    *layers, pooled = rho.index
    named = set(spread(len(layers), _NAMED_LAYERS))
    axes = ax or new_axes(4.6, 2.8)
    axes.axhline(0, color=INK, lw=0.6)
    for place, (layer, shade) in enumerate(zip(layers, shades(len(layers)), strict=True)):
        label = f"{shorten(layer)}: {_said(rho.loc[layer])}" if place in named else None
        x, y = score.loc[[layer]].astype(float).align(changes.loc[[layer]], join="inner")
        axes.plot(x, y, "o", color=shade, ms=2.6, mew=0, alpha=0.75, label=label, zorder=3 - place / len(layers))
    axes.plot([], [], " ", label=f"All units: {_said(rho.loc[pooled])}")
    symmetric_log(axes, changes)
    plain_numbers(axes.xaxis, 5)
    axes.set(xlabel=LABELS.get(str(score.name), str(score.name)), ylabel=LABELS.get(effect, effect))
    header = "Spearman's $\\rho$" + (" (at equal activity)" if activity is not None else "")
    axes.legend(title=header, title_fontsize=6.5, loc="center left", bbox_to_anchor=(1, 0.5), alignment="left")
    return axes


def _check(impact: Any, **columns: Any) -> None:
    import pandas as pd

    if not isinstance(impact, UnitImpact):
        raise TypeError(f"impact must be what neuroprobe.unit_impact found; {type(impact).__name__} came")
    for name, column in columns.items():
        if column is not None and not isinstance(column, pd.Series):
            raise TypeError(
                f"{name} must be one column of a unit table, such as result.units.si; {type(column).__name__} came"
            )


def _said(rho: pd.Series[float]) -> str:
    held = f" ({_signed(rho['at_equal_activity'])})" if "at_equal_activity" in rho else ""
    return _signed(rho["spearman"]) + held


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(number) else "none"
