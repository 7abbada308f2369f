"""The tensors in what a module gives: one, or several in tuples, lists and mappings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

from torch import Tensor


def parts_of(output: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    """Yield the floating tensors in a module's output, with the keys that lead to each."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield path, output
    elif isinstance(output, Mapping):
        for key, value in output.items():
            yield from parts_of(value, (*path, key))
    elif isinstance(output, list | tuple):
        for key, value in enumerate(output):
            yield from parts_of(value, (*path, key))


def part_at(output: Any, path: tuple[Any, ...]) -> Tensor:
    """Return the tensor that the keys lead to."""
    for key in path:
        output = output[key]
    return output


def with_part(output: Any, path: tuple[Any, ...], new: Tensor) -> Any:
    """Return an output of several tensors with another one where the keys lead to."""
    if not path:
        return new
    key, *rest = path
    part = with_part(output[key], tuple(rest), new)
    if isinstance(output, Mapping):
        changed = copy(output)  # of its own class, which a network may rely on
        changed[key] = part  # type: ignore[index]
        return changed
    items = [part if place == key else item for place, item in enumerate(output)]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
