"""Ctrl-C between two steps that belong together: it waits until both are done.

An exception that comes while hooks are being registered, or while modes are being put back, would leave the rest as it
is. Python delivers Ctrl-C to the main thread alone, so that is where it is held back.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done; what it raises then comes at the block's end.

    Example:
        >>> done = []
        >>> try:
        ...     with undisturbed():
        ...         signal.raise_signal(signal.SIGINT)
        ...         done.append("all")
        ... except KeyboardInterrupt:
        ...     done
        ['all']
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def entered(*contexts: AbstractContextManager[Any]) -> Iterator[None]:
    """Enter some contexts, and leave them when the block ends, with Ctrl-C held back meanwhile."""
    stack = ExitStack()
    try:
        with undisturbed():
            for context in contexts:
                stack.enter_context(context)
        yield
    finally:
        try:
            leave(stack)
        finally:
            stack.close()  # where Ctrl-C came before that began; else nothing is left to do


def leave(stack: ExitStack) -> None:
    """Leave the contexts of a stack, with Ctrl-C held back meanwhile."""
    try:
        with undisturbed():
            stack.close()
    finally:
        stack.close()  # where Ctrl-C came just before it was held back; else nothing is left to do
