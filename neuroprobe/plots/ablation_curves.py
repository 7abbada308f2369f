"""What ablating sets of units does: along the curves, layer by layer, class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuroprobe.plots.layer_axes import layer_ticks
from neuroprobe.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    PURPLE,
    VERMILION,
    legend_above,
    new_axes,
    plain_numbers,
    shorten,
    styled,
    title_above,
)
from neuroprobe.results import named

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from neuroprobe.results import Ablation

_COLOURS = {"top": VERMILION, "bottom": BLUE, "random": GREY, "matched": GREEN, "noise": PURPLE}
_MEASURES = {"accuracy": "Accuracy", "loss": "Loss (nats)"}
_AXES = {"fraction": "Fraction of units ablated", "scale": "Noise (SD of the unit)"}
_SPAN, _WHOLE = (0.025, 0.975), (0.0, 1.0)  # quantiles of the sets drawn by chance
_ENOUGH = 40  # of them, for the 95% to leave any out at either end
_ASIDE = 0.18  # of the distance between levels or rows, from one single set to the next
_MOST_CLASSES = 20
_SLOT = 0.66  # of the distance between layers


@styled
def ablation_curves(
    result: Ablation, layer: str | None = None, measure: str = "accuracy", ax: Axes | None = None
) -> Axes:
    """Draw a layer's accuracy or loss as units go, a line an order.

    Bars on the lines of single sets are 95% intervals over images, paired with the intact network; they stand a little
    aside, so that none hides another. Orders drawn by chance are the mean of their sets, in a band that holds 95% of
    them: of fewer than 40 sets all.
    """
    named("measure", measure, _MEASURES)
    curves, axes = result.curve(layer), ax or new_axes(3.5, 2.4)
    intact = float(curves[measure].isel({"order": 0, "repeat": 0, result.axis: 0}))
    if result.axis == "scale":
        axes.axhline(intact, color=INK, lw=0.7, ls="--", label="Intact")
        axes.set_xscale("log")
        curves = curves.isel(scale=slice(1, None))
    levels = curves[result.axis].to_numpy()
    step = float(np.diff(levels).min()) if len(levels) > 1 else 0.0
    for order in result.orders:
        _draw_line(axes, curves.sel(order=order), measure, intact, levels + _aside(result.orders, order, step))
    axes.set(xlabel=_AXES[result.axis], ylabel=_MEASURES[measure], title=_title(result, _named_layer(result, layer)))
    axes.set_ylim(0, 1.02 if measure == "accuracy" else None)
    plain_numbers(axes.yaxis, 5)
    _explain_whiskers(axes, result)
    axes.legend(loc="best")
    return axes


@styled
def impact_by_layer(
    result: Ablation, measure: str = "loss", level: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw what ablating the same share of each layer does: single sets with their 95% interval over images.

    Orders drawn by chance are a dash, the mean of their sets, in a bar that holds 95% of them (of fewer than 40 all).
    The share is the level of the curves nearest to ``level``, by default that of the table.
    """
    named("measure", measure, _MEASURES)
    names = result.layer_names
    axes = ax or new_axes(max(5, min(7, 0.3 * len(names))), 2.4)
    at = [_at(result, result.curves[name], level) for name in names]
    axes.axhline(0, color=INK, lw=0.6)
    for order in sorted(result.orders, key=_is_one_set):  # single sets lie over the bars
        beside = _neighbours(result.orders, order)
        width = _SLOT / len(beside)
        places = np.arange(len(names)) + width * (beside.index(order) - (len(beside) - 1) / 2)
        _draw_impacts(axes, places, [curves.sel(order=order) for curves in at], measure, width)
    axes.set_ylabel(f"Change in {_MEASURES[measure][0].lower()}{_MEASURES[measure][1:]}")
    plain_numbers(axes.yaxis, 5)
    layer_ticks(axes, names)
    _explain_whiskers(axes, result)
    legend_above(axes)
    title_above(axes, _title(result, _held(result, float(at[0][result.axis]))))
    return axes


@styled
def class_damage(
    result: Ablation, layer: str | None = None, level: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the change of each class's accuracy, the class that the first order hits most on top.

    Single sets are dots; orders drawn by chance a dash, the mean of their sets, in a bar that holds 95% of them (of
    fewer than 40 all). Of many classes the 20 hit most are drawn.
    """
    curves = result.curve(layer)
    at = _at(result, curves, level)
    change = at.class_accuracy - curves.class_accuracy.isel({result.axis: 0})
    first = change.isel(order=0).mean("repeat").dropna("class")
    shown = first.sortby(first)["class"].to_numpy()[:_MOST_CLASSES]
    axes = ax or new_axes(3.5, 1.2 + 0.16 * len(shown))
    axes.use_sticky_edges = False  # room beside the longest bar
    axes.axvline(0, color=INK, lw=0.6, zorder=1)
    places = -np.arange(len(shown))
    for order in sorted(result.orders, key=_is_one_set):
        _draw_classes(axes, places - _aside(result.orders, order, 1), change.sel({"order": order, "class": shown}))
    axes.set_yticks(places, [shorten(str(name)) for name in shown])
    axes.set_xlabel("Change in accuracy of the class")
    plain_numbers(axes.xaxis, 5)
    held = _held(result, float(at[result.axis]))
    legend_above(axes)
    title_above(axes, _title(result, _named_layer(result, layer), held))
    return axes


def _draw_line(axes: Axes, curves: xr.Dataset, measure: str, intact: float, levels: np.ndarray) -> None:
    sets = _sets(curves[measure])
    colour, mean = _COLOURS[str(curves["order"].values)], sets.mean("repeat").to_numpy()
    if sets.sizes["repeat"] > 1:
        axes.fill_between(levels, *_ends(sets), color=colour, alpha=0.25, lw=0)
        axes.plot(levels, mean, color=colour, label=_label(sets))
    else:
        low, high = (intact + curves[f"delta_{measure}_{end}"].to_numpy() for end in ("low", "high"))
        axes.vlines(levels, low, high, color=colour, lw=0.8)
        axes.plot(levels, mean, "o-", color=colour, mec="white", mew=0.4, label=_label(sets))


def _draw_impacts(axes: Axes, places: np.ndarray, layers: list[xr.Dataset], measure: str, width: float) -> None:
    """Draw one order's impact in every layer; each dataset is one layer at one level."""
    name = f"delta_{measure}"
    colour = _COLOURS[str(layers[0]["order"].values)]
    means = [float(layer[name]) for layer in layers]
    sets = [_sets(layer[measure] - layer[measure].mean("repeat") + layer[name]) for layer in layers]
    if sets[0].sizes["repeat"] > 1:
        low, high = np.array([_ends(each) for each in sets]).T
        axes.bar(places, high - low, 0.9 * width, low, color=colour, alpha=0.35, lw=0)
        axes.hlines(means, places - 0.45 * width, places + 0.45 * width, color=colour, lw=1.2, label=_label(sets[0]))
    else:
        low, high = ([float(layer[f"{name}_{end}"]) for layer in layers] for end in ("low", "high"))
        axes.vlines(places, low, high, color=colour, lw=1)
        axes.plot(places, means, "o", color=colour, mec="white", mew=0.4, ms=3.6, label=_label(sets[0]))


def _draw_classes(axes: Axes, places: np.ndarray, change: xr.DataArray) -> None:
    sets = _sets(change)
    colour, mean = _COLOURS[str(change["order"].values)], sets.mean("repeat").to_numpy()
    if sets.sizes["repeat"] > 1:
        low, high = _ends(sets)
        axes.barh(places, high - low, 0.6, low, color=colour, alpha=0.35, lw=0)
        axes.vlines(mean, places - 0.3, places + 0.3, color=colour, lw=1.2, label=_label(sets))
    else:
        axes.plot(mean, places, "o", color=colour, mec="white", mew=0.4, ms=4, label=_label(sets))


def _neighbours(orders: list[str], order: str) -> list[str]:
    """Return the orders that share a layer's slot with one: over a lone bar dots have the slot to themselves."""
    dots = [other for other in orders if _is_one_set(other)]
    if len(orders) - len(dots) > 1:
        return orders
    return dots if _is_one_set(order) else [order]


def _is_one_set(order: str) -> bool:
    return order in ("top", "bottom")


def _sets(values: xr.DataArray) -> xr.DataArray:
    """Leave out the repeats of which an order has no set."""
    return values.dropna("repeat", how="all")


def _ends(sets: xr.DataArray) -> np.ndarray:
    """Return the ends of what holds 95% of the sets; of few sets, the smallest and the largest."""
    return sets.quantile(_SPAN if sets.sizes["repeat"] >= _ENOUGH else _WHOLE, "repeat").to_numpy()


def _aside(orders: list[str], order: str, step: float) -> float:
    """Return how far to the side a single set stands among those of others, a step apart; those of chance stay."""
    ones = [other for other in orders if _is_one_set(other)]
    return _ASIDE * step * (ones.index(order) - (len(ones) - 1) / 2) if order in ones else 0.0


def _label(sets: xr.DataArray) -> str:
    order, count = str(sets["order"].values).capitalize(), sets.sizes["repeat"]
    band = "95%" if count >= _ENOUGH else "range"
    return f"{order} (mean, {band} of {count} draws)" if count > 1 else order


def _explain_whiskers(axes: Axes, result: Ablation) -> None:
    """Say in the legend what the bars of single sets are."""
    if any(map(_is_one_set, result.orders)):
        axes.plot([], [], "|", color=INK, ms=6, mew=0.8, label="95% interval over images")


def _at(result: Ablation, curves: xr.Dataset, level: float | None) -> xr.Dataset:
    """Return the curves at the level nearest to one, by default at that of the table."""
    wanted = float(result.table[result.axis].iloc[0]) if level is None else level
    return curves.sel({result.axis: wanted}, method="nearest")


def _held(result: Ablation, level: float) -> str:
    if result.axis == "scale":
        return f"noise of {level:.2g} SD"
    return f"{100 * level:.3g}% of units ablated"


def _title(result: Ablation, *parts: str) -> str:
    """Name the network, what is drawn of it, and the score that its units are ranked by."""
    network = shorten(" ".join(str(result.meta.get("model", "")).split()), 30)
    score = result.meta.get("scores")
    said = [*parts, f"ranked by {shorten(str(score))}"] if score else parts
    return f"{network}: {', '.join(said)}".removeprefix(": ")


def _named_layer(result: Ablation, layer: str | None) -> str:
    name = layer or result.layer_names[0]
    return "all layers, pooled" if name == "all" else shorten(name, 30)
