"""The share of a pixel that a polygon covers, exactly: what makes the ink of a shape the same at every angle."""

import torch
from torch import Tensor


def coverage(corners: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the share (n,) of each pixel, 0 to 1, that lies within a convex polygon of its own.

    By Green's theorem the area common to a polygon and a pixel is the sum over the polygon's edges of the pixel's area
    that lies below the edge, edges that run to the left counted as positive.

    Args:
        corners: (n, corners, 2), x and y in pixels, counter-clockwise with y up.
        x: of the pixels' centres, (n,); a pixel reaches half a pixel to each side.
        y: of the pixels' centres, (n,).

    Example:
        >>> square = torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 1.5], [0.0, 1.5]])
        >>> coverage(square.expand(3, 4, 2), torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 3.0])).tolist()
        [0.25, 1.0, 0.0]
    """
    following = corners.roll(-1, dims=1)
    below = [_area_below(corners[:, edge], following[:, edge], x, y) for edge in range(corners.shape[1])]
    return torch.stack(below).sum(0).clamp_(0, 1)


def _area_below(start: Tensor, end: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the area (n,) of each pixel below an edge from start to end, (n, 2); negative if the edge runs right."""
    (start_x, start_y), (end_x, end_y) = start.T, end.T
    run = end_x - start_x
    slope = torch.where(run != 0, (end_y - start_y) / run, 0.0)
    left, right = torch.minimum(start_x, end_x), torch.maximum(start_x, end_x)
    # where the edge passes over the pixel, and its height there above the pixel's lower side
    first, last = (torch.clamp(x + side, left, right) for side in (-0.5, 0.5))
    heights = (start_y + (place - start_x) * slope - (y - 0.5) for place in (first, last))
    return (first - last) * run.sign() * _mean_clamped(*heights)


def _mean_clamped(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean over the way from one number to another of that number clamped to [0, 1]."""
    low, high = torch.minimum(one, other), torch.maximum(one, other)
    clamped_low, clamped_high = low.clamp(0, 1), high.clamp(0, 1)
    # so written, nothing cancels: above 1 the area is high - low, the very number it is divided by
    area = (clamped_high - clamped_low) * (clamped_high + clamped_low) / 2 + (high - low.clamp_min(1)).clamp_min(0)
    return torch.where(high > low, area / (high - low), clamped_low)
