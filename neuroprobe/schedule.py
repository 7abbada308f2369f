"""Operations made ready to run: what each may write over, and what is let go of after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from neuroprobe.calls import function_name
from neuroprobe.fusing import fused
from neuroprobe.tape import Operation, Size, Value, leaves, mapped

# their output is memory of its own, never a view of an input
_FRESH = {
    "conv1d", "conv2d", "conv3d", "linear", "batch_norm", "layer_norm", "group_norm", "add", "mul",
    "relu", "relu6", "rectified_conv2d", "hardtanh", "silu", "hardswish", "gelu", "leaky_relu", "elu",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Step:
    """An operation, and the values that nothing needs any more after it."""

    operation: Operation
    frees: tuple[int, ...]

    def perform(self, values: dict[int, Any], images: int) -> None:
        """Take what the operation reads out of the values, and put what it gives there."""

        def actual(leaf: Any) -> Any:
            if isinstance(leaf, Value):
                return values[leaf.number]
            return leaf.at(images) if isinstance(leaf, Size) else leaf

        moving, named = self._moving
        arguments = list(self.operation.arguments)
        for place in moving:
            arguments[place] = mapped(actual, arguments[place])
        output = self.operation.function(*arguments, **(mapped(actual, named) if named else self.operation.named))
        if isinstance(self.operation.output, Value):
            values[self.operation.output.number] = output
        else:
            values.update(_numbered(self.operation.output, output))

    @cached_property
    def _moving(self) -> tuple[list[int], dict[str, Any]]:
        """Return the places of arguments that differ from run to run, and the named ones if any of them does."""
        operation = self.operation
        places = [place for place, argument in enumerate(operation.arguments) if _moves(argument)]
        return places, operation.named if _moves(operation.named) else {}


def scheduled(
    operations: Sequence[Operation],
    kept: Collection[int],
    shapes: Mapping[int, tuple[int | Size, ...]],
    given: Collection[int] = (),
    looked_at: Collection[int] = (),
) -> list[Step]:
    """Make operations ready for a run whose values are let go of after their last use, but for those kept.

    What is ``given`` from outside for this run alone may be written over too; what is ``looked_at`` is made.
    """
    operations = fused(operations, {*kept, *looked_at}, shapes)
    last = last_uses(operations)
    readers = Counter(value for operation in operations for value in operation.reads)
    fresh = {*given, *(value for operation in operations if _is_fresh(operation) for value in operation.writes)}
    spare = {value for value in fresh if readers[value] == 1 and value not in kept}
    return [
        Step(
            _over(operation, spare, shapes),
            tuple({v for v in operation.reads + operation.writes if last.get(v, number) == number} - set(kept)),
        )
        for number, operation in enumerate(operations)
    ]


def last_uses(operations: Sequence[Operation]) -> dict[int, int]:
    """Return the number of the operation that is the last to read each value."""
    return {value: number for number, operation in enumerate(operations) for value in operation.reads}


def added_to_each(steps: Sequence[Step], shapes: Mapping[int, Any]) -> set[int]:
    """Return the values that steps only add to others of their shape: one copy of them does for many of those."""
    joining = [step.operation for step in steps if step.operation.function is _added]
    added = {other.number for _, other in (operation.arguments for operation in joining) if isinstance(other, Value)}
    used_otherwise = {
        value
        for operation in (step.operation for step in steps)
        for value in operation.reads
        if operation not in joining
        or operation.arguments[0] == Value(value)
        or shapes[value] != shapes[operation.writes[0]]
    }
    return added - used_otherwise


def _is_fresh(operation: Operation) -> bool:
    return function_name(operation.function) in _FRESH


def _moves(nested: Any) -> bool:
    return any(isinstance(leaf, Value | Size) for leaf in leaves(nested))


def _over(operation: Operation, spare: Collection[int], shapes: Mapping[int, Any]) -> Operation:
    """Return the operation in the form that writes over an input nothing else reads, where there is one."""
    given, name = operation.arguments, function_name(operation.function)
    place = next((at for at, leaf in enumerate(given[:2]) if isinstance(leaf, Value) and leaf.number in spare), None)
    if place is None or shapes.get(given[place].number) != shapes.get(operation.writes[0]):
        return operation
    if place == 0 and operation.named.get("inplace") is False:
        return replace(operation, named=operation.named | {"inplace": True})
    if name in _JOINED and len(given) == 2 and not operation.named:
        return replace(operation, function=_JOINED[name], arguments=(given[place], given[1 - place]))
    return operation


def _added(over: Tensor, other: Any) -> Tensor:
    if isinstance(other, Tensor) and other.ndim == over.ndim and len(other) < len(over):
        return _added(over.unflatten(0, (-1, len(other))), other).view_as(over)  # the same is added to each copy
    return over.add_(other) if torch.result_type(over, other) == over.dtype else over + other


def _multiplied(over: Tensor, other: Any) -> Tensor:
    return over.mul_(other) if torch.result_type(over, other) == over.dtype else over * other


def _numbered(places: Any, output: Any) -> dict[int, Any]:
    """Return what an operation of several outputs gave, by number."""
    values: dict[int, Any] = {}

    def put(place: Any, tensor: Any) -> None:
        if isinstance(place, Value):
            values[place.number] = tensor

    mapped(put, places, output)
    return values


_JOINED = {"add": _added, "mul": _multiplied}
