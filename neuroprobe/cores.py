"""Work shared out over the processor's cores, each piece on a core of its own.

Where several cores share one small convolution they mostly wait for one another: as many pieces at a time as there are
cores are done sooner than one after the other on all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

from neuroprobe.interrupts import undisturbed

_MOST_AT_ONCE = 8  # Python runs one thread at a time, and more would wait for it: then each piece has several cores
W = TypeVar("W")
R = TypeVar("R")


def cores_of(device: torch.device) -> int:
    """Return how many pieces of work a device does best at once: on a CPU one a thread of torch's, up to a bound."""
    return min(torch.get_num_threads(), _MOST_AT_ONCE) if device.type == "cpu" else 1


@contextmanager
def shared_out(do: Callable[[W], R], work: Iterable[W], at_once: int, waiting: int = 0) -> Iterator[Iterator[R]]:
    """Yield what ``do`` makes of each piece of work, in order; so many are under way at once.

    The work is drawn, and what comes of it is used, in the caller's thread; errors come up there too. Pieces that are
    ``waiting`` keep a core from waiting for the caller, and take memory.

    Example:
        >>> with shared_out(lambda number: number**2, range(4), at_once=2) as squares:
        ...     list(squares)
        [0, 1, 4, 9]
    """
    if at_once < 2:
        yield map(do, work)
        return
    threads = torch.get_num_threads()
    each = max(1, threads // at_once)
    pool = ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(each,))
    try:
        torch.set_num_threads(each)  # here too: what draws the work would get in the way of those who do it
        yield _in_order(pool, _as_here(do), work, at_once + waiting)
    finally:
        with undisturbed():
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)


def _in_order(pool: ThreadPoolExecutor, do: Callable[[W], R], work: Iterable[W], most: int) -> Iterator[R]:
    under_way: deque[Future[R]] = deque()
    for piece in work:
        under_way.append(pool.submit(do, piece))
        if len(under_way) >= most:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _as_here(do: Callable[[W], R]) -> Callable[[W], R]:
    """Return a function that runs with gradients and precision as here: a thread begins with torch's defaults."""
    gradients = torch.is_grad_enabled()
    dtype, enabled = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")

    def doing(piece: W) -> R:
        with torch.set_grad_enabled(gradients), torch.autocast("cpu", dtype=dtype, enabled=enabled):
            return do(piece)

    return doing
