"""What stays the same when images move: units, layers and decisions, one result or several side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuroprobe.plots.index_by_layer import index_by_layer
from neuroprobe.plots.layer_axes import layer_key, layer_ticks
from neuroprobe.plots.overview import title
from neuroprobe.plots.style import (
    BLUE,
    INK,
    LABELS,
    VERMILION,
    in_place_of_data,
    legend_above,
    new_axes,
    new_figure,
    panel_letter,
    plain_numbers,
    shades,
    styled,
)
from neuroprobe.results import by_layer, quartiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neuroprobe.results import ShiftInvariance

_STYLES = {"x": "o-", "y": "s--"}
_OUTLIERS = 0.02  # the share of units that may lie below the axis where the others lie close together
_FAR = 1.5  # times the range of those others, from 1 down: what lies further off does not set the axis


@styled
def shift_overview(result: ShiftInvariance) -> Figure:
    """Draw units layer by layer, layers against the shift, their maps, and the network's decisions on one figure.

    Panels: (A) pearson of every unit, a triangle where the few lowest lie below the axis; (B) its median in each layer
    against the shift; (C) cosines of the maps; (D) consistency and accuracy against the shift.

    Returns:
        The figure, 7 x 5 inches.
    """
    figure = new_figure(7, 5)
    panels = figure.subplots(2, 2, width_ratios=[1.25, 1], sharex="col").flat
    index_by_layer(result, "pearson", ax=panels[0])
    _fit_to_most(panels[0], result.units["pearson"])
    pearson_by_shift(result, ax=panels[1])
    cosines_by_layer(result, ax=panels[2])
    decisions_by_shift(result, ax=panels[3])
    for axes in panels[:2]:
        axes.set_xlabel("")
    for axes, letter in zip(panels, "ABCD", strict=True):
        panel_letter(axes, letter)
    figure.suptitle(f"{title(result)} · {result.meta.get('images', 0):,} images", fontsize=8)
    return figure


@styled
def pearson_by_shift(result: ShiftInvariance, ax: Axes | None = None) -> Axes:
    """Draw each layer's median pearson against the shift, mean of x and y; a line a layer, lighter with depth."""
    axes = ax or new_axes(3.5, 2.4)
    colours = shades(len(result.layer_names))
    for layer, colour in zip(result.layer_names, colours, strict=True):
        median = (
            result.curves[layer].to_series().groupby(level=["axis", "shift"]).median().groupby(level="shift").mean()
        )
        axes.plot(*_with_reference(median.index.to_numpy(), median.to_numpy(), 1.0), "o-", color=colour, ms=2.2)
    axes.set_ylabel("Median Pearson r")
    _finish(axes)
    layer_key(axes, result.layer_names, colours)
    return axes


@styled
def cosines_by_layer(result: ShiftInvariance, ax: Axes | None = None) -> Axes:
    """Draw the cosine between maps, as they stand and moved back, layer by layer: mean and range over shifts.

    Where there is none, the picture says why: the layer has no maps, or is silent; or no shift is a multiple of its
    stride, so that maps cannot be moved back.
    """
    axes = ax or new_axes(max(3.5, min(7, 0.3 * len(result.layer_names))), 2.4)
    for column, colour, marker in (("cosine_aligned", VERMILION, "s"), ("cosine_map", BLUE, "o")):
        cosines = by_layer(result.layers[column])
        places = np.arange(len(result.layer_names))
        axes.vlines(places, cosines.min(), cosines.max(), color=colour, lw=1.8, alpha=0.4)
        axes.plot(
            places, cosines.mean(), f"{marker}-", color=colour, lw=0.6, mec="white", mew=0.4, label=LABELS[column]
        )
    axes.set(ylabel="Cosine between maps", ylim=(min(0, axes.get_ylim()[0]), 1.03))
    plain_numbers(axes.yaxis, 6)
    layer_ticks(axes, result.layer_names)
    _explain_gaps(axes, result)
    legend_above(axes)
    return axes


@styled
def decisions_by_shift(result: ShiftInvariance, ax: Axes | None = None) -> Axes:
    """Draw consistency and accuracy against the shift, along x and along y; hollow: where the images are."""
    axes = ax or new_axes(3.5, 2.4)
    references = {"consistency": (BLUE, 1.0), "accuracy": (VERMILION, result.accuracy)}
    drawn = [column for column in references if result.network[column].notna().any()]
    for column in drawn:
        _draw_decisions(axes, result.network[column], *references[column])
    axes.set_ylabel("Share of images")
    _finish(axes)
    if drawn:
        legend_above(axes, most=2)
    else:
        in_place_of_data(axes, "The network gives no logits")
    return axes


@styled
def shift_compared(
    results: Mapping[str, ShiftInvariance] | Sequence[tuple[str, ShiftInvariance]], ax: Axes | None = None
) -> Axes:
    """Draw several measurements over one another, such as before and after an ablation: medians and quartiles.

    Each goes with its accuracy and its consistency, since what is inaccurate is rarely consistent.

    Args:
        results: name to measurement.
        ax: where to draw; a new figure by default.
    """
    labelled = {f"{name}{_decided(result)}": result for name, result in dict(results).items()}
    axes = index_by_layer(labelled, "pearson", ax or new_axes(5, 2 + 0.12 * len(labelled)))
    axes.autoscale(axis="y")  # not from 0: what tells results apart lies near 1
    return axes


def _fit_to_most(axes: Axes, pearson: pd.Series[float]) -> None:
    """Let the units at large set the axis, and mark a layer that has a few far below it."""
    lowest, low = pearson.min(), min(0.95, pearson.quantile(_OUTLIERS), quartiles(pearson)["q25_pearson"].min())
    low = lowest if 1 - lowest <= _FAR * (1 - low) else low
    bottom = 1 - 1.1 * (1 - min(low, 0.95))
    below = pearson < bottom
    if below.any():
        places = np.flatnonzero(by_layer(below).any())
        said = f"{below.sum():,} lower {'unit' if below.sum() == 1 else 'units'}, down to {lowest:.2f}"
        axes.plot(places, np.full(len(places), bottom), "v", color=VERMILION, ms=3.5, clip_on=False, label=said)
        legend_above(axes)
    axes.set_ylim(bottom, 1 + 0.03 * (1 - bottom))
    plain_numbers(axes.yaxis, 6)


def _explain_gaps(axes: Axes, result: ShiftInvariance) -> None:
    """Say along the foot of the axes why a layer has no cosine."""
    mapped, aligned = (by_layer(result.layers[name]).count() for name in ("cosine_map", "cosine_aligned"))
    silent = by_layer(result.units["status"] == "dead").all()
    for place, layer in enumerate(result.layer_names):
        if not mapped[layer]:
            said, colour = "silent" if silent[layer] else "no maps", INK
        elif not aligned[layer]:
            said, colour = "no shift of its stride", VERMILION
        else:
            continue
        axes.text(
            place, 0.03, said, transform=axes.get_xaxis_transform(), rotation=90, ha="center", va="bottom",
            fontsize=5.5, color=colour,
        )  # fmt: skip


def _draw_decisions(axes: Axes, shares: pd.Series[float], colour: str, reference: float) -> None:
    for axis, line in _STYLES.items():
        values = shares.xs(axis, level="axis")
        shifts, drawn = _with_reference(values.index.to_numpy(), values.to_numpy(), reference)
        axes.plot(shifts, drawn, line, color=colour, ms=2.5, label=f"{str(shares.name).capitalize()}, {axis}")
    axes.plot(0, reference, "o", mfc="white", mec=colour, ms=3.5, mew=0.8, zorder=3)


def _with_reference(shifts: np.ndarray, values: np.ndarray, reference: float) -> tuple[np.ndarray, np.ndarray]:
    """Put the value of no shift into its place."""
    place = np.searchsorted(shifts, 0)
    return np.insert(shifts, place, 0), np.insert(values, place, reference)


def _finish(axes: Axes) -> None:
    axes.set_xlabel("Shift (pixels)")
    axes.set_ylim(axes.get_ylim()[0], 1 + 0.03 * (1 - axes.get_ylim()[0]))
    plain_numbers(axes.xaxis, 9, whole=True)
    plain_numbers(axes.yaxis, 7)


def _decided(result: ShiftInvariance) -> str:
    shown = {"accuracy": result.accuracy, "consistency": float(result.network["consistency"].mean())}
    known = [f"{name} {value:.2f}" for name, value in shown.items() if np.isfinite(value)]
    return f" ({', '.join(known)})" if known else ""
