"""What is wrong with images and labels, said before a network sees them."""

from __future__ import annotations

from math import isfinite
from typing import Any

import torch
from torch import Tensor

_RANGE_SLACK = 1e-4  # resizing and decoding may overshoot [0, 1] by rounding
_MOST_CLASSES = 2**20  # what is summed by class takes memory for every one of them


def check_images(images: Tensor, *, any_range: bool, first: int = 0) -> None:
    """Raise a ValueError that says what is wrong with a batch of images, if anything is."""
    check_axes(images)
    if not images.is_floating_point():
        raise ValueError(f"images must be floating, in [0, 1]; {images.dtype} came: divide by 255 if they count to 255")
    if not images.numel():
        return
    lowest, highest = map(float, torch.aminmax(images))  # one pass over the pixels; NaN comes through as NaN
    if not isfinite(lowest) or not isfinite(highest):
        bad = ~torch.isfinite(images).flatten(1).all(1)
        number = first + int(bad.nonzero()[0])
        raise ValueError(
            f"images must be finite; image {number} has NaN or infinite values ({int(bad.sum())} in its batch)"
        )
    if not any_range and (lowest < -_RANGE_SLACK or highest > 1 + _RANGE_SLACK):
        raise ValueError(
            f"images must be in [0, 1] to be normalised; values from {lowest:.3g} to {highest:.3g} came: scale them, "
            "or pass preprocess=None if they are normalised already"
        )


def check_axes(images: Any) -> None:
    """Raise a ValueError where images are no tensor (N, C, H, W)."""
    if not isinstance(images, Tensor) or images.ndim != 4:
        came = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        alone = ": of a single image give image[None]" if isinstance(images, Tensor) and images.ndim == 3 else ""
        raise ValueError(f"images must be a tensor (N, C, H, W); {came} came{alone}")


def checked_labels(labels: Any, count: int) -> Tensor:
    """Return labels as class indices, one an image, or raise a ValueError that says what is wrong with them."""
    try:
        labels = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"labels must be class indices, whole numbers from 0; {labels!r:.60} came") from error
    if labels.ndim != 1 or len(labels) != count:
        raise ValueError(f"labels must be one class index an image: {count} images, labels {tuple(labels.shape)} came")
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f"labels must be class indices, whole numbers from 0; {labels.dtype} came")
    labels = labels.long()  # what counts without a sign has no minimum in torch
    if len(labels) and labels.min() < 0:
        raise ValueError(f"labels must be class indices from 0; {int(labels.min())} came")
    if len(labels) and labels.max() >= _MOST_CLASSES:
        largest = f"{int(labels.max()):,}"
        raise ValueError(f"labels must be class indices below {_MOST_CLASSES:,}; {largest} came: number them from 0")
    return labels
