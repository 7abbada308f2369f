"""What each column of the unit tables is called on the page, in which unit, and what it means: catalogue.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Entry:
    """How a column is shown."""

    label: str
    meaning: str
    unit: str = ""
    domain: list[float] | None = None  # None: as far as the numbers go
    scale: str = "linear"  # or log, symlog, cyclic
    shown: bool = False  # in the table from the start


def entry(kind: str, column: str) -> Entry:
    """Return how a column is shown; one that is not known, of a user's own index, goes by its name.

    Example:
        >>> entry("orientation", "bandwidth").unit, entry("orientation", "my_index").label
        ('deg', 'my index')
    """
    known = _catalogue()["columns"].get(kind, {}).get(column)
    if known is None:
        return Entry(column.replace("_", " "), f"Column {column} of the {kind} result", shown=True)
    return Entry(**known)


def place(kind: str) -> int:
    """Return where on the page a kind of result comes; one that is not known comes last."""
    known = list(_catalogue()["titles"])
    return known.index(kind) if kind in known else len(known)


def title(kind: str) -> str:
    """Return what a kind of result is called."""
    return str(_catalogue()["titles"].get(kind, kind.replace("_", " ").capitalize()))


@cache
def _catalogue() -> dict[str, Any]:
    return tomllib.loads(files("neuroprobe.page").joinpath("catalogue.toml").read_text(encoding="utf-8"))
