"""A number for each image, by which it is known again.

No checksum: an image that another computer decodes or draws anew may differ in the last bit and is still the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, from_numpy

if TYPE_CHECKING:
    from neuroprobe.data import Batch

_SAME = 1e-4  # of an image's norm; what differs in more than rounding lies within by chance once in a thousand


def fingerprints(images: Tensor) -> Tensor:
    """Return for each image the sum of its pixels, each times a fixed random number of its own: (images,), on the CPU.

    Example:
        >>> import torch
        >>> images = torch.eye(3).reshape(3, 1, 1, 3)
        >>> [is_known(image, number) for image, number in zip(images, fingerprints(images).tolist())]
        [True, True, True]
        >>> is_known(images[0], float(fingerprints(images)[1]))
        False
    """
    pixels = images.detach().flatten(1).cpu().double().numpy()  # NumPy's product: autocast would round torch's
    return from_numpy(pixels @ _weights(pixels.shape[1]))


def fingerprinted(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches with the fingerprints of their images."""
    for batch in batches:
        yield replace(batch, fingerprints=fingerprints(batch.images))


def is_known(image: Tensor, fingerprint: float) -> bool:
    """Whether an image (C, H, W) is the one that had a fingerprint."""
    off = abs(float(fingerprints(image[None])) - fingerprint)
    return off <= _SAME * float(image.double().norm())


def are_landmarks(numbers: Tensor) -> Tensor:
    """Tell of images, by number, whether data are known again by them: 0, 1, 2, 4, 8, ..., few of however many."""
    return (numbers & (numbers - 1)) == 0


@lru_cache(maxsize=4)
def _weights(pixels: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(pixels, np.float32) - np.float32(0.5)
