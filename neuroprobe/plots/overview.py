"""One figure of a whole measurement: what a paper shows first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.plots.index_by_layer import index_by_layer
from neuroprobe.plots.layer_axes import layer_ticks
from neuroprobe.plots.preferred_orientations import draw_roses
from neuroprobe.plots.style import (
    BLUE,
    GREY,
    legend_above,
    new_figure,
    panel_letter,
    plain_numbers,
    shorten,
    styled,
    unseen_figure,
)
from neuroprobe.plots.tuning_curves import draw_unit, examples, finish_line, value

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

    from neuroprobe.results import Result, Tuning

_VERDICTS = {  # column of Tuning.verdicts: its words and colour, from dark to light
    "tuned": ("Tuned", BLUE),
    "not_tuned": ("Not tuned", "#9CC9E3"),
    "no_verdict": ("No verdict (width)", "#E4E4E4"),
    "unresponsive": ("Unresponsive (width)", GREY),
}
_BAR = 0.85  # of the distance between layers


@styled
def overview(tuning: Tuning, *, compact: bool = False) -> Figure:
    """Draw selectivity by layer, verdicts, preferred orientations and example curves on one figure.

    Panels: (A) gosi of every unit, layer by layer, with the control's level and 0.33; (B) the share of tuned units, of
    those with a verdict, in a bar as wide as their share of all, and beside it units without one; (C) preferred
    orientations of tuned units, in the earlier and the later half of the layers; (D) the most selective well-fitted
    unit of layers from first to last.

    Args:
        tuning: The measurement.
        compact: Only A and a few of D, for a table's foot.

    Returns:
        The figure, 7 x 5 inches (compact: 7 x 2).
    """
    figure = _compact(tuning) if compact else _full(tuning)
    figure.suptitle(title(tuning), fontsize=8)
    return figure


def _full(tuning: Tuning) -> Figure:
    figure = new_figure(7, 5)
    grid = figure.add_gridspec(2, 1, height_ratios=[2.2, 1])
    upper = grid[0].subgridspec(1, 2, width_ratios=[2.6, 1])
    left = upper[0].subgridspec(2, 1, height_ratios=[1.5, 1])
    index = figure.add_subplot(left[0])
    verdicts = figure.add_subplot(left[1], sharex=index)
    draw_index(index, tuning)
    draw_verdicts(verdicts, tuning.verdicts(), tuning.summary()["share_tuned"], _VERDICTS)
    verdicts.set_ylabel("Units with\na verdict (%)")
    index.tick_params(axis="x", labelbottom=False)
    index.set_xlabel("")
    roses = draw_halves(upper[1], tuning)
    curves = draw_examples(figure, grid[1], tuning, count=6)
    for axes, letter in zip([index, verdicts, roses[0], *curves[:1]], "ABCD", strict=False):
        panel_letter(axes, letter)
    return figure


def _compact(tuning: Tuning) -> Figure:
    figure = unseen_figure(7, 2.2)
    grid = figure.add_gridspec(1, 2, width_ratios=[1.9, 1])
    draw_index(figure.add_subplot(grid[0]), tuning)
    draw_examples(figure, grid[1], tuning, count=2)
    return figure


def title(result: Result) -> str:
    """Name the model and the number of units."""
    model = shorten(" ".join(str(result.meta.get("model", "")).split()), 60)
    return f"{model} · {len(result.units):,} units".removeprefix(" · ")


def draw_index(axes: Axes, tuning: Tuning) -> None:
    """Panel A."""
    index_by_layer(tuning, "gosi", ax=axes)
    axes.set_ylabel("gOSI")


def draw_verdicts(
    axes: Axes, shares: pd.DataFrame, positive: pd.Series[float], verdicts: Mapping[str, tuple[str, str]]
) -> None:
    """Panel B: a bar a layer, as wide as its share of units with a verdict; the rest stand beside it, full height.

    ``shares`` are of all units. The first two columns are the verdicts, and ``positive`` is the share of the first of
    them among both. ``verdicts`` gives each column its words and its colour.
    """
    yes, no, *others = verdicts
    split, decided = 100 * positive.fillna(0).to_numpy(), shares[[yes, no]].sum(axis=1).to_numpy()
    left = np.arange(len(shares)) - _BAR / 2
    _draw_part(axes, left, decided, 0 * split, split, *verdicts[yes])
    _draw_part(axes, left, decided, split, 100 - split, *verdicts[no])
    for name in others:
        left, decided = left + _BAR * decided, shares[name].to_numpy()
        _draw_part(axes, left, decided, 0 * split, 100 + 0 * split, *verdicts[name])
    axes.set(ylim=(0, 100))
    layer_ticks(axes, list(shares.index))
    legend_above(axes)


def _draw_part(axes: Axes, left: Any, wide: Any, bottom: Any, high: Any, label: str, colour: str) -> None:
    """Draw one part of every layer's bar; nothing, and no words in the legend, where no layer has it."""
    if (wide * high).any():
        axes.bar(left, high, _BAR * wide, bottom, align="edge", color=colour, label=label)


def draw_halves(place: SubplotSpec, tuning: Tuning) -> list[Any]:
    """Panel C: preferred orientations in the earlier and in the later half of the layers, on one scale."""
    middle = -(-len(tuning.layer_names) // 2)
    parts = {"Earlier layers": tuning.layer_names[:middle], "Later layers": tuning.layer_names[middle:]}
    if middle == len(tuning.layer_names):  # a single layer
        parts = {"All layers": tuning.layer_names}
    panels = place.subgridspec(len(parts), 1).subplots(subplot_kw={"projection": "polar"}, squeeze=False)[:, 0]
    draw_roses(list(panels), parts, tuning)
    return list(panels)


def draw_examples(figure: Figure, place: SubplotSpec, tuning: Tuning, count: int) -> list[Axes]:
    """Panel D: the most selective well-fitted unit of layers spread from first to last."""
    able = [layer for layer in tuning.layer_names if layer in tuning.curves and _has_fit(tuning, layer)]
    layers = [able[i] for i in np.unique(np.linspace(0, len(able) - 1, count).round().astype(int))] if able else []
    if not layers:
        return []
    row = place.subgridspec(1, count)
    panels = [figure.add_subplot(row[column]) for column in range(len(layers))]
    for axes, layer in zip(panels, layers, strict=True):
        draw_example(axes, tuning, *examples(tuning, layer, 1)[0])
    panels[0].set(ylabel="Response\n(a.u.)", xlabel="Orientation (deg)\n(dashed: blank)")
    return panels


def _has_fit(tuning: Tuning, layer: str) -> bool:
    rows = tuning.units.loc[layer]
    return bool((rows["gosi"] * rows["fit_r2"]).notna().any())


def draw_example(axes: Axes, tuning: Tuning, layer: str, unit: int) -> None:
    """Draw one small tuning curve."""
    draw_unit(axes, tuning, layer, unit, colour=BLUE)
    finish_line(axes)
    axes.set_xticks([0, 90, 180])
    plain_numbers(axes.yaxis, 3)
    name_example(axes, tuning, layer, unit, f"gOSI {value(tuning, layer, unit, 'gosi'):.2f}")


def name_example(axes: Axes, result: Result, layer: str, unit: int, index: str) -> None:
    """Name the unit of a small panel: its layer, also by its number in order of execution, and its index."""
    number = result.layer_names.index(layer) + 1
    axes.set_title(f"{shorten(layer)}\nlayer {number}, unit {unit}\n{index}", fontsize=6)
