"""Calls that all processes make together."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import torch
import torch.distributed as dist

from neuroprobe.distributed.company import alone, is_first, processes
from neuroprobe.distributed.messages import exchange, in_step, is_under_way

Given = ParamSpec("Given")
Result = TypeVar("Result")

_FROM_LAUNCHER = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_MAY_DIFFER = ("device", "progress", "out", "data")  # between processes
_PLAIN = (str, int, float, bool, type(None))


@contextmanager
def session() -> Iterator[None]:
    """Join the processes that ``torchrun`` has started while a block lasts; where it has not, do nothing.

    An error of the block in one of them is raised in all.
    """
    if not dist.is_available() or dist.is_initialized() or not all(name in os.environ for name in _FROM_LAUNCHER):
        yield
        return
    if torch.cuda.is_available():  # device="cuda" then means one of its own
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    dist.init_process_group("gloo")
    try:
        with in_step("the command"):
            yield
    finally:
        dist.destroy_process_group()


def together(call: Callable[Given, Result]) -> Callable[Given, Result]:
    """Make a public call one that all processes make: they agree on its arguments first, and on its end."""

    @wraps(call)
    def shared(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        if processes()[1] == 1:
            return call(*args, **kwargs)
        with in_step(call.__name__):
            given = inspect.signature(call).bind(*args, **kwargs)
            given.apply_defaults()
            agree(f"arguments of {call.__name__}", _plain(given.arguments))
            return call(*args, **kwargs)

    return shared


def first_for_all(call: Callable[Given, Result]) -> Callable[Given, Result]:
    """Make a public call that writes one that the first process makes; the others wait and return the same."""

    @wraps(call)
    def made_once(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        with in_step(call.__name__):
            return by_first(partial(call, *args, **kwargs))

    return made_once


def by_first(make: Callable[[], Result], take: Callable[[], Result] | None = None) -> Result:
    """Let the first process make what cannot be shared; the others wait, and are given it or ``take`` it from disk."""
    if processes()[1] == 1:
        return make()
    made = None
    if is_first():
        with alone():
            made = make()
    given = exchange(made if take is None else None)
    return given[0] if take is None else made or take()


def agree(what: str, value: Any) -> None:
    """Raise a ValueError in all processes of a shared call where something is not the same in all of them.

    A function is called for the value, and only where there is something to compare it with.
    """
    if not is_under_way():
        return
    values = exchange(value() if callable(value) else value)
    other = next((rank for rank, theirs in enumerate(values) if theirs != values[0]), None)
    if other is not None:
        mine, theirs = _difference(values[0], values[other])
        raise ValueError(f"all processes must have the same {what}; process 0 has {mine}, process {other} has {theirs}")


def _difference(one: Any, other: Any) -> tuple[Any, Any]:
    """Return two values, of two mappings only what differs."""
    if not isinstance(one, Mapping):
        return one, other
    names = [name for name in one if one[name] != other.get(name)]
    return {name: one[name] for name in names}, {name: other.get(name) for name in names}


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    """Return those arguments that can be compared, and that all processes must be given alike."""
    lists = {name: value if isinstance(value, list | tuple) else [value] for name, value in given.items()}
    return {
        name: given[name]
        for name, values in lists.items()
        if name not in _MAY_DIFFER and all(isinstance(value, _PLAIN) for value in values)
    }
