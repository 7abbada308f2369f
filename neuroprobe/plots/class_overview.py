"""One figure of a measurement of class selectivity: what a paper shows first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuroprobe.plots.class_profile import draw_bars, most_selective, profile
from neuroprobe.plots.index_by_layer import index_by_layer
from neuroprobe.plots.overview import draw_verdicts, name_example, title
from neuroprobe.plots.style import (
    BLUE,
    GREY,
    INK,
    legend_above,
    new_axes,
    new_figure,
    panel_letter,
    plain_numbers,
    shorten,
    styled,
    unseen_figure,
)
from neuroprobe.plots.tuning_curves import value
from neuroprobe.results import quartiles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

    from neuroprobe.results import ClassSelectivity

_VERDICTS = {  # column of ClassSelectivity.verdicts: its words and colour, from dark to light
    "selective": ("q < 0.05", BLUE),
    "not_selective": ("q ≥ 0.05", "#9CC9E3"),
    "untested": ("Not tested (width)", "#E4E4E4"),
    "without_numbers": ("Dead or no numbers (width)", GREY),
}
_MOST_PREFERRED = 12  # classes, where there are more


@styled
def class_overview(result: ClassSelectivity, *, compact: bool = False) -> Figure:
    """Draw selectivity by layer beside chance, verdicts, preferred classes and example profiles on one figure.

    Panels: (A) si of every unit, layer by layer, with the medians that permuted labels give; (B) the share of units
    whose si permuted labels hardly reach, of those tested, in a bar as wide as their share of all, and beside it units
    that were not; (C) the classes that units prefer; (D) the most selective unit of layers from first to last, its
    class chosen and checked in different images.

    Args:
        result: The measurement.
        compact: Only A and a few of D, for a table's foot.

    Returns:
        The figure, 7 x 5 inches (compact: 7 x 2.2).
    """
    figure = _compact(result) if compact else _full(result)
    figure.suptitle(f"{title(result)} · {_images_a_class(result)}", fontsize=8)
    return figure


def _images_a_class(result: ClassSelectivity) -> str:
    fewest, most = result.images_per_class, max(result.meta["images_per_class"])
    count = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return f"{count} images a class"


@styled
def preferred_classes(result: ClassSelectivity, ax: Axes | None = None) -> Axes:
    """Draw the share of units that prefer each class, of those with a preferred class; of many, the commonest."""
    axes = ax or new_axes(2.2, 2.6)
    shares = _preferences(result)
    places = np.arange(len(shares))[::-1]
    axes.barh(places, shares, color=BLUE, height=0.75)
    axes.set_yticks(places, [shorten(str(name), 14) for name in shares.index])
    axes.tick_params(axis="y", length=0)
    axes.axvline(100 / sum(count > 0 for count in result.meta["images_per_class"]), ls="--", color=INK, lw=0.7)
    axes.set_xlabel("Units that prefer it (%)\n(dashed: all alike)")
    plain_numbers(axes.xaxis, 4)
    return axes


def _preferences(result: ClassSelectivity) -> pd.Series[float]:
    """Return the percentage of units by preferred class, in the order of the classes, or of the commonest."""
    import pandas as pd

    names = next(iter(result.curves.values()))["class"].to_numpy()
    preferred = result.units["preferred_class"].dropna().astype(int)
    shares = pd.Series(100 * np.bincount(preferred, minlength=len(names)) / max(len(preferred), 1), index=names)
    return shares if len(shares) <= _MOST_PREFERRED else shares.nlargest(_MOST_PREFERRED)


def _full(result: ClassSelectivity) -> Figure:
    figure = new_figure(7, 5)
    grid = figure.add_gridspec(2, 1, height_ratios=[2.4, 1])
    upper = grid[0].subgridspec(1, 2, width_ratios=[2.9, 1])
    left = upper[0].subgridspec(2, 1, height_ratios=[1.6, 1])
    index = figure.add_subplot(left[0])
    verdicts = figure.add_subplot(left[1], sharex=index)
    preferred = figure.add_subplot(upper[1])
    _draw_index(index, result)
    draw_verdicts(verdicts, result.verdicts(), result.summary()["share_selective"], _VERDICTS)
    verdicts.set_ylabel("Tested units\n(%)")
    index.tick_params(axis="x", labelbottom=False)
    index.set_xlabel("")
    preferred_classes(result, ax=preferred)
    profiles = _draw_examples(figure, grid[1], result, count=6)
    for axes, letter in zip([index, verdicts, preferred, *profiles[:1]], "ABCD", strict=False):
        panel_letter(axes, letter)
    return figure


def _compact(result: ClassSelectivity) -> Figure:
    figure = unseen_figure(7, 2.2)
    grid = figure.add_gridspec(1, 2, width_ratios=[1.6, 1])
    _draw_index(figure.add_subplot(grid[0]), result)
    _draw_examples(figure, grid[1], result, count=2)
    return figure


def _draw_index(axes: Axes, result: ClassSelectivity) -> None:
    """Panel A."""
    index_by_layer(result, "si", ax=axes)
    chance = quartiles(result.units["si_null"]).to_numpy().T
    if np.isfinite(chance).any():
        places = np.arange(chance.shape[1])
        axes.vlines(places, chance[1], chance[2], color=INK, lw=0.9, zorder=5)
        axes.plot(places, chance[0], "o", mfc="white", mec=INK, ms=3, mew=0.7, label="Permuted labels", zorder=6)
    legend_above(axes)


def _draw_examples(figure: Figure, place: SubplotSpec, result: ClassSelectivity, count: int) -> list[Axes]:
    """Panel D: the most selective unit of layers spread from first to last."""
    able = [layer for layer in result.layer_names if result.units.loc[layer]["si_cv"].notna().any()]
    layers = [able[i] for i in np.unique(np.linspace(0, len(able) - 1, count).round().astype(int))] if able else []
    row = place.subgridspec(1, count)
    panels = [figure.add_subplot(row[column]) for column in range(len(layers))]
    for axes, layer in zip(panels, layers, strict=True):
        _draw_example(axes, result, *most_selective(result, layer, 1)[0])
    if panels:
        panels[0].set_ylabel("Mean response\n(a.u.)")
    return panels


def _draw_example(axes: Axes, result: ClassSelectivity, layer: str, unit: int) -> None:
    means = profile(result, layer, unit)
    draw_bars(axes, means)
    axes.set_xticks([int(np.argmax(means.to_numpy()))], [shorten(str(means.idxmax()), 14)])
    name_example(axes, result, layer, unit, f"SI {value(result, layer, unit, 'si'):.2f}")
