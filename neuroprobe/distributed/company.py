"""Which processes there are, and which one this is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch.distributed as dist

_alone = ContextVar("alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Measure in this process alone while a block lasts, though there are others: they need not make the same call.

    Example:
        >>> with alone():
        ...     processes()
        (0, 1)
    """
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def processes() -> tuple[int, int]:
    """Return the number of this process, from 0, and how many there are: (0, 1) where it is alone."""
    if _alone.get() or not dist.is_available() or not dist.is_initialized():
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def is_first() -> bool:
    """Whether this is the process that writes, draws and prints."""
    return processes()[0] == 0
