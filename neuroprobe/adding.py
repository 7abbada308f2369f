"""Sums of what holds sums: mappings and tuples item by item, objects attribute by attribute."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, TypeVar

Held = TypeVar("Held")


def added(one: Any, other: Any) -> Any:
    """Add two values, or two mappings or tuples item by item; lists are joined.

    Example:
        >>> added(({"relu1": 3}, [0, 1]), ({"relu1": 4}, [2]))
        ({'relu1': 7}, [0, 1, 2])
    """
    if isinstance(one, tuple):
        return tuple(map(added, one, other))
    if isinstance(one, Mapping):
        return {key: added(value, other[key]) for key, value in one.items()}
    return one + other


def with_added(one: Held, other: Held, *attributes: str) -> Held:
    """Return a copy of an object to some attributes of which another's are added."""
    both = copy(one)
    for name in attributes:
        setattr(both, name, added(getattr(one, name), getattr(other, name)))
    return both
