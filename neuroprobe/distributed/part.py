"""The part of the batches that falls to one process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TypeVar

from neuroprobe.adding import added
from neuroprobe.distributed.company import processes
from neuroprobe.distributed.messages import exchange

Value = TypeVar("Value")


@dataclass(frozen=True)
class Part:
    """Which of some batches fall to this process, one after the other, and how all parts are put together.

    The batches are those of a single process, so each gives what it gives there. Where there are fewer than processes,
    those without one run the first batch, and it is not counted: they take the same steps as the others.

    Example:
        >>> part = Part.of(5)
        >>> part.batches, part.pooled(7)
        (range(0, 5), 7)
    """

    batches: range
    process: int = 0
    processes: int = 1
    counts: bool = True

    @classmethod
    def of(cls, batches: int) -> Part:
        """Return the part of this process: all, where it is alone."""
        rank, size = processes()
        own = range(batches * rank // size, batches * (rank + 1) // size)
        return cls(own, rank, size) if own or size == 1 else cls(range(1), rank, size, counts=False)

    def pooled(self, value: Value) -> Value:
        """Return what all processes made of their parts, added up in the order of the data.

        Mappings and tuples are added item by item, and lists are joined.
        """
        if self.processes == 1:
            return value
        return reduce(added, [theirs for theirs, counts in exchange((value, self.counts)) if counts])


ALL = Part(range(0))  # of what is not shared: how many batches there are may not be known
