"""Notes on tensors: found by which tensor it is, not by what it holds, and let go of with it."""

from __future__ import annotations

from typing import Any, Generic, TypeVar
from weakref import ReferenceType, ref

from torch import Tensor

Note = TypeVar("Note")


class ByTensor(Generic[Note]):
    """A note on each of some tensors, for as long as the tensor lives.

    It does what ``torch.utils.weak.WeakIdKeyDictionary`` does, in a fraction of the time: passes over a small network
    that are followed ask it more often than they compute.

    Example:
        >>> import torch
        >>> notes, one = ByTensor(), torch.zeros(2)
        >>> notes[one] = "first"
        >>> notes.get(one), notes.get(torch.zeros(2)), one in notes
        ('first', None, True)
    """

    def __init__(self) -> None:
        self._notes: dict[int, tuple[ReferenceType[Tensor], Note]] = {}

    def __setitem__(self, tensor: Tensor, note: Note) -> None:
        notes, key = self._notes, id(tensor)
        notes[key] = ref(tensor, lambda _: notes.pop(key)), note

    def __getitem__(self, tensor: Tensor) -> Note:
        return self._notes[id(tensor)][1]

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._notes

    def get(self, tensor: Tensor, otherwise: Any = None) -> Any:
        """Return the note on a tensor, something else where there is none."""
        entry = self._notes.get(id(tensor))
        return otherwise if entry is None else entry[1]
