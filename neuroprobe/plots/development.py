"""Units followed over training: a line a layer, a map of all layers, and the accuracy beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from neuroprobe.plots.layer_axes import layer_key, layer_rows
from neuroprobe.plots.style import (
    INK,
    SEQUENTIAL,
    in_place_of_data,
    new_axes,
    new_figure,
    panel_letter,
    plain_numbers,
    shades,
    shorten,
    styled,
)
from neuroprobe.results import named

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neuroprobe.results import Development

_LABELS = {
    "mean_si": "Class selectivity\n(mean SI)",
    "mean_gosi": "Orientation selectivity\n(mean gOSI)",
    "median_gosi": "Orientation selectivity\n(median gOSI)",
    "dead": "Units dead",
    "unresponsive": "Units unresponsive\nto the stimuli",
}
_SHOWN = ("mean_si", "median_gosi")  # in the overview
_MARKED = 150  # numbers: with more, marks would hide the lines
_NUMBERED = 8  # epochs along a map


@styled
def development_overview(result: Development) -> Figure:
    """Draw accuracy, class selectivity and orientation selectivity over epochs on one figure.

    Panels: (A) accuracy on the photographs; (B) mean si of each layer, (C) median gosi, where they were measured.

    Returns:
        The figure, 7 x 2.3 inches.
    """
    shown = [column for column in _SHOWN if column in result.layers]
    figure = new_figure(7, 2.3)
    panels = figure.subplots(1, 1 + len(shown), width_ratios=[0.9] + [1.0] * len(shown))
    accuracy_by_epoch(result, ax=panels[0])
    for axes, column in zip(panels[1:], shown, strict=True):
        _draw_layers(axes, result, column)
    layer_key(panels[-1], result.layer_names, shades(len(result.layer_names)))
    for axes, letter in zip(panels, "ABC", strict=False):
        panel_letter(axes, letter)
    figure.suptitle(f"{shorten(str(result.meta.get('model', '')), 60)} · {len(result.units):,} units", fontsize=8)
    return figure


@styled
def development(result: Development, column: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw what became of each layer, epoch by epoch; a line a layer, lighter with depth.

    Args:
        result: what :class:`neuroprobe.UnitTracker` or :func:`neuroprobe.track_units` found.
        column: of ``result.layers``: ``mean_si``, ``median_gosi``, ``dead``, ...; the first of these by default.
        ax: where to draw; a new figure by default.
    """
    axes = ax or new_axes(3.5, 2.4)
    _draw_layers(axes, result, _column(result, column))
    layer_key(axes, result.layer_names, shades(len(result.layer_names)))
    return axes


@styled
def development_map(result: Development, column: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the same as a map: layers down, epochs along, darker for more, grey where there is no number.

    Args:
        result: what :class:`neuroprobe.UnitTracker` or :func:`neuroprobe.track_units` found.
        column: of ``result.layers``: ``mean_si``, ``median_gosi``, ``dead``, ...; the first of these by default.
        ax: where to draw; a new figure by default.
    """
    column = _column(result, column)
    layers, epochs = result.layer_names, result.epochs.index
    axes = ax or new_axes(3.5, max(1.6, min(5, 0.7 + 0.14 * len(layers))))
    values = result.layers[column].unstack("epoch").reindex(layers).to_numpy(dtype=float)
    axes.set_facecolor("#E4E4E4")
    image = axes.imshow(values, aspect="auto", cmap=SEQUENTIAL, vmin=0, interpolation="nearest")
    layer_rows(axes, layers)
    places = _numbered(epochs)
    axes.set_xticks(places, [str(epoch) for epoch in epochs[places]])
    axes.set_xlabel("Epoch")
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, aspect=25)
    bar.outline.set_visible(False)
    bar.set_label(_LABELS[column])
    plain_numbers(bar.ax.yaxis, 5)
    return axes


@styled
def accuracy_by_epoch(result: Development, ax: Axes | None = None) -> Axes:
    """Draw the accuracy on the photographs, epoch by epoch."""
    axes = ax or new_axes(2.4, 2.4)
    accuracy = result.epochs["accuracy"]
    axes.set_ylabel("Accuracy")
    if accuracy.notna().any():
        axes.plot(accuracy.index, accuracy, _mark(result), color=INK, ms=2.5)
        axes.set_ylim(0, 1.02)
        _finish(axes)
    else:
        axes.set_yticks([])
        in_place_of_data(axes, "Photographs without labels")
    return axes


def _column(result: Development, column: str | None) -> str:
    """Return the column to draw, by default the first that there is."""
    known = [name for name in _LABELS if name in result.layers]
    return named("column", column or known[0], known)


def _draw_layers(axes: Axes, result: Development, column: str) -> None:
    values = result.layers[column].unstack("epoch")
    for layer, colour in zip(result.layer_names, shades(len(values)), strict=True):
        axes.plot(result.epochs.index, values.loc[layer], _mark(result), color=colour, ms=2.5)
    axes.set_ylabel(_LABELS[column])
    axes.set_ylim(bottom=0)
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.set_xlabel("Epoch")
    plain_numbers(axes.xaxis, 6, whole=True)
    plain_numbers(axes.yaxis, 6)


def _mark(result: Development) -> str:
    return "o-" if len(result.layers) <= _MARKED else "-"


def _numbered(epochs: pd.Index[int]) -> np.ndarray:
    """Return the places of the epochs that are numbered along a map: all of few, of many the round ones."""
    if len(epochs) <= _NUMBERED:
        return np.arange(len(epochs))
    rounds = MaxNLocator(_NUMBERED, steps=[1, 2, 5, 10], integer=True).tick_values(epochs[0], epochs[-1])
    return np.flatnonzero(epochs.isin(rounds))
