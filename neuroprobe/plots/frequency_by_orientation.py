"""A unit's responses to every frequency and orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.plots.style import (
    LABELS,
    SEQUENTIAL,
    VERMILION,
    in_place_of_data,
    new_axes,
    plain_numbers,
    shorten,
    spread,
    styled,
)
from neuroprobe.plots.tuning_curves import asked_for, examples, value

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from neuroprobe.results import Tuning

_NAMED_ROWS = 7  # more frequencies than these are thinned out evenly


@styled
def frequency_by_orientation(
    tuning: Tuning, layer: str | None = None, unit: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a unit's response to every frequency and orientation, phases taken together, its best marked by a ring.

    The dashed line on the colour bar is the response to the blank. Stimuli without frequencies (bars) have their
    first parameter other than orientation on the y axis; of any beyond, the unit's best is drawn.

    Example:
        >>> import neuroprobe
        >>> tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu3"], permutations=0)
        >>> axes = neuroprobe.plots.frequency_by_orientation(tuning, "relu3", 27)
        >>> axes.get_xlabel(), axes.get_ylabel()
        ('Orientation (deg)', 'Frequency (cycles/pixel)')

    Args:
        tuning: The measurement.
        layer: Where the unit is; not needed with a single layer.
        unit: Its number; by default the unit, of the layer or of all, that is most selective and best fitted.
        ax: Where to draw; a new figure by default.
    """
    place, number = examples(tuning, layer, 1)[0] if unit is None else asked_for(tuning, layer, unit)[0]
    plane = tuning.plane(place).sel(unit=number)
    if plane.ndim < 2:
        raise ValueError("these stimuli vary in orientation alone: draw plots.tuning_curves(tuning, layer, unit)")
    axes = ax or new_axes(2.4, 1.9)
    _draw_plane(axes, plane, value(tuning, place, number, "blank_response"))
    _label(axes, plane)
    axes.set_title(f"{shorten(place)}, unit {number}")
    return axes


def _draw_plane(axes: Axes, plane: xr.DataArray, blank: float) -> None:
    """Draw the responses, a row a frequency, with their colours beside them."""
    responses, angles = plane.to_numpy(), plane["orientation"].to_numpy()
    low, high = min(0.0, float(plane.min())), float(plane.max())
    responds = high > low
    step = 180 / len(angles)
    image = axes.imshow(
        responses, SEQUENTIAL, vmin=low, vmax=high if responds else 1.0, origin="lower", aspect="auto",
        extent=(angles[0] - step / 2, angles[-1] + step / 2, -0.5, len(responses) - 0.5),
    )  # fmt: skip
    if not responds:
        in_place_of_data(axes, "No numbers" if plane.isnull().all() else "No response")
        return
    row, column = np.unravel_index(np.nanargmax(responses), responses.shape)
    axes.plot(angles[column], row, "o", mfc="none", mec="white", ms=4, mew=1)
    _key(axes, image, blank)


def _key(axes: Axes, image: Any, blank: float) -> None:
    bar = axes.figure.colorbar(image, ax=axes, pad=0.03, aspect=25, label="Response (a.u.)\n(dashed: blank)")
    plain_numbers(bar.ax.yaxis, 4)
    bar.ax.axhline(min(blank, image.norm.vmax), color=VERMILION, lw=1.2, ls=(0, (1.5, 0.7)), clip_on=False, zorder=10)


def _label(axes: Axes, plane: xr.DataArray) -> None:
    name = str(plane.dims[0])
    rows = spread(plane.sizes[name], _NAMED_ROWS)
    axes.set_yticks(rows, [f"{number:.2g}" for number in plane[name].to_numpy()[rows]])
    axes.set_xticks([0, 45, 90, 135])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(True)  # much of a map may be white
    axes.set(xlabel=LABELS["orientation"], ylabel=LABELS.get(name, name.capitalize()))
