"""One figure of a whole measurement: what a paper shows first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.plots.index_by_layer import index_by_layer
from neuroprobe.plots.style import (
    BLUE,
    GREY,
    INK,
    layer_ticks,
    legend_above,
    new_figure,
    panel_letter,
    plain_numbers,
    shorten,
    styled,
    unseen_figure,
)
from neuroprobe.plots.tuning_curves import draw_unit, examples, finish_line, value
from neuroprobe.results import SELECTIVE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec
    from numpy.typing import NDArray

    from neuroprobe.results import Result, Tuning

_VERDICTS = {  # column of Tuning.verdicts: its words and colour, from dark to light
    "tuned": ("Tuned", BLUE),
    "not_tuned": ("Not tuned", "#9CC9E3"),
    "no_verdict": ("No verdict", "#E4E4E4"),
    "unresponsive": ("Unresponsive", GREY),
}
_BINS = 12  # of 15 degrees, centred on 0, 15, ...


@styled
def overview(tuning: Tuning, *, compact: bool = False) -> Figure:
    """Draw selectivity by layer, verdicts, preferred orientations and example curves on one figure.

    Panels: (A) gosi of every unit, layer by layer, with the control's level and 0.33; (B) shares of units
    that are tuned, not tuned, unresponsive; (C) preferred orientations of tuned units, in the earlier and
    the later half of the layers; (D) the most selective well-fitted unit of layers from first to last.

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
    draw_verdicts(verdicts, tuning.verdicts(), _VERDICTS)
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


def draw_verdicts(axes: Axes, shares: pd.DataFrame, verdicts: Mapping[str, tuple[str, str]]) -> None:
    """Panel B: a stacked bar a layer; ``verdicts`` gives each column its words and its colour."""
    bottom = np.zeros(len(shares))
    for name, (label, colour) in verdicts.items():
        share = 100 * shares[name].to_numpy()
        if share.any():
            axes.bar(range(len(shares)), share, bottom=bottom, color=colour, width=0.85, label=label)
        bottom += share
    axes.set(ylabel="Units (%)", ylim=(0, 100))
    layer_ticks(axes, list(shares.index))
    legend_above(axes)


def draw_halves(place: SubplotSpec, tuning: Tuning) -> list[Any]:
    """Panel C: preferred orientations in the earlier and in the later half of the layers, on one scale."""
    chosen, what = _selective(tuning)
    middle = -(-len(tuning.layer_names) // 2)
    parts = {"Earlier layers": tuning.layer_names[:middle], "Later layers": tuning.layer_names[middle:]}
    if middle == len(tuning.layer_names):  # a single layer
        parts = {"All layers": tuning.layer_names}
    angles = {part: chosen[chosen.index.isin(layers, level="layer")].to_numpy(float) for part, layers in parts.items()}
    shares = {part: rose_shares(of_part) for part, of_part in angles.items()}
    rim = max(2 * 100 / _BINS, *(1.05 * share.max() for share in shares.values()))
    panels = place.subgridspec(len(parts), 1).subplots(subplot_kw={"projection": "polar"}, squeeze=False)[:, 0]
    for axes, (part, share) in zip(panels, shares.items(), strict=True):
        draw_rose(axes, share, rim)
        axes.set_title(f"{part}\n{len(angles[part]):,} {what}", fontsize=6.5)
    panels[-1].set_xlabel(f"Preferred orientation\n(rim {rim:.0f}%; dashed: uniform)", fontsize=6.5)
    return list(panels)


def _selective(tuning: Tuning) -> tuple[pd.Series[float], str]:
    """Preferred orientations of the tuned units; where none has a verdict, of those above 0.33."""
    tuned = tuning.units["tuned"].astype("boolean")
    if tuned.notna().any():
        return tuning.units.loc[tuned.fillna(False), "preferred_orientation"].dropna(), "tuned units"
    selective = tuning.units["gosi"] > SELECTIVE
    return tuning.units.loc[selective, "preferred_orientation"].dropna(), f"units, gOSI > {SELECTIVE}"


def rose_shares(angles: NDArray[Any]) -> NDArray[np.float64]:
    """Count orientations (degrees) in bins centred on 0, 15, ...; percent of all, 0 where there are none."""
    bins = np.round(angles * _BINS / 180).astype(int) % _BINS
    return 100 * np.bincount(bins, minlength=_BINS) / max(len(angles), 1)


def draw_rose(axes: Any, shares: NDArray[np.float64], rim: float) -> None:
    """Draw a half-rose; the bin at 0 is also that at 180, half of it at each end."""
    centres = np.linspace(0, np.pi, _BINS + 1)
    axes.bar(centres, np.append(shares, shares[0]), width=np.pi / _BINS, color=BLUE, ec="white", lw=0.4)
    axes.plot(np.linspace(0, np.pi, 91), np.full(91, 100 / _BINS), "--", color=INK, lw=0.7)
    axes.set_thetalim(0, np.pi)
    axes.set_xticks(np.radians([0, 45, 90, 135, 180]), ["0°", "45°", "90°", "135°", "180°"])
    axes.set_ylim(0, rim)
    axes.set_yticks([])
    axes.tick_params(axis="x", pad=0)
    axes.grid(False)


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
    gosi = value(tuning, layer, unit, "gosi")
    number = tuning.layer_names.index(layer) + 1
    axes.set_title(f"{shorten(layer)} ({number})\nunit {unit}, gOSI {gosi:.2f}", fontsize=6)
