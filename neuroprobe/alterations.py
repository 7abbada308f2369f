"""What changes the numbers of a network from outside, for those who must tell two recordings of it apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from torch import nn

_ALTERED: WeakKeyDictionary[nn.Module, list[Any]] = WeakKeyDictionary()


@contextmanager
def altered(model: nn.Module, how: Any) -> Iterator[None]:
    """Note, while a block lasts, how what a model computes is changed.

    Example:
        >>> model = nn.ReLU()
        >>> with altered(model, "unit 3 at zero"):
        ...     alterations(model)
        ['unit 3 at zero']
        >>> alterations(model)
        []
    """
    _ALTERED[model] = [*alterations(model), how]
    try:
        yield
    finally:
        _ALTERED[model] = [other for other in alterations(model) if other is not how]


def alterations(model: nn.Module) -> list[Any]:
    """Return how what a model computes is changed."""
    return _ALTERED.get(model, [])
