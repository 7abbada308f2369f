"""Naming layers along an axis: all of them where there is room, else some by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from neuroprobe.plots.style import told_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.axes import Axes

_LABEL_INCHES, _LETTER_INCHES = 0.1, 0.055  # height of a tick label's line, width of its letters
_NAMED_LAYERS = 8  # more than these are numbered beside their colours


def layer_ticks(axes: Axes, layers: Sequence[str]) -> None:
    """Name the layers along x: level where there is room, else upright, else number them."""
    slot = _slot(axes, layers)
    names = told_apart(layers)
    upright = slot < _LETTER_INCHES * max(map(len, names)) + 0.05
    if too_many := slot < _LABEL_INCHES:
        places = _every_tenth(layers)
        axes.set_xticks(places, [str(place + 1) for place in places])
    else:
        axes.set_xticks(range(len(layers)), names, rotation=90 if upright else 0)
    axes.set_xlabel("Layer, in order of execution" if too_many else "Layer")
    axes.tick_params(axis="x", labelsize=mpl.rcParams["xtick.labelsize"])
    margin = max(0.7, (4 - len(layers)) / 2)  # so that a single layer does not fill the width
    axes.set_xlim(-margin, len(layers) - 1 + margin)


def layer_notes(axes: Axes, notes: Sequence[str], what: str) -> None:
    """Write a note above each layer along x, where there is room, and at the left what the notes are."""
    slot = _slot(axes, notes)
    upright = slot < _LETTER_INCHES * max(map(len, notes))
    for place in range(len(notes)) if slot >= _LABEL_INCHES else _every_tenth(notes):
        axes.annotate(
            notes[place], (place, 1), (0, 4), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
            ha="center", va="bottom", fontsize=6, rotation=90 if upright else 0,
        )  # fmt: skip
    axes.annotate(
        what, (0, 1), (-6, 4), xycoords="axes fraction", textcoords="offset points", ha="right", va="bottom", fontsize=6
    )


def _slot(axes: Axes, layers: Sequence[str]) -> float:
    """Return the width of the axes a layer, inches."""
    return axes.get_window_extent().width / axes.figure.dpi / len(layers)


def _every_tenth(layers: Sequence[str]) -> list[int]:
    """Choose the layers that are numbered where there is no room for all."""
    return sorted({0, *range(9, len(layers), 10)})


def layer_rows(axes: Axes, layers: Sequence[str]) -> None:
    """Name the layers down y, the first on top; where there is no room, number some of them."""
    if has_rows(axes, layers):
        axes.set_yticks(range(len(layers)), told_apart(layers))
    else:
        places = _every_tenth(layers)
        axes.set_yticks(places, [str(place + 1) for place in places])
        axes.set_ylabel("Layer, in order of execution")


def has_rows(axes: Axes, layers: Sequence[str]) -> bool:
    """Whether the axes are high enough for a line of text a layer."""
    return axes.get_window_extent().height / axes.figure.dpi / len(layers) >= _LABEL_INCHES


def layer_key(axes: Axes, layers: Sequence[str], colours: np.ndarray) -> None:
    """Say beside the axes which colour is which layer."""
    few = len(layers) <= _NAMED_LAYERS
    scale = ScalarMappable(Normalize(-0.5, len(layers) - 0.5), ListedColormap(colours))
    bar = axes.figure.colorbar(scale, ax=axes, pad=0.02, aspect=30)
    places = list(range(len(layers))) if few else sorted({0, *range(4, len(layers), 5)})
    bar.set_ticks(places, labels=told_apart(layers, 14) if few else [str(place + 1) for place in places])
    bar.ax.tick_params(length=0, labelsize=6)
    bar.outline.set_visible(False)
    bar.set_label("Layer" if few else "Layer, in order of execution")
