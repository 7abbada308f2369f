"""Reducers by name, and the states that a store can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypeVar

from neuroprobe.reducers.covariance import Covariance
from neuroprobe.reducers.landmarks import Landmarks
from neuroprobe.reducers.moments import ClassMoments, Moments
from neuroprobe.reducers.observation import Reducer
from neuroprobe.reducers.quantiles import Quantiles
from neuroprobe.reducers.top_images import TopImages

State = TypeVar("State")
_BY_NAME: dict[str, Reducer] = {
    "moments": Moments.of,
    "class_moments": ClassMoments.of,
    "top_images": TopImages.of,
    "quantiles": Quantiles.of,
    "covariance": Covariance.of,
}
_STATES = (Moments, ClassMoments, TopImages, Quantiles, Covariance, Landmarks)
STATES: dict[str, type] = {kind.__name__: kind for kind in _STATES}


def savable(kind: type[State]) -> type[State]:
    """Let a reducer's state of one's own be saved and loaded with a recording: a decorator of its class.

    The class must be a dataclass whose fields are tensors, and numbers and words for the rest. A store names it and
    holds no code: whoever loads the store must have imported the class.

    Example:
        >>> from dataclasses import dataclass
        >>> @savable
        ... @dataclass(frozen=True, eq=False)
        ... class ActiveShare:
        ...     images: int

    Raises:
        TypeError: if it is no dataclass; ValueError: if another class bears the name.
    """
    if not is_dataclass(kind):
        raise TypeError(f"a state that is to be saved must be a dataclass; {kind.__name__} is none")
    known = STATES.setdefault(kind.__name__, kind)
    if (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ValueError(f"there is a state {kind.__name__} already, of {known.__module__}: choose another name")
    STATES[kind.__name__] = kind  # of a cell of a notebook that is run again, the newer one
    return kind


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
