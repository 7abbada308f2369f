"""How many bytes parts of a forward pass hold at once, foreseen from its shapes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import prod

from neuroprobe.replay import Program
from neuroprobe.schedule import last_uses
from neuroprobe.tape import Operation, Size


class Footprint:
    """Bytes that the values of a program take for each image; views are counted as if they were copies."""

    def __init__(self, program: Program, bytes_a_number: int) -> None:
        self._shapes, self._bytes = program.tape.shapes, bytes_a_number

    def of(self, values: Collection[int]) -> int:
        """Return the bytes that some values take together."""
        return sum(self._one(value) for value in values)

    def peak(self, operations: Sequence[Operation], kept: Collection[int]) -> int:
        """Return the most that a run of operations holds at once, with what it keeps."""
        last = last_uses(operations)
        alive = set(kept)
        most = self.of(alive)
        for number, operation in enumerate(operations):
            alive.update(operation.writes)
            most = max(most, self.of(alive))
            alive -= {value for value in alive if last.get(value, number) <= number and value not in kept}
        return most

    def _one(self, value: int) -> int:
        lengths = (length.slope if isinstance(length, Size) else length for length in self._shapes[value])
        return prod(lengths) * self._bytes
