"""What any result can do, whatever its tables: stay as it is, travel, be saved, show itself in Jupyter."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import fields
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from neuroprobe import store
from neuroprobe.packing import Contents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure


class ByLayer(dict[str, Any]):
    """Layer -> what was found of it; for a layer that is not there the error names the nearest."""

    def __missing__(self, layer: str) -> Any:
        from neuroprobe.addresses import unknown_layer

        raise unknown_layer(str(layer), list(self), of_network=False)


class Travels:
    """A frozen dataclass that goes between processes and through ``copy``: read-only mappings cannot, so as dicts."""

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """Give what it is made anew from."""
        return type(self), tuple(_thawed(getattr(self, part.name)) for part in fields(self))  # type: ignore[arg-type]


class Saved(Travels, ABC):
    """The side of a result that has nothing to do with what was measured; its subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "saved"

    curves: Mapping[str, Any]  # layer -> labelled array
    meta: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Make the mappings read-only."""
        object.__setattr__(self, "curves", MappingProxyType(ByLayer(self.curves)))
        object.__setattr__(self, "meta", MappingProxyType(_as_json(self.meta)))

    @property
    @abstractmethod
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name, the main one first."""

    @abstractmethod
    def summary(self) -> pd.DataFrame:
        """Sum up each layer."""

    @abstractmethod
    def plot(self) -> Figure:
        """Draw what was found."""

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Save to one Zarr store, whole or not at all; :func:`load` reads it back."""
        return store.write(self.to_contents(), path, overwrite=overwrite)

    def to_contents(self) -> Contents:
        """Lay out what the store is to hold; a subclass with more fields adds them."""
        return Contents(self.kind, dict(self.meta), self.tables, dict(self.curves))

    @classmethod
    @abstractmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""

    def _repr_html_(self) -> str:
        """Show the summary and a small picture in Jupyter."""
        table = self.summary().to_html(float_format="{:.3g}".format, border=0)
        scroll = f'<div style="max-height: 24em; overflow: auto">{table}</div>'
        return f"<p>{escape(repr(self))}</p>{scroll}{self._picture()}"

    def _picture(self) -> str:
        """Draw a small picture as an <img>; empty where there is nothing to draw."""
        return ""


def _thawed(value: Any) -> Any:
    """Turn read-only mappings, nested ones too, into dicts."""
    return {key: _thawed(item) for key, item in value.items()} if isinstance(value, MappingProxyType) else value


def _as_json(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Copy provenance through JSON, so that it is the same before and after the disk."""
    return json.loads(json.dumps(dict(meta), default=_plain))


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers and arrays into Python's; anything else is no provenance."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(
        f"meta must hold what JSON can (words, numbers, lists, dicts); {type(value).__name__} came: {value!r}"
    )
