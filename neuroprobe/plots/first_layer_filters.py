"""The filters of a network's first layer beside what they are tuned to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from neuroprobe.addresses import dry_run
from neuroprobe.analysis.first_filters import first_filters
from neuroprobe.plots.style import BLUE, GREY, SKY, new_axes, shorten, styled
from neuroprobe.plots.tuning_curves import asked_for, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from torch import nn

    from neuroprobe.results import Tuning

_MOST = 32  # filters, where none are asked for
_CELL = (2.3, 1.32)  # width and height of a pair with its text, in sides of a filter
_MARGIN = 0.1  # below the text of the last row, in sides of a filter
_SIDE = 0.36  # inches
_RADIUS, _CENTRE = 0.47, (1.6, -0.5)  # of the polar curve, in sides of a filter from the pair's upper left corner
_COLUMNS = 4  # pairs that fill the column of a journal, 85 mm


@styled
def first_layer_filters(
    tuning: Tuning,
    model: nn.Module,
    units: int | Sequence[int] | pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the filters of the first convolution, each beside its polar tuning curve, the most selective first.

    A filter is scaled by its own largest weight, 0 being grey: in colour where it has three channels, else as the mean
    over channels, which is what a grey grating meets. A curve is scaled to its own peak, the rim; the angle is that of
    the stripes. Units without a response, or with too small a one to count, have the rim alone. Below stand the unit's
    number and its gosi.

    Example:
        >>> import neuroprobe
        >>> model = neuroprobe.load_network("cnn7")
        >>> tuning = neuroprobe.orientation(model, permutations=0)
        >>> neuroprobe.plots.first_layer_filters(tuning, model).get_title()
        'Filters of conv1, tuning of relu1 (unit, gOSI)'

    Args:
        tuning: The measurement.
        model: The network that was measured.
        units: Some units of the first layer, or a slice of the unit table; by default all, the 32 most selective of
            more.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: if the network begins with no convolution, or its first layer was not measured.
    """
    convolution, layer, weights = _filters(tuning, model)
    chosen = _chosen(tuning, layer, units)
    columns = min(len(chosen), _columns(len(chosen), ax))
    rows = -(-len(chosen) // columns)
    axes = ax or new_axes(_SIDE * _CELL[0] * columns + 0.1, _SIDE * (_CELL[1] * rows + _MARGIN) + 0.25)
    corners = [(_CELL[0] * (place % columns), -_CELL[1] * (place // columns)) for place in range(len(chosen))]
    for (x, y), unit in zip(corners, chosen, strict=True):
        axes.imshow(_picture(weights[unit]), "gray", vmin=0, vmax=1, extent=(x, x + 1, y - 1, y))
        gosi = value(tuning, layer, unit, "gosi")
        said = f"{unit}, {gosi:.2f}" if np.isfinite(gosi) else f"{unit}, none"
        axes.text(x + _CELL[0] / 2 - 0.1, y - 1.04, said, ha="center", va="top", fontsize=5)
    silent = tuning.units.loc[layer]["status"].loc[chosen].isin(["dead", "unresponsive"]).to_numpy()
    _draw_curves(axes, tuning.curve(layer).sel(unit=chosen), np.array(corners), silent)
    axes.set(xlim=(0, _CELL[0] * columns - 0.1), ylim=(-_CELL[1] * rows - _MARGIN, 0.05), aspect="equal")
    axes.set_axis_off()
    axes.set_title(f"Filters of {shorten(convolution)}, tuning of {shorten(layer)} (unit, gOSI)")
    return axes


def _filters(tuning: Tuning, model: nn.Module) -> tuple[str, str, NDArray[np.float32]]:
    """Return the first convolution, the measured layer that has its units, and the filters (units, C, h, w)."""
    size = tuning.meta.get("stimuli", {}).get("size")
    found = dry_run(model, tuple(size) if size else None)
    filters = first_filters(model, found)
    if not filters:
        raise ValueError(f"a network that begins with a convolution is wanted; {type(model).__name__} begins otherwise")
    measured = [layer for layer in found if layer.name in filters and layer.name in tuning.layer_names]
    if not measured:
        raise ValueError(
            f"filters have their units in {', '.join(filters)}, none of which was measured "
            f"({shorten(', '.join(tuning.layer_names), 60)} came): name one in orientation(model, layers)"
        )
    layer = next((layer for layer in measured if layer.default), measured[-1])  # the non-linearity, where it is there
    return next(iter(filters)), layer.name, filters[layer.name].numpy()


def _chosen(tuning: Tuning, layer: str, units: int | Sequence[int] | pd.DataFrame | None) -> list[int]:
    """Return the units to draw, by default the most selective first and those without a number last."""
    if units is None:
        ordered = tuning.units.loc[layer]["gosi"].sort_values(ascending=False, kind="stable", na_position="last")
        return [int(unit) for unit in ordered.index[:_MOST]]
    chosen = asked_for(tuning, layer, units)
    astray = [place for place, _ in chosen if place != layer]
    if astray:
        raise ValueError(f"units must be of the first layer, {layer!r}; some of {astray[0]!r} came")
    return [unit for _, unit in chosen]


def _columns(count: int, ax: Axes | None) -> int:
    """Return how many pairs stand side by side: as many as fill a journal's column, or the axes that are there."""
    if ax is None:
        return _COLUMNS
    room = np.array([ax.get_window_extent().width, ax.get_window_extent().height]) / _CELL
    return max(range(1, count + 1), key=lambda columns: min(room / (columns, -(-count // columns))))


def _picture(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn weights (C, height, width) into a picture in [0, 1], 0 being mid-grey: in colour where there are three."""
    picture = weights.transpose(1, 2, 0) if len(weights) == 3 else weights.mean(0)
    return np.float32(0.5) + picture / (2 * np.abs(picture).max() or 1)


def _draw_curves(axes: Axes, curves: xr.DataArray, corners: NDArray[np.float64], silent: NDArray[np.bool_]) -> None:
    """Draw each unit's curve, going round twice, inside the rim of its peak; of silent units the rim alone."""
    middles = (corners + _CENTRE)[:, None]
    once = np.radians(curves["orientation"].to_numpy())
    peaks = curves.max("orientation")
    lengths = np.tile((curves / peaks.where(peaks > 0)).fillna(0).clip(0, 1).to_numpy(), 2)
    shapes = middles + _RADIUS * lengths[..., None] * _on_circle(np.concatenate([once, once + np.pi]))
    rims = middles + _RADIUS * _on_circle(np.linspace(0, 2 * np.pi, 61))
    axes.add_collection(LineCollection(list(rims), colors=GREY, linewidths=0.4))
    axes.add_collection(PolyCollection(list(shapes[~silent]), facecolors=SKY, edgecolors=BLUE, linewidths=0.7))


def _on_circle(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (x, y) at some angles, radians."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)
