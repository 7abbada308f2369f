"""An index of several results against depth: their medians and quartiles, and the medians of their controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.plots.layer_axes import layer_ticks
from neuroprobe.plots.style import COLOURS, GREY
from neuroprobe.results import quartiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from neuroprobe.results import Result

_MARKS = "osD^v"  # a round of colours each
_APART = 0.14  # of the distance between layers


def draw_compared(axes: Axes, results: Mapping[str, Result], index: str) -> None:
    """Draw each result in its colour: layer beside layer where all have the same, else against relative depth."""
    names = [result.layer_names for result in results.values()]
    by_name = all(name == names[0] for name in names)
    for number, (label, result) in enumerate(results.items()):
        aside = _APART * (number - (len(results) - 1) / 2)
        count = len(result.layer_names)
        places = np.arange(count) + aside if by_name else np.linspace(0, 1, count)
        mark = _MARKS[number // len(COLOURS) % len(_MARKS)]
        _draw_result(axes, places, result, index, color=COLOURS[number % len(COLOURS)], marker=mark, label=label)
    axes.plot([], [], "o-", color=GREY, lw=0.6, mec="white", mew=0.4, label="Median, quartiles")
    if any(result.control is not None for result in results.values()):
        axes.plot([], [], ":", color=GREY, lw=0.9, label="Median of control")
    if by_name:
        layer_ticks(axes, names[0])
    else:
        axes.set_xlabel("Relative depth (first layer 0, last 1)")


def _draw_result(axes: Axes, places: NDArray[Any], result: Result, index: str, **look: Any) -> None:
    median, lower, upper = quartiles(result.numbers(index)).to_numpy().T
    axes.vlines(places, lower, upper, color=look["color"], lw=1.5, alpha=0.6)
    axes.plot(places, median, ls="-", lw=0.6, mec="white", mew=0.4, **look)
    if result.control is not None:
        control = quartiles(result.control[index].astype(float)).to_numpy()[:, 0]
        axes.plot(places, control, ":", color=look["color"], lw=0.9)
