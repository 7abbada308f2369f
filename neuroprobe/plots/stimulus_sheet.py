"""A contact sheet of a stimulus set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuroprobe.plots.style import LABELS, new_axes, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from neuroprobe.stimuli import StimulusSet

_ROWS, _COLUMNS = 9, 12  # more are thinned out evenly: a stripe must stay visible
_GAP = 0.06  # between images, in image sides


@styled
def stimulus_sheet(stimuli: StimulusSet, ax: Axes | None = None) -> Axes:
    """Draw the images of a stimulus set: a row a frequency, a column an orientation, at the first phase.

    Sets without frequencies (bars) have their first parameter other than orientation down the rows.
    """
    down, across, indices = _sheet(stimuli)
    axes = ax or new_axes(0.5 * indices.shape[1] + 0.8, 0.5 * indices.shape[0] + 0.6)
    pictures = stimuli.images(indices.ravel()).permute(0, 2, 3, 1).numpy()
    for (row, column), picture in zip(np.ndindex(*indices.shape), pictures, strict=True):
        extent = (column, column + 1 - _GAP, row + 1 - _GAP, row)
        axes.imshow(picture[..., 0] if picture.shape[2] == 1 else picture, cmap="gray", vmin=0, vmax=1, extent=extent)
    _label(axes, "x", "orientation", stimuli.axes["orientation"][across])
    _label(axes, "y", *down)
    axes.set(xlim=(0, indices.shape[1]), ylim=(indices.shape[0], 0), aspect="equal")
    axes.spines[:].set_visible(False)
    if "phase" in stimuli.axes:
        axes.set_title(f"{stimuli.kind.capitalize()}, phase {stimuli.axes['phase'][0]:g} deg")
    return axes


def _sheet(stimuli: StimulusSet) -> tuple[tuple[str, NDArray[np.float64]], NDArray[np.intp], NDArray[np.intp]]:
    """Choose the parameter down the rows with its values, the orientations, and the images, (rows, columns)."""
    names = list(stimuli.axes)
    row_name = next((name for name in names if name != "orientation"), "")
    rows = _spread(len(stimuli.axes[row_name]), _ROWS) if row_name else np.zeros(1, int)
    columns = _spread(len(stimuli.axes["orientation"]), _COLUMNS)
    steps = {row_name: rows[:, None], "orientation": columns[None, :]}
    indices = np.ravel_multi_index(
        [steps.get(name, 0) + 0 * rows[:, None] + 0 * columns for name in names], stimuli.shape
    )
    return (row_name, stimuli.axes[row_name][rows] if row_name else np.empty(0)), columns, indices


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """Take all of few, or some of many, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _label(axes: Axes, side: str, name: str, values: NDArray[np.float64]) -> None:
    """Name one side of the sheet and each of its rows or columns."""
    places = np.arange(len(values)) + (1 - _GAP) / 2
    texts = [f"{value:.3g}" for value in values]
    axes.set(
        **{f"{side}ticks": places, f"{side}ticklabels": texts, f"{side}label": LABELS.get(name, name.capitalize())}
    )
    axes.tick_params(length=0)
