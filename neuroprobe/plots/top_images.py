"""The images that drive units most, with the place in each where the unit responds most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PolyCollection

from neuroprobe.analysis.top_pictures import TopPicture, top_pictures
from neuroprobe.plots.style import VERMILION, new_axes, shorten, styled
from neuroprobe.plots.tuning_curves import asked_for
from neuroprobe.results import known_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from neuroprobe.data import Data
    from neuroprobe.results import Recording

_UNITS = 5  # drawn where none are asked for
_SIDE, _GAP, _TEXT = 0.42, 0.06, 0.22  # a picture in inches; what lies between two, and text below, in sides of it
_LETTERS = 10  # of a class's name that fit below a picture
_RING = 0.07  # radius, in sides of a picture, of the mark where a box would be too small to see


@styled
def top_images(
    recording: Recording,
    data: Data,
    layer: str | None = None,
    units: int | Sequence[int] | pd.DataFrame | None = None,
    model: nn.Module | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the images that drive units most, a row a unit, the strongest first, with the place of the maximum marked.

    With the model the box is the receptive field, all pixels that reach the place; without it the place's share of the
    image. A ring stands for a box too small to see. The class of the image stands below. Images that a unit does not
    respond to are left out.

    Example:
        >>> import neuroprobe
        >>> model = neuroprobe.load_network("cnn7")
        >>> images = next(neuroprobe.stimuli.gratings(32, phases=1).batches(100))
        >>> recording = neuroprobe.record(model, images, reducers=["top_images"])
        >>> axes = neuroprobe.plots.top_images(recording, images, "relu3", [5, 27], model)
        >>> [text.get_text() for text in axes.get_yticklabels()]
        ['unit 5', 'unit 27']

    Args:
        recording: Made by ``neuroprobe.record(..., reducers=["top_images"])``.
        data: The images that were recorded; photographs of a folder are cut as the network was shown them.
        layer: Where the units are; not needed for a slice of the unit table, nor with a single layer.
        units: One unit, several, or a slice of the unit table; by default the layer's five with the largest mean.
        model: The network, for its receptive fields.
        ax: Where to draw; a new figure by default.

    Raises:
        ValueError: if the recording holds no top images, or the data are not those that were recorded.
    """
    chosen = _chosen(recording, layer, units)
    rows = top_pictures(recording, data, chosen, model)
    named = any(picture.class_name is not None for row in rows for picture in row)
    wide, high = 1 + _GAP, 1 + (_TEXT if named else _GAP)
    columns = max(1, *map(len, rows))
    axes = ax or new_axes(_SIDE * wide * columns + 0.75, _SIDE * high * len(rows) + 0.25)
    for number, row in enumerate(rows):
        for place, picture in enumerate(row):
            _draw_picture(axes, picture, place * wide, -number * high)
        if not row:
            axes.text(0, -number * high - 0.5, "No response", va="center")
    _draw_marks(axes, rows, wide, high)
    axes.set(xlim=(0, columns * wide), ylim=(-len(rows) * high, 0.05), aspect="equal")
    _label(axes, chosen, [-number * high - 0.5 for number in range(len(rows))], exact=model is not None)
    return axes


def _chosen(
    recording: Recording, layer: str | None, units: int | Sequence[int] | pd.DataFrame | None
) -> list[tuple[str, int]]:
    if units is not None:
        return asked_for(recording, layer, units)
    names = recording.layer_names
    if layer is None and len(names) > 1:
        raise ValueError(f"say which of the {len(names)} layers is meant: layer=..., one of {', '.join(names)}")
    layer = known_layer(layer or names[0], names)
    return list(recording.top(layer, min(_UNITS, len(recording.units.loc[layer])), by="mean").index)


def _draw_picture(axes: Axes, picture: TopPicture, x: float, y: float) -> None:
    """Draw an image with its upper left corner at (x, y), and its class below."""
    axes.imshow(_pixels(picture.image), "gray", vmin=0, vmax=1, extent=(x, x + 1, y - 1, y), interpolation="nearest")
    name = picture.class_name or ""
    short = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"  # of classes the beginning tells most
    axes.text(x + 0.5, y - 1.02, short.replace("$", r"\$"), ha="center", va="top", fontsize=5)


def _pixels(image: Tensor) -> NDArray[np.float32]:
    """Turn an image (C, H, W) into what can be shown: in colour where it has three channels, scaled where it must."""
    pixels = image.cpu().float().numpy().transpose(1, 2, 0)
    pixels = pixels if pixels.shape[2] == 3 else pixels.mean(2)
    if pixels.min() < 0 or pixels.max() > 1:
        pixels = (pixels - pixels.min()) / (np.ptp(pixels) or 1.0)
    return pixels


def _draw_marks(axes: Axes, rows: Sequence[Sequence[TopPicture]], wide: float, high: float) -> None:
    """Draw the marks, light below dark so that they show on any picture."""
    marks = [
        _mark(np.array(picture.box) / np.repeat(picture.image.shape[1:], 2)) + np.array([place * wide, -number * high])
        for number, row in enumerate(rows)
        for place, picture in enumerate(row)
        if picture.box is not None
    ]
    for colour, width in (("white", 1.6), (VERMILION, 0.8)):
        axes.add_collection(PolyCollection(marks, facecolors="none", edgecolors=colour, linewidths=width))


def _mark(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners (x, y) of a box, in sides of a picture, or a ring about one that is too small to see."""
    top, bottom, left, right = box
    if max(bottom - top, right - left) > 2 * _RING:
        return np.array([(left, -top), (right, -top), (right, -bottom), (left, -bottom)])
    angles = np.linspace(0, 2 * np.pi, 25)
    return np.array([left + right, -top - bottom]) / 2 + _RING * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _label(axes: Axes, chosen: Sequence[tuple[str, int]], middles: Sequence[float], *, exact: bool) -> None:
    layers = {layer for layer, _ in chosen}
    names = [f"unit {unit}" if len(layers) == 1 else f"{shorten(layer, 17)}\nunit {unit}" for layer, unit in chosen]
    axes.set_yticks(middles, names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    what = "receptive field" if exact else "place"
    title = f"{shorten(chosen[0][0], 30)}, marked: {what} of the maximum" if len(layers) == 1 else ""
    axes.set_title(title or f"Marked: {what} of the maximum", loc="left")
