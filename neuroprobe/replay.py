"""Running parts of a written-down forward pass again: all that lies downstream of a layer, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from neuroprobe.answers import logits_of
from neuroprobe.folding import folded
from neuroprobe.tape import Operation, Size, Tape, Value, leaves, mapped

Hold = Callable[[str, Tensor], None]  # told a layer and a copy of its value to write into


@dataclass(frozen=True, eq=False)
class Program:
    """The operations that lead from images to logits, with those that need no image done beforehand.

    Example:
        >>> import torch, neuroprobe
        >>> from neuroprobe.tape import write_down
        >>> model = neuroprobe.load_network("cnn7").eval()
        >>> images = torch.rand(4, 3, 32, 32)
        >>> with torch.no_grad():
        ...     program = Program.of(write_down(model, images, []), [])
        ...     logits = program.logits(program.run(images, []))
        >>> torch.allclose(logits, model(images), atol=1e-4)
        True
    """

    tape: Tape
    operations: tuple[Operation, ...]
    constants: dict[int, Any]

    @classmethod
    def of(cls, tape: Tape, layers: Collection[str]) -> Program:
        """Make a program that gives the logits and the values of some layers."""
        wanted = {tape.output, *(tape.layers[layer] for layer in layers)}
        used = _leading_to(tape.operations, wanted)
        fixed = [operation for operation in used if operation not in _following(used, {tape.images}, sizes=True)]
        constants: dict[int, Any] = {}
        for operation in fixed:
            _perform(operation, constants, 1)
        moving = [operation for operation in used if operation not in fixed]
        return cls(tape, tuple(folded(moving, wanted)), constants)

    def run(self, images: Tensor, keep: Iterable[int]) -> dict[int, Tensor]:
        """Run the whole pass; return the values to keep and the output's."""
        kept = {*keep, self.tape.output}
        return self._run(self.operations, {self.tape.images: images}, len(images), kept)

    def logits(self, values: Mapping[int, Any]) -> Tensor:
        """Return the output (images, classes) out of a run's values."""
        return logits_of(values[self.tape.output])

    def downstream(self, layers: Iterable[str]) -> Downstream:
        """Return what runs again when layers are held."""
        return Downstream(self, {self.tape.layers[layer]: layer for layer in layers})

    def _run(
        self,
        operations: Iterable[Operation],
        values: dict[int, Any],
        images: int,
        kept: Collection[int],
        hold: Callable[[int, Any], Any] | None = None,
    ) -> dict[int, Any]:
        last = last_uses(operations)
        for number, operation in enumerate(operations):
            _perform(operation, values, images, self.constants)
            for value in operation.writes if hold else ():
                values[value] = hold(value, values[value])  # type: ignore[misc]
            for value in {*operation.reads, *operation.writes}:
                if last.get(value, number) == number and value not in kept:
                    values.pop(value, None)  # memory is given back as soon as nothing reads it any more
        return values


@dataclass(frozen=True, eq=False)
class Downstream:
    """What lies downstream of some layers: the operations that run again when these are held."""

    program: Program
    held: dict[int, str]  # value -> layer

    @cached_property
    def operations(self) -> list[Operation]:
        """The operations that run again, in order."""
        after = _following(self.program.operations, set(self.held))
        return _leading_to(after, {self.program.tape.output})

    @cached_property
    def shared(self) -> set[int]:
        """The values that are computed once and read by every run: the layers' own, and what joins in from beside."""
        made = {value for operation in self.operations for value in operation.writes}
        read = {value for operation in self.operations for value in operation.reads}
        first = set(self.held) - made
        ends = {self.program.tape.output} - made  # a layer may be the output, or lead nowhere
        return (read - made - set(self.program.constants)) | first | ends

    def run(self, shared: Mapping[int, Tensor], copies: int, images: int, hold: Hold) -> Tensor:
        """Run copies of the images through, with what ``hold`` writes into the layers that are held.

        Returns:
            Logits (copies * images, classes).
        """
        values = {value: self._copied(value, shared[value], copies) for value in self.shared}
        for value in set(self.held) & self.shared:
            hold(self.held[value], values[value])

        def held_again(value: int, tensor: Any) -> Any:
            if value not in self.held:
                return tensor
            own = tensor.clone()
            hold(self.held[value], own)
            return own

        kept = {self.program.tape.output}
        values = self.program._run(self.operations, values, copies * images, kept, held_again)  # noqa: SLF001
        return self.program.logits(values)

    def _copied(self, value: int, tensor: Tensor, copies: int) -> Tensor:
        axis = self.program.tape.image_axis(value) if copies > 1 or value in self.held else None
        # cat keeps channels last, repeat does not; and a single copy is a copy
        return tensor if axis is None else torch.cat([tensor] * copies, axis)


def _perform(operation: Operation, values: dict[int, Any], images: int, constants: Mapping[int, Any] = {}) -> None:
    def actual(leaf: Any) -> Any:
        if isinstance(leaf, Value):
            return values[leaf.number] if leaf.number in values else constants[leaf.number]
        return leaf.at(images) if isinstance(leaf, Size) else leaf

    output = operation.function(*mapped(actual, operation.arguments), **mapped(actual, operation.named))

    def put(place: Any, tensor: Any) -> None:
        if isinstance(place, Value):
            values[place.number] = tensor

    mapped(put, operation.output, output)


def _following(operations: Iterable[Operation], values: set[int], *, sizes: bool = False) -> list[Operation]:
    """Return the operations that depend on some values (or on the number of images)."""
    reached, found = set(values), []
    for operation in operations:
        counts = sizes and any(isinstance(leaf, Size) for leaf in leaves((operation.arguments, operation.named)))
        if counts or not reached.isdisjoint(operation.reads):
            reached.update(operation.writes)
            found.append(operation)
    return found


def _leading_to(operations: Iterable[Operation], values: set[int]) -> list[Operation]:
    """Return the operations that some values depend on."""
    needed, found = set(values), []
    for operation in reversed(list(operations)):
        if not needed.isdisjoint(operation.writes):
            needed.update(operation.reads)
            found.append(operation)
    return found[::-1]


def last_uses(operations: Iterable[Operation]) -> dict[int, int]:
    """Return the number of the operation that is the last to read each value."""
    return {value: number for number, operation in enumerate(operations) for value in operation.reads}
