"""What an unfinished store says of itself: how far it has come, and what it is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = "unfinished"  # in the store
MANIFEST = "neuroprobe.json"
FORMAT = 1  # raise it when an older neuroprobe could not go on with what this one leaves


@dataclass(frozen=True)
class Progress:
    """How far a measurement has come: what its manifest holds, in values that JSON can hold."""

    identity: Mapping[str, Any]  # what the measurement is made from
    versions: Mapping[str, str]
    total: int | None  # images, where that is known
    images: int = 0
    batches: int = 0
    stream: str = ""  # digest of what a stream has shown so far
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the measurement notes for itself
    format: int = FORMAT

    def __str__(self) -> str:
        return f"{self.images:,} of {self.total:,} images" if self.total else f"{self.images:,} images"


def progress_at(place: Path) -> Progress | None:
    """Return how far the measurement at a place has come; None where no unfinished one lies."""
    try:
        manifest = json.loads((place / FOLDER / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    if manifest["format"] != FORMAT:
        begun = f"{place} was begun by neuroprobe {manifest['versions']['neuroprobe']}"
        raise ValueError(f"{begun}, whose unfinished stores this one does not read: go on with that one")
    return Progress(**manifest)
