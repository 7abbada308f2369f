"""What single units do for a network: to the loss, to accuracy, and to the classes that need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from neuroprobe.plots.index_by_layer import draw_quartiles, draw_units
from neuroprobe.plots.layer_axes import layer_ticks
from neuroprobe.plots.overview import title
from neuroprobe.plots.style import (
    BLUE,
    GREY,
    INK,
    LABELS,
    VERMILION,
    legend_above,
    new_axes,
    new_figure,
    panel_letter,
    plain_numbers,
    shorten,
    styled,
    symmetric_log,
)
from neuroprobe.plots.tuning_curves import asked_for
from neuroprobe.results import by_layer, known_layer, quartiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neuroprobe.results import UnitImpact

_LOSSES = LinearSegmentedColormap.from_list("losses", [VERMILION, "#FFFFFF", BLUE])
_WORST_UNITS, _WORST_CLASSES = 18, 20  # drawn where none are asked for
_CHANGES = {
    "delta_accuracy": ("All classes (median, quartiles, range)", BLUE),
    "worst_class_delta": ("Class hit most", VERMILION),
}


@styled
def unit_impact_overview(result: UnitImpact) -> Figure:
    """Draw what units do to the loss, to accuracy, and to single classes on one figure.

    Panels: (A) the change of the loss with each unit held, layer by layer; (B) the change of accuracy, of all classes
    and of the class that loses most; (C) the units that cost a class most, class by class.

    Returns:
        The figure, 7 x 4.6 inches.
    """
    figure = new_figure(7, 4.6)
    grid = figure.add_gridspec(2, 2, width_ratios=[1.55, 1], height_ratios=[1.3, 1])
    losses = figure.add_subplot(grid[0, 0])
    accuracies = figure.add_subplot(grid[1, 0], sharex=losses)
    classes = figure.add_subplot(grid[:, 1])
    unit_impact_by_layer(result, ax=losses)
    losses.tick_params(axis="x", labelbottom=False)
    losses.set_xlabel("")
    unit_accuracy_by_layer(result, ax=accuracies)
    class_damage_by_unit(result, ax=classes)
    for axes, letter in zip([losses, accuracies, classes], "ABC", strict=True):
        panel_letter(axes, letter)
    figure.suptitle(f"{title(result)}, {_held(result)} · {result.meta.get('images', 0):,} images", fontsize=8)
    return figure


@styled
def unit_impact_by_layer(result: UnitImpact, ax: Axes | None = None) -> Axes:
    """Draw the change of the loss with each unit held, with median and quartiles, layer by layer; estimates in grey.

    The scale is logarithmic on both sides of a linear piece around 0, which holds at most half of the units.
    """
    axes = ax or new_axes(max(3.5, min(7, 0.3 * len(result.layer_names))), 2.4)
    losses, estimated = result.units["delta_loss"].astype(float), result.units["estimated"]
    axes.axhline(0, color=INK, lw=0.6, zorder=1)
    if estimated.any():
        draw_units(axes, losses.where(estimated), GREY, "Estimated")
        draw_units(axes, losses.where(~estimated), BLUE, "Held")
    else:
        draw_units(axes, losses)
    draw_quartiles(axes, losses, "Median, quartiles" + " of both" * bool(estimated.any()))
    symmetric_log(axes, losses)
    axes.set_ylabel(LABELS["delta_loss"])
    layer_ticks(axes, result.layer_names)
    legend_above(axes)
    return axes


@styled
def unit_accuracy_by_layer(result: UnitImpact, ax: Axes | None = None) -> Axes:
    """Draw the change of accuracy with single units held, of all classes and of the class that each unit hits most.

    Dots are medians on bars from quartile to quartile, lines end at the units that cost most and least. Estimated
    units have no change of accuracy. The class hit most is chosen among all: with few images of each it loses something
    by chance.
    """
    axes = ax or new_axes(max(3.5, min(7, 0.3 * len(result.layer_names))), 2.4)
    axes.axhline(0, color=INK, lw=0.6, zorder=1)
    for offset, (column, (label, colour)) in zip((-0.14, 0.14), _CHANGES.items(), strict=True):
        changes, places = result.units[column].astype(float), np.arange(len(result.layer_names)) + offset
        median, lower, upper = quartiles(changes).to_numpy().T
        axes.vlines(places, by_layer(changes).min(), by_layer(changes).max(), color=colour, lw=0.6)
        axes.vlines(places, lower, upper, color=colour, lw=2.2)
        axes.plot(places, median, "o", color=colour, mec="white", mew=0.4, label=label)
    axes.set_ylabel("Change in accuracy\nwhen ablated")
    plain_numbers(axes.yaxis, 5)
    layer_ticks(axes, result.layer_names)
    legend_above(axes)
    return axes


@styled
def class_damage_by_unit(
    result: UnitImpact,
    layer: str | None = None,
    units: int | Sequence[int] | pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the change of each class's accuracy with a unit held, a row a unit.

    Args:
        result: the measurement.
        layer: where the units are; not needed for a slice of the unit table, nor with a single layer.
        units: one unit, several, or a slice of the unit table (``result.top("features.3", 10)``); by default those
            that cost a class most, of the layer or of all.
        ax: where to draw; a new figure by default.

    Of many classes the 20 hit most are drawn.
    """
    chosen = _most_damaging(result, layer) if units is None else asked_for(result, layer, units)
    changes = _class_changes(result, chosen)
    axes = ax or new_axes(1.6 + 0.17 * changes.shape[1], 1 + 0.17 * len(changes))
    largest = float(np.nanmax(np.abs(changes.to_numpy()))) or 1.0
    image = axes.imshow(changes.to_numpy(), cmap=_LOSSES, vmin=-largest, vmax=largest, aspect="auto")
    axes.set_yticks(range(len(changes)), [f"{shorten(place, 16)} · {unit}" for place, unit in chosen])
    axes.set_xticks(range(changes.shape[1]), [shorten(str(name), 14) for name in changes], rotation=90)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.03, aspect=40, label="Change in accuracy of the class")
    bar.outline.set_visible(False)
    plain_numbers(bar.ax.yaxis, 6)
    return axes


def _held(result: UnitImpact) -> str:
    exact = int((~result.units["estimated"]).sum())
    return "held one by one" if exact == len(result.units) else f"{exact:,} of them held one by one, the rest estimated"


def _most_damaging(result: UnitImpact, layer: str | None) -> list[tuple[str, int]]:
    """Pick the units, of a layer or of all, that cost a class most."""
    rows = result.units if layer is None else result.units.loc[[known_layer(layer, result.layer_names)]]
    worst = rows["worst_class_delta"].dropna().sort_values(kind="stable").head(_WORST_UNITS)
    if worst.empty:
        raise ValueError(f"{layer or 'the network'} has no unit that was held, only estimates")
    return list(worst.index)


def _class_changes(result: UnitImpact, chosen: list[tuple[str, int]]) -> pd.DataFrame:
    """Return the change of accuracy, a row a unit and a column a class; of many classes those hit most."""
    import pandas as pd

    rows = [result.curves[layer].sel(unit=unit).to_series() for layer, unit in chosen]
    changes = pd.DataFrame(rows).dropna(axis="columns", how="all")
    if changes.empty or changes.isna().all(axis=1).any():
        raise ValueError("estimated units have no accuracy by class: choose among units[~units.estimated]")
    hit_most = changes.min().nsmallest(_WORST_CLASSES).index
    return changes.loc[:, [name for name in changes if name in hit_most]]
