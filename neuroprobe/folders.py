"""Folders and files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from uuid import uuid4

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ADVICE = "make room, or choose another place"
_LAST_WRITES = 0.1  # seconds in which a write that is under way ends
_ATTEMPTS = 5  # then the folder cannot be removed at all
_NEW = ".new"  # ends the name of a file that is being written


@contextmanager
def moved_when_whole(place: Path) -> Iterator[Path]:
    """Yield a folder beside ``place`` that takes its place after the block, or is gone if anything failed.

    What was there before goes only once the new folder has arrived.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (place.with_name(f".{place.name}.{uuid4().hex[:8]}.{what}") for what in ("partial", "old"))
    try:
        yield partial
        if place.exists():
            place.rename(old)
        partial.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        if old.exists() and not place.exists():
            old.rename(place)
        _remove_for_good(partial)
        if isinstance(error, OSError) and error.errno in _NO_ROOM and _ADVICE not in str(error):
            raise OSError(error.errno, f"{error.strerror}: {_ADVICE}", str(place)) from error
        raise
    finally:
        if place.exists():  # Ctrl-C may have come while the old one was being removed
            shutil.rmtree(old, ignore_errors=True)


def _remove_for_good(folder: Path) -> None:
    """Remove a folder to which Zarr's own thread may still be writing what Ctrl-C cut short."""
    for _ in range(_ATTEMPTS):
        sleep(_LAST_WRITES)
        if not folder.exists():
            return
        shutil.rmtree(folder, ignore_errors=True)


def write_whole(place: Path, content: bytes | memoryview) -> None:
    """Write a file that is there whole or not at all, whatever ends the process or the machine; it may replace one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(place.name + _NEW)
    try:
        with new.open("wb") as file:
            file.write(content)
        move_whole(new, place)
    except OSError:
        new.unlink(missing_ok=True)  # a full disk needs the room
        raise


def move_whole(file: Path, place: Path) -> None:
    """Move a file to its place once it is on the disk for good."""
    sync(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    file.replace(place)
    sync(place.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the list of files in a folder, is on the disk for good."""
    if path.is_dir() and os.name != "posix":  # where folders cannot be opened, they need not be
        return
    opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
