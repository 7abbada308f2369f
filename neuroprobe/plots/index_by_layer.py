"""An index against depth: of every unit beside the control's, or of several results beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from neuroprobe.plots.compared import draw_compared
from neuroprobe.plots.layer_axes import layer_ticks
from neuroprobe.plots.style import (
    BLUE,
    GREY,
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
from neuroprobe.results import SELECTIVE, Result, by_layer, quartiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GOLDEN = (5**0.5 - 1) / 2  # multiples of it, modulo 1, spread evenly however many there are


@styled
def index_by_layer(
    result: Result | Mapping[str, Result] | Sequence[tuple[str, Result]],
    index: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw an index of every unit, with median and quartiles, layer by layer in order of execution.

    Where there is a control, its median and 95th percentile stand beside them: a unit above the latter exceeds what
    the architecture alone gives. Of several results medians and quartiles are drawn, and the medians of the controls:
    by layer where all have the same layers, else against relative depth.

    Example:
        >>> import neuroprobe
        >>> models = {name: neuroprobe.load_network("cnn7", name) for name in ("default", None)}
        >>> trained, fresh = (neuroprobe.orientation(model, permutations=0) for model in models.values())
        >>> axes = neuroprobe.plots.index_by_layer(trained)
        >>> axes = neuroprobe.plots.index_by_layer({"Trained": trained, "Untrained": fresh}, "bandwidth")
        >>> axes.get_ylabel()
        'Bandwidth (deg)'

    Args:
        result: A result with a unit table; or several, name to result.
        index: Any column of numbers; the (first) result's headline by default, such as ``gosi`` or ``si``.
        ax: Where to draw; a new figure by default.
    """
    results = _named(result)
    index = index or next(iter(results.values())).headline
    values = pd.concat([each.numbers(index) for each in results.values()])
    depth = max(len(each.layer_names) for each in results.values())
    axes = ax or new_axes(max(3.5, min(7, 0.3 * depth)), 2.4)
    if isinstance(result, Result):
        _draw_one(axes, result, index)
    else:
        draw_compared(axes, results, index)
    axes.set_ylabel(LABELS.get(index, index))
    legend_above(axes)
    if values.notna().any():
        axes.set_ylim(bottom=0 if values.min() >= 0 else None)
        plain_numbers(axes.yaxis, 6)
    else:
        axes.set_yticks([])
        in_place_of_data(axes, f"No unit has a number in {index}")
    return axes


def _named(result: Any) -> dict[str, Result]:
    """Return results by name, the only one without."""
    results = {"": result} if isinstance(result, Result) else dict(result)
    if not results:
        raise ValueError("there is nothing to draw: give one result, or several as name to result")
    for name, each in results.items():
        if not isinstance(each, Result):
            raise TypeError(f"a result with a unit table is wanted; {name!r} is {type(each).__name__}")
    return results


def _draw_one(axes: Axes, result: Result, index: str) -> None:
    """Draw every unit of one result, its quartiles and its control."""
    values = result.numbers(index)
    draw_units(axes, values)
    if result.control is not None:
        draw_control(axes, result.control[index].astype(float), str(result.meta.get("control", "")))
    draw_quartiles(axes, values)
    if index == "gosi" and values.notna().any():
        axes.axhline(SELECTIVE, color=VERMILION, lw=0.7, ls=":", label=f"gOSI = {SELECTIVE}", zorder=1)
    layer_ticks(axes, result.layer_names)


def draw_units(axes: Axes, values: pd.Series[float], colour: str = SKY, label: str | None = None) -> None:
    """Strew each layer's units, lightly, over its slot; NaN keeps its place and is not drawn."""
    place = by_layer(values).ngroup()
    jitter = (by_layer(values).cumcount() * _GOLDEN) % 1 - 0.5
    alpha = 0.6 if len(values) < 3000 else 0.3
    look: Any = {"color": colour, "alpha": alpha, "ms": 1.5, "mew": 0}
    axes.plot(place + 0.6 * jitter, values, "o", label=label, rasterized=True, zorder=2, **look)


def draw_quartiles(axes: Axes, values: pd.Series[float], label: str = "Median, quartiles") -> None:
    """Draw each layer's median as a dot on a bar from quartile to quartile."""
    median, lower, upper = quartiles(values).to_numpy().T
    places = np.arange(len(median))
    axes.vlines(places, lower, upper, color=BLUE, lw=1.8, zorder=4)
    axes.plot(places, median, "o-", color=BLUE, ms=3.5, lw=0.6, mec="white", mew=0.5, label=label, zorder=5)


def draw_control(axes: Axes, values: pd.Series[float], name: str) -> None:
    """Draw the control's median, and its 95th percentile as a dash across each layer's slot."""
    control, order = (name or "control").capitalize(), values.index.unique("layer")
    median, high = (by_layer(values).quantile(share).reindex(order).to_numpy() for share in (0.5, 0.95))
    places = np.arange(len(order))
    axes.plot(
        places,
        median,
        "o",
        mfc="white",
        mec=GREY,
        ms=3.2,
        mew=0.8,
        label=f"{control}: median",
        zorder=3,
    )
    axes.hlines(high, places - 0.4, places + 0.4, color=INK, lw=0.9, label="95th percentile", zorder=3)
