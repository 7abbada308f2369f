"""Twelve images' responses, in batches of any cut, for tests of what sums them up."""

import numpy as np
import torch
from torch.testing import assert_close

from neuroprobe.reducers import Observed

IMAGES, UNITS, CLASSES, GRID = 12, 3, 4, (2, 5)


def batch(numbers):
    """Observe some of twelve images: whole numbers from 0 to 3, so with ties, and labels without class 2."""
    random = np.random.default_rng(0)
    maps = torch.from_numpy(random.integers(0, 4, (IMAGES, UNITS, *GRID)).astype(np.float32))[numbers]
    labels = torch.from_numpy(random.choice([0, 1, 3], IMAGES))[numbers]
    numbers = torch.as_tensor(numbers)
    return Observed(maps.amax((2, 3)), maps, numbers, labels, fingerprints=numbers / 7)


def whole():
    """Return all responses (images, units) as NumPy's, and the labels."""
    seen = batch(np.arange(IMAGES))
    return seen.responses.double().numpy(), seen.labels.numpy()


def fields(state):
    return [state] if isinstance(state, torch.Tensor) else [torch.as_tensor(value) for value in vars(state).values()]


def assert_same(left, right):
    for a, b in zip(fields(left), fields(right), strict=True):
        assert_close(a, b)
