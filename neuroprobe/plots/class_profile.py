"""Units' mean responses to each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from neuroprobe.plots.style import BLUE, COLOURS, SKY, new_axes, plain_numbers, shorten, styled
from neuroprobe.plots.tuning_curves import OF_PEAK, asked_for, peak, value
from neuroprobe.results import known_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from neuroprobe.results import ClassSelectivity

_EXAMPLES = 4  # profiles drawn where none are asked for
NAMED_CLASSES = 20  # more than these are ordered by response and not named


@styled
def class_profile(
    result: ClassSelectivity,
    layer: str | None = None,
    units: int | Sequence[int] | pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw units' mean responses to each class; the preferred class is the filled, larger mark.

    Many classes have no room for names: each unit's then stand in its own order, from the preferred class down. Units
    of several layers, or chosen by default, are each drawn in units of their own peak.

    Args:
        result: The measurement.
        layer: Where the units are; not needed for a slice of the unit table, nor with a single layer.
        units: One unit, several, or a slice of the unit table (``result.top("features.3", 3)``); by default the few
            whose selectivity is largest in images that did not choose their class.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes drawn on.
    """
    chosen = most_selective(result, layer, _EXAMPLES) if units is None else asked_for(result, layer, units)
    axes = ax or new_axes(4.6, 2.4)
    one_layer = len({layer for layer, _ in chosen}) == 1
    as_is = one_layer and units is not None
    for number, (place, unit) in enumerate(chosen):
        name = f"unit {unit}" if one_layer else f"{shorten(place)}, unit {unit}"
        label = f"{name}, SI {value(result, place, unit, 'si'):.2f}"
        means = profile(result, place, unit)
        _draw_line(axes, means if as_is else means / peak(means), COLOURS[number % len(COLOURS)], label)
    _name_classes(axes, profile(result, *chosen[0]))
    axes.set(ylabel=f"Mean response ({'a.u.' if as_is else OF_PEAK})", ylim=(0, axes.get_ylim()[1]))
    plain_numbers(axes.yaxis, 4)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set_title(shorten(chosen[0][0], 30) if one_layer else "")
    return axes


def most_selective(result: ClassSelectivity, layer: str | None, count: int) -> list[tuple[str, int]]:
    """Pick the units, of a layer or of all, with the largest cross-validated selectivity."""
    rows = result.units if layer is None else result.units.loc[[known_layer(layer, result.layer_names)]]
    best = rows["si_cv"].dropna().sort_values(ascending=False, kind="stable").head(count)
    if best.empty:
        raise ValueError(f"{layer or 'the network'} has no unit with a class selectivity; name units to draw them")
    return list(best.index)


def profile(result: ClassSelectivity, layer: str, unit: int) -> pd.Series[float]:
    """Return a unit's mean responses by class, classes without images left out; of many, the largest first."""
    means = result.curves[layer].sel(unit=unit).to_series().dropna()
    return means if len(means) <= NAMED_CLASSES else means.sort_values(ascending=False)


def draw_bars(axes: Axes, means: pd.Series[float]) -> None:
    """Draw a small profile: a bar a class, the preferred one dark."""
    colours = np.where(means == means.max(), BLUE, SKY)
    axes.bar(range(len(means)), means, color=list(colours), width=0.8 if len(means) <= NAMED_CLASSES else 1.0)
    plain_numbers(axes.yaxis, 3)


def _draw_line(axes: Axes, means: pd.Series[float], colour: str, label: str) -> None:
    many = len(means) > NAMED_CLASSES
    axes.plot(means.to_numpy(), "-" if many else "o-", mfc="white", ms=2.8, mew=0.7, lw=0.8, color=colour, label=label)
    best = int(np.argmax(means.to_numpy()))
    axes.plot(best, means.iloc[best], "o", color=colour, ms=4.5, mec="white", mew=0.4, clip_on=False, zorder=4)


def _name_classes(axes: Axes, means: pd.Series[float]) -> None:
    if len(means) > NAMED_CLASSES:
        axes.set_xlabel("Class, in each unit's own order")
        return
    axes.set_xticks(range(len(means)), [shorten(str(name), 14) for name in means.index])
    if isinstance(means.index[0], str):
        axes.tick_params(axis="x", rotation=45)
        for text in axes.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
    axes.set_xlabel("Class")
