"""An index's distribution in every layer, against the control's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuroprobe.plots.layer_axes import has_rows, layer_rows
from neuroprobe.plots.style import (
    BLUE,
    INK,
    LABELS,
    SKY,
    VERMILION,
    in_place_of_data,
    legend_above,
    new_axes,
    plain_numbers,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from neuroprobe.results import Result

_BINS = 25
_HEIGHT = 0.85  # of the distance between layers


@styled
def index_distribution(result: Result, index: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the distribution of an index over the units of every layer, the first on top, over that of its control.

    The control is the control measurement's column or, for ``si``, the units' own ``si_null``. Both are shares of
    units in the same bins; each layer has its own scale. Of ``gosi`` the threshold of tuned units is marked, and at the
    right stands the percentage of tuned units, of those with a verdict: ``share_tuned`` of the summary.

    Example:
        >>> import neuroprobe
        >>> tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), control="untrained")
        >>> axes = neuroprobe.plots.index_distribution(tuning)
        >>> [text.get_text() for text in axes.get_yticklabels()][:2]
        ['relu1', 'relu2']

    Args:
        result: A result with a unit table.
        index: Any column of numbers; the headline by default, such as ``gosi`` or ``si``.
        ax: Where to draw; a new figure by default.
    """
    index = index or result.headline
    values, (control, what) = result.numbers(index), _control(result, index)
    layers = result.layer_names
    axes = ax or new_axes(3.35, min(9, 0.8 + 0.32 * len(layers)))
    if values.notna().any():
        _draw_layers(axes, values, control, what)
    else:
        in_place_of_data(axes, f"No unit has a number in {index}")
    axes.set(ylim=(len(layers) - 1 + 0.25, -1), xlabel=LABELS.get(index, index))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    layer_rows(axes, layers)
    plain_numbers(axes.xaxis, 6)
    if index == "gosi":
        _draw_verdicts(axes, result)
    legend_above(axes, most=3)
    return axes


def _control(result: Result, index: str) -> tuple[pd.Series[float] | None, str]:
    """Return what an index is compared with, and what that is called."""
    if result.control is not None:
        return result.control[index].astype(float), str(result.meta.get("control") or "control").capitalize()
    if f"{index}_null" in result.units:
        return result.numbers(f"{index}_null"), "Permuted labels"
    return None, ""


def _edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of the bins: of 0 to 1 where the numbers fill much of that, else as far as they go."""
    low, high = numbers.min(), numbers.max()
    if low >= 0 and 0.5 < high <= 1:
        low, high = 0.0, 1.0
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _draw_layers(axes: Axes, units: pd.Series[float], control: pd.Series[float] | None, what: str) -> None:
    """Draw a layer a row: its units filled, the control as an outline, the higher of the two as high as the row."""
    both = [units] if control is None else [units, control]
    edges = _edges(np.concatenate([column.dropna() for column in both]))
    layers = list(units.index.unique("layer"))
    line = 0.8 if has_rows(axes, layers) else 0.3
    for place, layer in enumerate(layers):
        shares = [_shares(column.loc[[layer]], edges) for column in both]
        tops = place - _HEIGHT * np.array(shares) / (np.max(shares) or 1.0)
        axes.stairs(tops[0], edges, baseline=place, fill=True, color=SKY, lw=0, label=None if place else "Units")
        for top, colour, label in zip(tops, (BLUE, INK), (None, None if place else what), strict=False):
            axes.stairs(top, edges, baseline=None, color=colour, lw=line, label=label)
        axes.axhline(place, color=INK, lw=0.6 * line)


def _shares(values: pd.Series[float], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of units in each bin, of those with a number."""
    counts = np.histogram(values.dropna(), edges)[0]
    return counts / max(counts.sum(), 1)


def _draw_verdicts(axes: Axes, result: Result) -> None:
    """Mark each layer's threshold of tuned units and write at the right how many units are."""
    layers = result.layer_names
    thresholds = result.meta.get("definitions", {}).get("tuned_thresholds", {})
    levels, places = [thresholds.get(layer, np.nan) for layer in layers], np.arange(len(layers))
    if np.isfinite(levels).any():
        axes.vlines(levels, places - _HEIGHT, places, color=VERMILION, lw=1, label="Threshold of tuned", zorder=3)
    tuned = result.summary().get("share_tuned")  # not there: units followed over training
    if tuned is not None and tuned.notna().any() and has_rows(axes, layers):
        for place, share in enumerate(tuned):
            said = f"{share:.0%}" if np.isfinite(share) else "none"
            axes.text(1.02, place, said, transform=axes.get_yaxis_transform(), va="bottom", fontsize=6)
        axes.text(1.02, -1, "Tuned", transform=axes.get_yaxis_transform(), va="bottom", fontsize=6)
