"""The result of a recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from neuroprobe.packing import Contents
from neuroprobe.results.base import Result, known_layer
from neuroprobe.results.saved import ByLayer
from neuroprobe.shards import shard_by_shard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuroprobe.reducers import TopImages


@dataclass(frozen=True, eq=False, repr=False)
class Recording(Result):
    """What :func:`neuroprobe.record` kept: responses to every image, or statistics of them.

    ``curves[layer]`` is (image, unit), with (y, x) or (token) after it where whole maps were kept. Once loaded it
    stays on disk: take the units or the images that are wanted, as ``curves[layer].sel(unit=3)``.

    Attributes:
        reduced: Reducer -> layer -> state, a frozen dataclass listed in ``reducers.STATES``.
    """

    kind: ClassVar[str] = "recording"
    headline: ClassVar[str] = "mean"

    reduced: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        states = {name: MappingProxyType(ByLayer(by_layer)) for name, by_layer in self.reduced.items()}
        object.__setattr__(self, "reduced", MappingProxyType(states))

    def top_images(self, layer: str) -> TopImages:
        """Return the images that drive a layer's units most: as they were reduced, else out of all responses.

        Raises:
            ValueError: if neither was recorded.
        """
        from neuroprobe.reducers import TopImages, observed

        known_layer(layer, self.layer_names)
        for by_layer in self.reduced.values():
            if isinstance(state := by_layer.get(layer), TopImages):
                return state
        if layer in self.curves and self.curves[layer].ndim == 2:
            parts = shard_by_shard(self.curves[layer])
            return reduce(add, (TopImages.of(observed(rows, first=start)) for start, rows in parts))
        raise ValueError(
            f"this recording holds {', '.join(self.reduced) or 'whole maps'} and no top images: record them, as in "
            'neuroprobe.record(model, data, reducers=["top_images"])'
        )

    @property
    def fingerprints(self) -> dict[int, float]:
        """What some images are known again by, by their number: top images, or a few where all responses were kept."""
        from neuroprobe.reducers import TopImages

        known = {int(number): fingerprint for number, fingerprint in self.meta.get("fingerprints", {}).items()}
        for state in (state for by_layer in self.reduced.values() for state in by_layer.values()):
            known |= state.known if isinstance(state, TopImages) else {}
        return known

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
