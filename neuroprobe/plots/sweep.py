"""What a penalty on selectivity does: accuracy and selectivity against its strength, and against one another."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullLocator

from neuroprobe.plots.style import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    legend_above,
    new_axes,
    new_figure,
    panel_letter,
    plain,
    plain_numbers,
    shorten,
    styled,
    widen_narrow,
)
from neuroprobe.results import named

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neuroprobe.results import Sweep

_LABELS = {
    "accuracy": "Accuracy",
    "loss": "Loss (nats)",
    "si": "Class selectivity (mean SI)",
    "si_live": "Mean SI of live units",
    "gosi": "Orientation selectivity (mean gOSI)",
    "dead": "Share of dead units",
}
_SPREAD = 20  # the largest alpha to the smallest, from which decades are drawn alike
_TICKS = 7


@styled
def sweep_overview(result: Sweep) -> Figure:
    """Draw the figure of Leavitt and Morcos (2020) on one page, of whichever selectivity was pushed.

    Panels: (A) accuracy and (B) selectivity against alpha, (C) one against the other.

    Returns:
        The figure, 7 x 2.5 inches.
    """
    figure = new_figure(7, 2.5)
    panels = figure.subplots(1, 3)
    by_alpha(result, "accuracy", ax=panels[0])
    by_alpha(result, result.index, ax=panels[1])
    accuracy_against_selectivity(result, ax=panels[2])
    for axes, letter in zip(panels, "ABC", strict=True):
        panel_letter(axes, letter)
    seeds = result.table.index.unique("seed").size
    _explain(panels[0], seeds)
    figure.suptitle(
        f"{shorten(str(result.meta['model']), 40)} · penalty on {result.meta['penalty']} selectivity · "
        f"{seeds} {'seeds' if seeds > 1 else 'seed'}",
        fontsize=8,
    )
    return figure


@styled
def by_alpha(result: Sweep, column: str = "accuracy", ax: Axes | None = None) -> Axes:
    """Draw a column against alpha: a point a seed, the mean with its 95% interval; blue discourages, red promotes.

    Where the largest alpha is 20 times the smallest or more, the scale is logarithmic either side of 0. The dashed line
    is the mean without a penalty. The column's axis spans 0.05 at least (of losses 0.1 nats).

    Args:
        result: what ``neuroprobe.sweep`` found.
        column: of ``result.table``.
        ax: where to draw; a new figure by default.
    """
    named("column", column, _LABELS)
    axes = ax or new_axes(3.5, 2.4)
    summary = result.summary()
    _scale_alphas(axes, result.alphas)
    if 0 in summary.index:
        axes.axhline(summary[column][0], color=GREY, lw=0.7, ls="--", zorder=1)
        axes.axvline(0, color=GREY, lw=0.7, zorder=1)
    axes.plot(summary.index, summary[column], "-", color=GREY, lw=0.9, zorder=2)
    for alpha in result.alphas:
        runs = result.table[column].xs(alpha, level="alpha")
        _draw_runs(axes, [alpha] * len(runs), runs, alpha)
        axes.vlines(alpha, *_ends(summary, column, alpha), color=_colour(alpha), lw=1)
        _draw_mean(axes, alpha, summary[column][alpha], alpha)
    axes.set(xlabel="Strength of the penalty, $\\alpha$", ylabel=_LABELS[column].replace(" (", "\n("))
    widen_narrow(axes, column)
    plain_numbers(axes.yaxis, 6)
    return axes


@styled
def accuracy_against_selectivity(result: Sweep, column: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw accuracy against selectivity, a point a run; means in order of alpha with 95% intervals both ways.

    Args:
        result: what ``neuroprobe.sweep`` found.
        column: of ``result.table``; by default the index that was pushed.
        ax: where to draw; a new figure by default.
    """
    column = named("column", column or result.index, _LABELS)
    axes = ax or new_axes(3.5, 2.4)
    summary = result.summary()
    axes.margins(x=0.12, y=0.12)  # room for the names of the outermost
    axes.plot(summary[column], summary["accuracy"], "-", color=GREY, lw=0.9, zorder=2)
    for alpha in result.alphas:
        runs, x, y = result.table.xs(alpha, level="alpha"), summary[column][alpha], summary["accuracy"][alpha]
        _draw_runs(axes, runs[column], runs["accuracy"], alpha)
        axes.vlines(x, *_ends(summary, "accuracy", alpha), color=_colour(alpha), lw=1)
        axes.hlines(y, *_ends(summary, column, alpha), color=_colour(alpha), lw=1)
        _draw_mean(axes, x, y, alpha)
        if alpha in (0, result.alphas[0], result.alphas[-1]):
            low, _ = _ends(summary, "accuracy", alpha)
            _name(axes, x, y if isnan(low) else low, alpha)
    axes.set(xlabel=_LABELS[column], ylabel="Accuracy")
    widen_narrow(axes, column, "x")
    widen_narrow(axes, "accuracy")
    plain_numbers(axes.xaxis, 5)
    plain_numbers(axes.yaxis, 6)
    return axes


def _draw_runs(axes: Axes, x: Any, y: Any, alpha: float) -> None:
    axes.plot(x, y, ".", color=_colour(alpha), ms=3, mew=0, alpha=0.5, zorder=3)


def _draw_mean(axes: Axes, x: float, y: float, alpha: float) -> None:
    axes.plot(x, y, "o", color=_colour(alpha), mec="white", mew=0.4, ms=4, zorder=4)


def _ends(summary: pd.DataFrame, column: str, alpha: float) -> tuple[float, float]:
    return summary[f"{column}_low"][alpha], summary[f"{column}_high"][alpha]


def _name(axes: Axes, x: float, y: float, alpha: float) -> None:
    """Write an alpha below its mean and interval, on a margin of white."""
    halo = [withStroke(linewidth=1.8, foreground="white")]
    axes.annotate(
        f"$\\alpha$ = {plain(alpha)}", (x, y), (0, -4), textcoords="offset points", fontsize=6, color=_colour(alpha),
        ha="center", va="top", path_effects=halo, zorder=5,
    )  # fmt: skip


def _explain(axes: Axes, seeds: int) -> None:
    """Say in a legend what points and bars are."""
    if seeds > 1:
        axes.plot([], [], ".", color=INK, ms=3, mew=0, alpha=0.5, label="One seed")
        axes.plot([], [], "o-", color=INK, mec="white", mew=0.4, ms=4, lw=1, label="Mean, 95% interval")
        legend_above(axes, 2)


def _scale_alphas(axes: Axes, alphas: list[float]) -> None:
    """Scale x by alpha: plainly, or in decades either side of 0 where they span many; mark each of a few."""
    sizes = np.abs([alpha for alpha in alphas if alpha])
    if len(sizes) and sizes.max() / sizes.min() >= _SPREAD:
        axes.set_xscale("symlog", linthresh=sizes.min(), linscale=0.5)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(plain)
    elif len(alphas) <= _TICKS and np.diff(alphas).min(initial=np.inf) > np.ptp(alphas) / _TICKS:
        axes.xaxis.set_major_locator(FixedLocator(alphas))
        axes.xaxis.set_major_formatter(plain)
    else:
        plain_numbers(axes.xaxis, _TICKS)


def _colour(alpha: float) -> str:
    return BLUE if alpha < 0 else VERMILION if alpha > 0 else INK
