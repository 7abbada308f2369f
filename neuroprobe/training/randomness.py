"""Random numbers that depend on a seed and on what they are for, and on nothing that was drawn before."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What is drawn: streams that know nothing of each other."""

    ORDER = 0  # of an epoch's photographs
    MOVES = 1  # by which they are augmented
    NETWORK = 2  # what it draws itself, as dropout does
    HELD_OUT = 3  # photographs for validation
    CORRUPTION = 4  # of labels


def generator(purpose: Purpose, seed: int, *which: int) -> torch.Generator:
    """Return a generator that is another for each purpose, seed, and number in ``which`` (an epoch, a process)."""
    (mixed,) = np.random.SeedSequence([seed, purpose, *which]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))
