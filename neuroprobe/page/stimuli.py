"""Pictures of the stimuli that drive units best: drawn again from what a result says it showed, many to a sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from neuroprobe.stimuli import StimulusSet
from neuroprobe.stimuli.bars import draw_bars
from neuroprobe.stimuli.gabors import draw_gabors
from neuroprobe.stimuli.gratings import draw_gratings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COLUMNS, ROWS = 12, 8  # tiles of a sheet
_LARGEST_TILE = 64  # pixels, as large as a card shows it
_DRAW: Mapping[str, Callable[..., Tensor]] = {"gratings": draw_gratings, "bars": draw_bars, "gabors": draw_gabors}


def shown_stimuli(description: Mapping[str, Any], own: StimulusSet | None = None) -> StimulusSet | None:
    """Return the set that a result describes; None for a user's own that is not at hand.

    Example:
        >>> from neuroprobe.stimuli import gratings
        >>> shown_stimuli(gratings(32, phases=2).describe())
        StimulusSet(gratings: 6 frequency x 12 orientation x 2 phase = 144 images of 3x32x32)
    """
    if own is not None and own.describe() == description:
        return own
    if description["kind"] not in _DRAW or "digest" in description:
        return None
    channels, height, width = description["size"]
    draw = partial(_DRAW[description["kind"]], height=height, width=width, **description["settings"])
    axes = {name: np.asarray(values, dtype=np.float64) for name, values in description["axes"].items()}
    further = {name: (axis, np.asarray(values)) for name, (axis, values) in description.get("coordinates", {}).items()}
    level = description["settings"].get("mean", 0.5)
    size = (channels, height, width)
    return StimulusSet(
        description["kind"],
        axes,
        size,
        draw,
        level,
        description["preset"],
        description["settings"],
        coordinates=further,
    )


def write_sheets(stimuli: StimulusSet, numbers: NDArray[np.integer[Any]], folder: Path, name: str) -> dict[str, Any]:
    """Write those sheets of the set that hold any of the stimuli, and say how a stimulus is found on them.

    Stimulus ``i`` is tile ``i % tiles`` of sheet ``i // tiles``, row by row. Of full-field gratings a tile shows the
    middle, pixel for pixel; anything else is scaled.
    """
    per_sheet = COLUMNS * ROWS
    for sheet in np.unique(np.asarray(numbers) // per_sheet):
        first = int(sheet) * per_sheet
        tiles = _tiles(stimuli, range(first, min(first + per_sheet, len(stimuli))))
        _sheet(tiles).save(folder / f"{name}-{sheet}.png", optimize=True)
    height, width = _tiles(stimuli, range(1)).shape[-2:]
    return {"name": name, "columns": COLUMNS, "rows": ROWS, "height": height, "width": width,
            "cropped": _is_cropped(stimuli)}  # fmt: skip


def _tiles(stimuli: StimulusSet, numbers: range) -> Tensor:
    """Draw some stimuli small: (stimuli, colours, height, width)."""
    images = stimuli.images(numbers)
    _, height, width = stimuli.size
    if _is_cropped(stimuli):
        top, left = max(0, (height - _LARGEST_TILE) // 2), max(0, (width - _LARGEST_TILE) // 2)
        return images[:, :, top : top + _LARGEST_TILE, left : left + _LARGEST_TILE]
    scale = min(1.0, _LARGEST_TILE / max(height, width))
    return images if scale == 1 else F.interpolate(images, scale_factor=scale, mode="bilinear", antialias=True)


def _is_cropped(stimuli: StimulusSet) -> bool:
    full_field = stimuli.kind == "gratings" and stimuli.settings.get("window") is None
    return full_field and max(stimuli.size[1:]) > _LARGEST_TILE


def _sheet(tiles: Tensor) -> Image.Image:
    """Lay tiles out row by row."""
    count, colours, height, width = tiles.shape
    empty = tiles.new_zeros(COLUMNS * ROWS - count, colours, height, width)
    grid = torch.cat([tiles, empty]).reshape(ROWS, COLUMNS, colours, height, width)
    return as_picture(grid.permute(2, 0, 3, 1, 4).reshape(colours, ROWS * height, COLUMNS * width))


def as_picture(image: Tensor) -> Image.Image:
    """Turn an image (C, H, W) in [0, 1] into a picture: in colour where it has three different ones, else in grey."""
    pixels = image.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    if len(pixels) == 3 and not (pixels[0] == pixels).all():
        return Image.fromarray(pixels.transpose(1, 2, 0))
    return Image.fromarray(pixels[0] if len(pixels) in (1, 3) else pixels.mean(axis=0).astype(np.uint8))
