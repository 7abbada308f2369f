"""The tensors in what a function or a module gives: one, or several in tuples, lists and mappings.

Those of quantised networks are read as the numbers they stand for, and put back quantised as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any

import torch
from torch import Tensor


def tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors in some values and in the lists and tuples among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def parts_of(output: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    """Yield the floating and the quantised tensors in a module's output, with the keys that lead to each."""
    if isinstance(output, Tensor):
        if output.is_floating_point() or output.is_quantized:
            yield path, output
    elif isinstance(output, Mapping):
        for key, value in output.items():
            yield from parts_of(value, (*path, key))
    elif isinstance(output, list | tuple):
        for key, value in enumerate(output):
            yield from parts_of(value, (*path, key))


def part_at(output: Any, path: tuple[Any, ...]) -> Tensor:
    """Return the tensor that the keys lead to; where it is quantised, the numbers it stands for."""
    for key in path:
        output = output[key]
    return output.dequantize() if output.is_quantized else output


def with_part(output: Any, path: tuple[Any, ...], new: Tensor) -> Any:
    """Return an output of several tensors with another one where the keys lead to."""
    if not path:
        return _quantized_as(output, new) if output.is_quantized else new
    key, *rest = path
    part = with_part(output[key], tuple(rest), new)
    if isinstance(output, Mapping):
        changed = copy(output)  # of its own class, which a network may rely on
        changed[key] = part  # type: ignore[index]
        return changed
    items = [part if place == key else item for place, item in enumerate(output)]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


def _quantized_as(old: Tensor, new: Tensor) -> Tensor:
    return torch.quantize_per_tensor(new, old.q_scale(), old.q_zero_point(), old.dtype)
