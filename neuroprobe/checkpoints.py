"""A measurement that goes on where it was cut short: what it has is kept in the store that is to come.

While a store is not whole it holds a folder ``unfinished/``: a lock, the newest checkpoint, and what the measurement
puts there. A checkpoint is a manifest that is replaced as a whole, and the states of reducers in a file that it names.
So a process may be killed anywhere: what stands after the last checkpoint is made again, the same.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from neuroprobe.data import Batch, Images
from neuroprobe.folders import move_whole, write_whole
from neuroprobe.identity import differences, digested, other_recording
from neuroprobe.packing import Contents
from neuroprobe.progress import progress_bar
from neuroprobe.provenance import versions
from neuroprobe.unfinished import FOLDER, MANIFEST, Progress, damage_named, progress_at

_SECONDS, _SHARE = 10.0, 20  # between checkpoints: so long, and so many times what the last one took
_LOCK = "lock"
_BEGINNINGS = {_LOCK, MANIFEST, f"{MANIFEST}.new"}  # what may be there before anything is recorded
_log = logging.getLogger("neuroprobe")

States = Mapping[str, Mapping[str, Any]]  # reducer -> layer -> state


class Checkpoints:
    """While a block lasts, a measurement of images that is written to ``place`` and can be cut short anywhere.

    Where the block ends well, the store must be whole: what only its making needed is removed.

    Args:
        place: where the store is to be.
        identity: what the measurement is made from; only the same goes on.
        total: how many images there are, where that is known.

    Raises:
        FileExistsError: if something else lies at the place, another measurement among it; BlockingIOError: if another
            process is writing it.
    """

    def __init__(self, place: Path, identity: Mapping[str, Any], total: int | None) -> None:
        self.place, self.folder = place, place / FOLDER
        self.done = self._ahead = Progress(identity, versions(), total)
        self._lock = FileLock(self.folder / _LOCK)
        self._last, self._cost = -float("inf"), 0.0  # seconds

    def __enter__(self) -> Checkpoints:
        _refuse_foreign(self.place)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            busy = f"{self.place} is being written by another process or call"
            raise BlockingIOError(f"{busy}: wait for it, or choose another path for out=") from error
        try:
            _refuse_foreign(self.place)  # once more: another process may have been quicker
            self._begin()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or not self.done.images:
            self._clear(everything=error is not None)
        else:
            error.add_note(self.safe)
        self._leave()

    @property
    def safe(self) -> str:
        """What is safe, and how to go on."""
        return f"{self.done} are safe in {self.place}: the same call goes on from there"

    @property
    def identity(self) -> dict[str, Any]:
        """What the measurement is made from; of a stream also all that it has shown."""
        return {**self.done.identity, "stream": self.done.stream} if self.done.stream else dict(self.done.identity)

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """The states of the newest checkpoint; none where nothing is done yet."""
        return _read_states(self._states_file(self.done)) if self.done.images else {}

    def remaining(self, images: Images, *, progress: bool = True) -> Iterator[Batch] | None:
        """Return the batches that are still to be done, None where there are none."""
        if images.starts_anywhere:
            rest = iter(images.after(self.done.batches, self.done.images))
        else:
            rest = self._read_again(iter(images), progress=progress)
        first = next(rest, None)
        return None if first is None else self._counted(chain([first], rest), is_stream=not images.starts_anywhere)

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return monotonic() - self._last >= max(_SECONDS, _SHARE * self._cost)

    def save(self, states: States, facts: Mapping[str, Any], sync: Callable[[], None]) -> None:
        """Make a checkpoint of all batches up to the one that came last, whose responses ``sync`` brings to disk."""
        started = monotonic()
        with self.writing():
            sync()
            _write_states(self._states_file(self._ahead), states)
            self._write_manifest(replace(self._ahead, facts=facts))
            self._remove_states(but=self._states_file(self.done))
        self._last = monotonic()
        self._cost = self._last - started

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say which disk takes no more."""
        try:
            yield
        except OSError as error:
            what = (
                f"{error.strerror}: {error.filename or self.place} cannot be written to: make room, or choose another"
            )
            raise OSError(error.errno, f"{what} path for out=") from error

    def _begin(self) -> None:
        """Take up what is there, or begin anew where nothing is recorded yet."""
        found, came = progress_at(self.place), self.done
        if found is None or not found.images:
            self._clear(everything=True)
            self._write_manifest(came)
            return
        changed = differences(found.versions, came.versions)
        if found.identity != came.identity:
            raise other_recording(self.place, str(found), [*differences(found.identity, came.identity), *changed])
        if changed:
            _log.warning("%s goes on with versions that may round differently: %s", self.place, "; ".join(changed))
        self.done = self._ahead = found
        self._remove_states(but=self._states_file(found))

    def _counted(self, batches: Iterable[Batch], *, is_stream: bool) -> Iterator[Batch]:
        """Yield batches; the next checkpoint counts the last that came."""
        for batch in batches:
            self._ahead = _after(batch, self._ahead, is_stream=is_stream)
            yield batch

    def _read_again(self, batches: Iterator[Batch], *, progress: bool) -> Iterator[Batch]:
        """Read a stream up to where the measurement stopped, check that it is the same, and return the rest."""
        again = replace(self.done, images=0, batches=0, stream="")
        with progress_bar("reading again", self.done.images, shown=progress and bool(self.done.images)) as bar:
            while again.batches < self.done.batches and (batch := next(batches, None)) is not None:
                again = _after(batch, again, is_stream=True)
                bar.update(len(batch.images))
        there, came = ({"images": at.images, "their digest": at.stream} for at in (self.done, again))
        if there != came:
            raise other_recording(self.place, str(self.done), differences(there, came))
        return batches

    def _clear(self, *, everything: bool) -> None:
        """Remove what only an unfinished store needs, or all that was written, but for the lock."""
        own = sorted(self.folder.iterdir(), key=lambda path: path.name == MANIFEST)  # last: it says that all is ours
        for path in [*(self.place.iterdir() if everything else ()), *own]:
            if path.name not in (FOLDER, _LOCK):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _leave(self) -> None:
        """Let others write; of a store that is whole, or not begun, nothing of ours stays."""
        if progress_at(self.place) is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):
                self.place.rmdir()
        self._lock.release()

    def _write_manifest(self, progress: Progress) -> None:
        write_whole(self.folder / MANIFEST, json.dumps(vars(progress)).encode())
        self.done = progress

    def _states_file(self, progress: Progress) -> Path:
        return self.folder / f"states.{progress.images}.npz"

    def _remove_states(self, but: Path) -> None:
        for path in self.folder.glob("states.*"):
            if path != but:
                path.unlink()


def _after(batch: Batch, progress: Progress, *, is_stream: bool) -> Progress:
    """Return the progress once a batch is done."""
    images = progress.images + len(batch.images)
    stream = digested(progress.stream, batch) if is_stream else ""
    return replace(progress, images=images, batches=batch.drawn, stream=stream)


def _refuse_foreign(place: Path) -> None:
    """Raise where something lies at ``place`` that no unfinished measurement has put there."""
    if not place.exists() or progress_at(place) is not None:
        return
    inside = [*place.iterdir()] if place.is_dir() else [place]
    begun = [path.name for path in (place / FOLDER).iterdir()] if (place / FOLDER).is_dir() else []
    if {path.name for path in inside} - {FOLDER} or set(begun) - _BEGINNINGS:
        raise FileExistsError(f"{place} exists and is no neuroprobe recording; choose another path for out=")


def _write_states(place: Path, states: States) -> None:
    packed = Contents("", {}, {}, {}, {name: dict(by_layer) for name, by_layer in states.items()}).to_datasets()
    arrays: dict[str, Any] = {
        f"{number} {name}": values.to_numpy()
        for number, dataset in enumerate(packed.values())
        for name, values in dataset.items()
    }
    new = place.with_name(f"{place.name}.new")
    with new.open("wb") as file:
        np.savez(file, attrs=np.array(json.dumps([dataset.attrs for dataset in packed.values()])), **arrays)
    move_whole(new, place)


def _read_states(place: Path) -> dict[str, dict[str, Any]]:
    import xarray as xr

    with damage_named(place), place.open("rb") as opened, np.load(opened) as file:  # np.load alone leaves it open
        datasets = {str(i): xr.Dataset(attrs=attrs) for i, attrs in enumerate(json.loads(str(file["attrs"])))}
        for key in set(file.files) - {"attrs"}:
            number, _, name = key.partition(" ")
            values = file[key]
            datasets[number][name] = ([f"{name}_{axis}" for axis in range(values.ndim)], values)
        return Contents.from_datasets("", {}, {"states": datasets}).states
