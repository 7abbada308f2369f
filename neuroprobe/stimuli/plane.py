"""The plane on which stimuli are drawn: its pixels about the origin, what fits on it, and windows."""

from typing import Literal

import torch
from torch import Tensor

Window = Literal["circular", "gaussian"]
WINDOWS = ("circular", "gaussian")


def pixels(height: int, width: int, *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Lay out x (width,) and y (height,) in pixels about the origin, pixel (H // 2, W // 2); rows run down, y up."""
    column = torch.arange(width, dtype=like.dtype, device=like.device) - width // 2
    row = torch.arange(height, dtype=like.dtype, device=like.device) - height // 2
    return column, -row


def inscribed_radius(height: int, width: int) -> float:
    """Return the radius (pixels) of the largest disc about the origin that lies within the image.

    Example:
        >>> inscribed_radius(41, 61), inscribed_radius(32, 32)
        (20.5, 15.5)
    """
    return (min(height, width) - 1) // 2 + 0.5


def outer(rows: Tensor, columns: Tensor) -> Tensor:
    """Multiply (n, H) by (n, W) into (n, H, W), in float32."""
    return rows.float()[:, :, None] * columns.float()[:, None, :]


def gaussian_sd(height: int, width: int) -> float:
    """Return the sd (pixels) of a Gaussian window: a sixth of the shorter side."""
    return min(height, width) / 6


def gaussian(column: Tensor, row: Tensor, sd: float) -> Tensor:
    """Lay out Gaussians (n, H, W), 1 at their centres, over pixels (n, W) and (n, H) counted from those."""
    return outer(torch.exp(-(row**2) / (2 * sd**2)), torch.exp(-(column**2) / (2 * sd**2)))


def window_profile(window: Window | None, column: Tensor, row: Tensor) -> Tensor | float:
    """Lay out the factor (1, H, W) that a window puts on the contrast; 1 for none."""
    if window is None:
        return 1.0
    if window == "gaussian":
        return gaussian(column[None], row[None], gaussian_sd(len(row), len(column)))
    radius = inscribed_radius(len(row), len(column))
    distance = torch.hypot(column[None, None, :], row[None, :, None])
    return (radius + 0.5 - distance).clamp(0, 1).float()  # a pixel on the edge counts in part, so that it has no steps


def known_window(window: Window | None) -> Window | None:
    """Return a window that is known, or raise."""
    if window not in (None, *WINDOWS):
        raise ValueError(f"window is None, {' or '.join(map(repr, WINDOWS))}; {window!r} came")
    return window
