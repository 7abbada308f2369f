"""A contact sheet of a stimulus set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuroprobe.plots.style import LABELS, new_axes, spread, styled
from neuroprobe.results import named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from neuroprobe.stimuli import StimulusSet

_ROWS, _COLUMNS = 9, 12  # more are thinned out evenly: a stripe must stay visible
_GAP = 0.06  # between images, in the longer side of one
_SIDE, _LETTER = 0.48, 0.055  # inches: the longer side of an image, a letter of the title
_UNITS = {"orientation": "deg", "phase": "deg", "frequency": "cycles/pixel"} | dict.fromkeys(
    ("width", "length", "position"), "px"
)


@styled
def stimulus_sheet(
    stimuli: StimulusSet, ax: Axes | None = None, *, down: str | None = None, across: str | None = None
) -> Axes:
    """Draw the images of a stimulus set that differ in two parameters.

    Every other parameter stands at 0 or nearest it (bars in the middle, bright), one that is always above in the middle
    of its values; the title tells.

    Example:
        >>> from neuroprobe import plots, stimuli
        >>> plots.stimulus_sheet(stimuli.bars(32), down="position").get_title()
        'Bars, width 4 px, length 19 px, polarity 1'

    Args:
        stimuli: The set.
        ax: Where to draw; a new figure by default.
        down: The parameter whose values are the rows; by default the first that varies but for the columns'.
        across: The parameter whose values are the columns; orientation by default, or the last where nothing turns.
    """
    rows, across = _sides(stimuli, down, across)
    held = [name for name in stimuli.axes if name not in (*rows, across)]
    steps = {name: np.array([_typical(stimuli.axes[name])]) for name in held}
    steps |= {name: spread(stimuli.axes[name].size, _ROWS)[:, None] for name in rows}
    steps[across] = spread(stimuli.axes[across].size, _COLUMNS)[None, :]
    indices = np.ravel_multi_index([steps[name] for name in stimuli.axes], stimuli.shape)
    title = ", ".join([stimuli.kind.capitalize(), *(_worded(stimuli, name, steps[name][0]) for name in held)])
    high, wide = (side / max(stimuli.size[1:]) for side in stimuli.size[1:])
    axes = ax or _new_axes(_SIDE * (high + _GAP) * indices.shape[0], _SIDE * (wide + _GAP) * indices.shape[1], title)
    _draw(axes, stimuli, indices, high, wide)
    axes.set(title=title, yticks=[])
    for side, size, name in (("x", wide, across), *(("y", high, name) for name in rows)):
        _label(axes, side, size, stimuli, name, steps[name].ravel())
    return axes


def _sides(stimuli: StimulusSet, down: str | None, across: str | None) -> tuple[list[str], str]:
    """Settle the parameter of the rows, none where there is but one in all, and that of the columns."""
    names = list(stimuli.axes)
    across = named("parameter", across or ("orientation" if "orientation" in names else names[-1]), names)
    others = [name for name in names if name != across]
    varying = [name for name in others if stimuli.axes[name].size > 1] or others
    return [named("parameter", down, others)] if down else varying[:1], across


def _draw(axes: Axes, stimuli: StimulusSet, indices: NDArray[np.intp], high: float, wide: float) -> None:
    """Lay images (rows, columns) out; their height and width count in the longer of the two."""
    pictures = stimuli.images(indices.ravel()).permute(0, 2, 3, 1).numpy()
    for (row, column), picture in zip(np.ndindex(*indices.shape), pictures, strict=True):
        top, left = row * (high + _GAP), column * (wide + _GAP)
        extent = (left, left + wide, top + high, top)
        shown = picture if picture.shape[2] == 3 else picture.mean(axis=2)  # of other channels nobody knows the colours
        axes.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=extent)
    axes.set(xlim=(0, left + wide), ylim=(top + high, 0), aspect="equal")
    axes.spines[:].set_visible(False)


def _new_axes(height: float, width: float, title: str) -> Axes:
    return new_axes(max(width + 0.8, _LETTER * len(title)), height + 0.6)


def _typical(values: NDArray[np.float64]) -> int:
    """Find the value nearest 0, of two the one above; of values that are all above 0 the middle one."""
    if values.min() > 0:
        return len(values) // 2
    return len(values) - 1 - int(np.abs(values[::-1]).argmin())


def _worded(stimuli: StimulusSet, name: str, step: int) -> str:
    return f"{name} {_said(stimuli, name, step)} {_UNITS.get(name, '')}".rstrip()


def _said(stimuli: StimulusSet, name: str, step: int) -> str:
    """Write one value of a parameter: its number, or the coordinates it stands for."""
    places = [_number(values[step]) for axis, values in stimuli.coordinates.values() if axis == name]
    return f"({', '.join(places)})" if places else _number(stimuli.axes[name][step])


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}").replace("inf", "\N{INFINITY}")


def _label(axes: Axes, side: str, size: float, stimuli: StimulusSet, name: str, steps: NDArray[np.intp]) -> None:
    """Name one side of the sheet and each of its rows or columns."""
    places = np.arange(len(steps)) * (size + _GAP) + size / 2
    texts = [_said(stimuli, name, step) for step in steps]
    axes.set(
        **{f"{side}ticks": places, f"{side}ticklabels": texts, f"{side}label": LABELS.get(name, name.capitalize())}
    )
    axes.tick_params(length=0)
