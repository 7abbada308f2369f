"""Reducers by name, and the states that a store can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neuroprobe.reducers.moments import ClassMoments, Moments
from neuroprobe.reducers.observation import Reducer
from neuroprobe.reducers.top_images import TopImages

STATES: dict[str, type] = {kind.__name__: kind for kind in (Moments, ClassMoments, TopImages)}
_BY_NAME: dict[str, Reducer] = {"moments": Moments.of, "class_moments": ClassMoments.of, "top_images": TopImages.of}


def named_reducers(reducers: Mapping[str, Any] | str | Sequence[str]) -> dict[str, Reducer]:
    """Return reducers by name, from a mapping or from names of our own.

    Raises:
        ValueError: if a name is none of ours; TypeError: if a value is not a function of ``Observed``.
    """
    if not isinstance(reducers, Mapping):
        names = [reducers] if isinstance(reducers, str) else list(reducers)
        unknown = [name for name in names if name not in _BY_NAME]
        if unknown or not names:
            raise ValueError(f"reducers has {unknown}; by name there are {', '.join(_BY_NAME)}, else give a mapping")
        return {name: _BY_NAME[name] for name in names}
    if not reducers:
        raise ValueError("reducers is empty: name at least one, or None to keep every response")
    return {name: _callable(name, reducer) for name, reducer in reducers.items()}


def _callable(name: str, reducer: Any) -> Reducer:
    reducer = _BY_NAME.get(reducer, reducer) if isinstance(reducer, str) else getattr(reducer, "of", reducer)
    if not callable(reducer):
        raise TypeError(f"reducer {name!r} must be a function from Observed to a value with +; {reducer!r} came")
    return reducer
