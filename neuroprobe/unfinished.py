"""What an unfinished store says of itself: how far it has come, and what it is made from."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

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
    file = place / FOLDER / MANIFEST
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    with damage_named(file):
        manifest = json.loads(content)
        by, layout = manifest["versions"]["neuroprobe"], manifest["format"]
    if layout != FORMAT:
        raise ValueError(
            f"{place} was begun by neuroprobe {by}, whose unfinished stores this one does not read: go on with that one"
        )
    with damage_named(file):
        return Progress(**manifest)


@contextmanager
def damage_named(file: Path) -> Iterator[None]:
    """Say which file of an unfinished store it is that cannot be read."""
    try:
        yield
    except (ValueError, LookupError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise damaged(file, f"{type(error).__name__}: {error}") from error


def damaged(file: Path, why: str) -> ValueError:
    """Make the error for a file of an unfinished store that is not as it was written."""
    return ValueError(f"{file} is damaged: {why}; remove the store that it lies in, and the same call begins anew")
