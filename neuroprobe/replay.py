"""Running parts of a written-down forward pass again: all that lies downstream of a layer, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from neuroprobe.answers import logits_of
from neuroprobe.calls import function_name
from neuroprobe.folding import arguments_of, folded, is_convolution
from neuroprobe.schedule import Step, added_to_each, scheduled
from neuroprobe.tape import Operation, Size, Tape, Value, leaves, mapped

# divide by what may come near 0, where the rounding of a difference would be blown up
_DIVIDING = {
    "instance_norm", "layer_norm", "group_norm", "std", "var", "std_mean", "var_mean", "normalize", "cosine_similarity",
    "norm", "linalg_norm", "linalg_vector_norm", "rsqrt", "reciprocal", "rdiv",
}  # fmt: skip


class Changer(Protocol):
    """Holds units in the copies of a layer, one copy a trial."""

    def hold(self, layer: str, copies: Tensor) -> None:
        """Write over what is held in all copies of a layer's value, which follow one another."""

    def changes(self, layer: str, value: Tensor) -> Iterator[tuple[Sequence[int], Tensor]]:
        """Yield, copy by copy, the units held and what that adds to their maps (images, units, *grid)."""


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

    @classmethod
    def of(cls, tape: Tape, layers: Collection[str]) -> Program:
        """Make a program that gives the logits and the values of some layers."""
        wanted = {tape.output, *(tape.layers[layer] for layer in layers)}
        used = _leading_to(tape.operations, wanted)
        moving = _following(used, {tape.images}, sizes=True)
        constants: dict[int, Any] = {}
        for step in scheduled([operation for operation in used if operation not in moving], _everything(used), {}):
            step.perform(constants, 1)
        return cls(tape, tuple(folded([_with(operation, constants) for operation in moving], wanted)))

    def run(self, images: Tensor, keep: Iterable[int]) -> dict[int, Tensor]:
        """Run the whole pass; return the values to keep and the output's."""
        kept = {*keep, self.tape.output}
        return perform(scheduled(self.operations, kept, self.tape.shapes), {self.tape.images: images}, len(images))

    def logits(self, values: Mapping[int, Any]) -> Tensor:
        """Return the output (images, classes) out of a run's values."""
        return logits_of(values[self.tape.output])

    def downstream(self, layers: Iterable[str], channels_first: Collection[str] = ()) -> Downstream:
        """Return what runs again when layers are held; of some it is known that their units are channels (axis 1)."""
        values = {self.tape.layers[layer]: layer for layer in layers}
        return Downstream(self, values, frozenset(value for value, layer in values.items() if layer in channels_first))


@dataclass(frozen=True, eq=False)
class Downstream:
    """What lies downstream of some layers: the operations that run again when these are held.

    A convolution that reads a held layer is linear: only what is changed goes through it, and is added to what it
    gives for the intact network.
    """

    program: Program
    held: dict[int, str]  # value -> layer
    channels_first: frozenset[int] = frozenset()  # of these, those whose units are channels (axis 1)

    @cached_property
    def affected(self) -> list[Operation]:
        """The operations whose output changes, in order."""
        after = _following(self.program.operations, set(self.held))
        return _leading_to(after, {self.program.tape.output})

    @cached_property
    def entering(self) -> set[int]:
        """The values that come from outside: the layers' own, and what joins in from beside."""
        return self._outside(self.affected) | self._first

    @cached_property
    def leading(self) -> list[Operation]:
        """The convolutions that take the change of a held layer alone."""
        if any(map(_divides, self.affected)):
            return []
        shapes = self.program.tape.shapes
        known = {value for value in self._first & self.channels_first if shapes[value][0] == Size(1, 0)}
        return [
            operation
            for operation in self.affected
            if known.issuperset(operation.reads)
            and is_convolution(operation)
            and _takes_all_channels(operation)
            and self.held.keys().isdisjoint(operation.writes)
        ]

    @cached_property
    def operations(self) -> list[Operation]:
        """The operations that run again in whole."""
        return [operation for operation in self.affected if operation not in self.leading]

    @cached_property
    def copied(self) -> set[int]:
        """The values that each run takes copies of."""
        return self._outside(self.operations)

    @cached_property
    def shared(self) -> set[int]:
        """The values that are computed once and serve every run."""
        return self.entering | self.copied

    def run(self, shared: Mapping[int, Tensor], copies: int, images: int, changer: Changer) -> Tensor:
        """Run copies of the images through, with what the changer writes into the layers that are held.

        Returns:
            Logits (copies * images, classes).
        """
        values = {value: self._copied(value, shared[value], copies) for value in self.copied - self._led}
        for value in self._first & self.copied:
            changer.hold(self.held[value], values[value])
        for convolution in self.leading:
            read, written = convolution.reads[0], convolution.writes[0]
            changes = changer.changes(self.held[read], shared[read])
            values[written] = _with_changes(convolution, shared[written], copies, changes)

        def held_again(value: int, tensor: Tensor) -> Tensor:
            own = tensor.clone()
            changer.hold(self.held[value], own)
            return own

        later = dict.fromkeys(set(self.held) - self._first, held_again)
        return self.program.logits(perform(self._steps, values, copies * images, later))

    def logits_from(self, values: dict[int, Tensor], images: int) -> Tensor:
        """Return the logits for given values of all that enters."""
        steps = scheduled(self.affected, {self.program.tape.output}, self.program.tape.shapes)
        return self.program.logits(perform(steps, values, images))

    @cached_property
    def _first(self) -> set[int]:
        """The held values that no other held one leads to."""
        return set(self.held) - {value for operation in self.affected for value in operation.writes}

    @cached_property
    def _steps(self) -> list[Step]:
        tape = self.program.tape
        return scheduled(self.operations, {tape.output}, tape.shapes, given=self._led, looked_at=self.held)

    def _outside(self, operations: Sequence[Operation]) -> set[int]:
        """Return the values that operations take from outside, and the output where none of them makes it."""
        made = {value for operation in operations for value in operation.writes}
        read = {value for operation in operations for value in operation.reads}
        return (read | {self.program.tape.output}) - made

    @cached_property
    def _led(self) -> set[int]:
        """What the leading convolutions make."""
        return {value for operation in self.leading for value in operation.writes}

    @cached_property
    def _one_for_all(self) -> set[int]:
        """The values that need no copies."""
        return added_to_each(self._steps, self.program.tape.shapes) - set(self.held)

    def _copied(self, value: int, tensor: Tensor, copies: int) -> Tensor:
        if value in self._one_for_all or (copies == 1 and value not in self.held):
            return tensor
        axis = self.program.tape.image_axis(value)
        # cat keeps channels last, repeat does not; and a single copy is a copy
        return tensor if axis is None else torch.cat([tensor] * copies, axis)


def perform(
    steps: Iterable[Step],
    values: dict[int, Any],
    images: int,
    changed: Mapping[int, Callable[[int, Any], Any]] = {},
) -> dict[int, Any]:
    """Run steps over values, some of which are changed once they are made; return those that are left."""
    for step in steps:
        step.perform(values, images)
        for value in step.operation.writes if changed else ():
            if value in changed:
                values[value] = changed[value](value, values[value])
        for value in step.frees:
            values.pop(value, None)
    return values


def _divides(operation: Operation) -> bool:
    """Whether an operation divides by something that is computed."""
    by_tensor = any(isinstance(argument, Value) for argument in operation.arguments[1:])
    return function_name(operation.function) in _DIVIDING | ({"div", "true_divide"} if by_tensor else set())


def _takes_all_channels(convolution: Operation) -> bool:
    """Whether each output of a convolution reads every channel: it has no groups."""
    return arguments_of(convolution)[6:] in ((), (1,))  # what comes after stride, padding and dilation is groups


def _with_changes(
    convolution: Operation, intact: Tensor, copies: int, changes: Iterable[tuple[Sequence[int], Tensor]]
) -> Tensor:
    """Return copies of what a convolution gives, each with what it makes of a change in some channels of its input."""
    _, weight, _, *geometry = arguments_of(convolution)
    rows = intact.new_empty_strided((copies * len(intact), *intact.shape[1:]), intact.stride())
    for part, (units, change) in zip(rows.split(len(intact)), changes, strict=True):
        passed_on = convolution.function(_laid_out_like(intact, change), weight[:, list(units)], None, *geometry)
        torch.add(intact, passed_on, out=part)
    return rows


def _laid_out_like(intact: Tensor, change: Tensor) -> Tensor:
    """Return a change channels last where a map is, which `contiguous` cannot do for a single channel."""
    if not intact.is_contiguous(memory_format=torch.channels_last):
        return change
    _images, units, height, width = change.shape
    strides = (height * width * units, 1, width * units, units)
    return change.new_empty_strided(change.shape, strides).copy_(change)


def _with(operation: Operation, constants: Mapping[int, Any]) -> Operation:
    """Put constants in the place of values."""

    def known(leaf: Any) -> Any:
        return constants.get(leaf.number, leaf) if isinstance(leaf, Value) else leaf

    if constants.keys().isdisjoint(operation.reads):
        return operation
    arguments, named = mapped(known, (operation.arguments, operation.named))
    return replace(operation, arguments=arguments, named=named)


def _everything(operations: Iterable[Operation]) -> set[int]:
    return {value for operation in operations for value in operation.writes}


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
