"""The result of a recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from neuroprobe.packing import Contents
from neuroprobe.results.base import Result

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, eq=False, repr=False)
class Recording(Result):
    """What :func:`neuroprobe.record` kept: responses to every image, or statistics of them.

    ``curves[layer]`` is (image, unit), with (y, x) or (token) after it where whole maps were kept.

    Attributes:
        reduced: Reducer -> layer -> state, a frozen dataclass listed in ``reducers.STATES``.
    """

    kind: ClassVar[str] = "recording"
    headline: ClassVar[str] = "mean"

    reduced: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        states = {name: MappingProxyType(dict(by_layer)) for name, by_layer in self.reduced.items()}
        object.__setattr__(self, "reduced", MappingProxyType(states))

    def to_contents(self) -> Contents:
        """Add the states to what every result holds."""
        base = super().to_contents()
        states = {name: dict(by_layer) for name, by_layer in self.reduced.items()}
        return Contents(base.kind, base.meta, base.tables, base.curves, states)

    @classmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""
        tables = contents.tables
        return cls(tables["units"], contents.curves, contents.meta, tables.get("control"), contents.states)
