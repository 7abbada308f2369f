"""Do selective units matter more? Each unit's score against what ablating it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from neuroprobe.analysis.rank_agreement import POOLED, rank_agreement
from neuroprobe.analysis.rank_correlation import partial_spearman
from neuroprobe.plots.style import INK, LABELS, new_axes, plain_numbers, shorten, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SHADES = mpl.colormaps["viridis"](np.linspace(0, 0.9, 256))  # without its yellow, faint on white
_NAMED_LAYERS = 10  # with more, the legend names the first, the last and some between


@styled
def selectivity_against_impact(
    score: pd.Series[Any], impact: pd.Series[Any], activity: pd.Series[Any] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a score of every unit against the impact of ablating it, darker the earlier its layer, with Spearman's rho.

    Args:
        score: a column of a unit table (``tuning.units.gosi``).
        impact: a column of another (``impact.units.delta_loss``); units in both are drawn.
        activity: a column of a third (``recording.units["mean"]``): rho at equal ranks of it is printed in brackets,
            since active units may have more of both.
        ax: where to draw; a new figure by default.

    Raises:
        TypeError: if a whole result or table is given in place of one column.
    """
    _check_columns(score=score, impact=impact, activity=activity)
    axes = ax or new_axes(4.6, 2.8)
    score, effect = score.astype(float).rename(str(score.name)), impact.astype(float)
    rho = rank_agreement(score.to_frame(), effect.to_frame(), str(impact.name))["spearman"].droplevel("method")
    held = partial_spearman(score, effect, activity.astype(float)) if activity is not None else None
    layers = [layer for layer in rho.index if layer != POOLED]
    shades = _SHADES[np.linspace(0, 255, len(layers)).astype(int)]
    named = set(np.linspace(0, len(layers) - 1, min(len(layers), _NAMED_LAYERS)).astype(int))
    axes.axhline(0, color=INK, lw=0.6)
    for place, (layer, shade) in enumerate(zip(layers, shades, strict=True)):
        label = f"{shorten(layer)}: {_rho(layer, rho, held)}" if place in named else None
        x, y = score.loc[[layer]].align(effect.loc[[layer]], join="inner")
        axes.plot(x, y, "o", color=shade, ms=2.6, mew=0, alpha=0.75, label=label, zorder=3 - place / len(layers))
    axes.set(xlabel=LABELS.get(str(score.name), str(score.name)), ylabel=LABELS.get(str(impact.name), str(impact.name)))
    axes.plot([], [], " ", label=f"All units: {_rho(POOLED, rho, held)}")
    plain_numbers(axes.yaxis, 5)
    header = "Spearman's $\\rho$" + (" (at equal activity)" if held is not None else "")
    axes.legend(title=header, title_fontsize=6.5, loc="center left", bbox_to_anchor=(1, 0.5), alignment="left")
    return axes


def _check_columns(**columns: Any) -> None:
    import pandas as pd

    for name, column in columns.items():
        if column is not None and not isinstance(column, pd.Series):
            raise TypeError(
                f"{name} must be one column of a unit table, such as result.units.si or impact.units.delta_loss; "
                f"{type(column).__name__} came"
            )


def _rho(layer: str, rho: pd.Series[float], held: pd.Series[float] | None) -> str:
    return _signed(rho[layer]) + (f" ({_signed(held[layer])})" if held is not None else "")


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(number) else "none"
