"""A recording that goes to disk as it is made, and can be cut short anywhere.

A layer's responses are appended to a file; when that holds a shard's worth it becomes a shard of the layer's Zarr
array, and the next file begins. So the number of images done says which shards stand, and how long the file must be.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from neuroprobe import store
from neuroprobe.addresses import Layer
from neuroprobe.checkpoints import Checkpoints, States
from neuroprobe.data import Images
from neuroprobe.folders import sync, write_whole
from neuroprobe.identity import differences, other_recording, stream_digest
from neuroprobe.provenance import noted
from neuroprobe.reducers import Observed
from neuroprobe.responses import labelled
from neuroprobe.results import Recording, load
from neuroprobe.shards import Shards
from neuroprobe.unfinished import FOLDER, damaged

if TYPE_CHECKING:
    import xarray as xr


class Streamed:
    """An observer that notes the layers as they come, and writes their responses to disk, a Zarr array a layer.

    Args:
        checkpoints: of the recording; it goes on from the newest.
        responses: False where only the states of reducers are kept.

    Raises:
        ValueError: if a file is damaged; as the batches come, if a layer is another than before.
    """

    def __init__(self, checkpoints: Checkpoints, *, responses: bool) -> None:
        self._checkpoints, self._keeps = checkpoints, responses
        facts = checkpoints.done.facts
        self.layers: dict[str, Any] = dict(facts.get("layers", {}))  # as noted, in the order in which they run
        self._arrays: dict[str, _Array] = {}
        for name, fields in facts.get("shards", {}).items():
            self._add(name, Shards.from_json(fields)).cut(checkpoints.done.images)

    def __call__(self, layer: Layer, seen: Observed) -> None:
        """Append one batch of one layer."""
        ((name, fields),) = noted([layer]).items()
        if self._checkpoints.done.images and self.layers.get(name) != fields:
            raise ValueError(
                f"layer {name!r} is {fields}, and {self.layers.get(name)} before: has the code of the network changed?"
            )
        self.layers[name] = fields
        if not self._keeps:
            return
        rows = np.ascontiguousarray(seen.responses.float().cpu().numpy())
        if name not in self._arrays:
            self._add(name, Shards.of(rows.shape[1:], self._checkpoints.done.total))
        with self._checkpoints.writing():
            self._arrays[name].append(rows)

    def batch_done(self, states: States) -> None:
        """Make a checkpoint if it is time for one."""
        if self._checkpoints.due:
            self.save(states)

    def save(self, states: States) -> None:
        """Make a checkpoint, and remove what it has made needless."""
        shards = {name: asdict(array.shards) for name, array in self._arrays.items()}
        self._checkpoints.save(states, {"layers": self.layers, "shards": shards}, self._sync)
        for array in self._arrays.values():
            array.forget()

    def placeholders(self) -> dict[str, xr.DataArray]:
        """Return arrays as those on disk, that hold nothing and take no memory."""
        nothing, images = np.array(np.nan, np.float32), self._checkpoints.done.images
        shapes = {name: (images, *array.shards.row) for name, array in self._arrays.items()}
        return {name: labelled(name, np.broadcast_to(nothing, shape)) for name, shape in shapes.items()}

    def finish(self, recording: Recording) -> None:
        """Make the store whole: last shards of what is left, and all that the recording holds beside responses."""
        with self._checkpoints.writing():
            for array in self._arrays.values():
                array.finish()
            shards = {name: array.shards for name, array in self._arrays.items()}
            store.complete(recording.to_contents(), self._checkpoints.place, shards)

    def _sync(self) -> None:
        for array in self._arrays.values():
            array.sync()

    def _add(self, name: str, shards: Shards) -> _Array:
        number = len(self._arrays)
        values = store.values_of_layer(self._checkpoints.place, number)
        return self._arrays.setdefault(name, _Array(shards, values, self._checkpoints.folder / f"{number}.responses"))


class _Array:
    """One layer's responses: the shards that are full, and the file that grows into the next."""

    def __init__(self, shards: Shards, values: Path, growing: Path) -> None:
        self.shards, self._values, self._growing = shards, values, growing
        self._images = 0

    def append(self, rows: NDArray[np.float32]) -> None:
        """Append (images, units, *grid)."""
        while len(rows):
            fitting = rows[: self.shards.images - self._begun]
            _append(self._file, fitting)
            if self._begun + len(fitting) == self.shards.images:
                self.finish()
            self._images += len(fitting)
            rows = rows[len(fitting) :]

    def cut(self, images: int) -> None:
        """Go back to a number of images."""
        self._images = images
        for number in range(self._number):
            _refuse_shorter(self._values / self.shards.file(number), 1)  # Zarr checks what is in it when it is read
        if self._begun:
            wanted = self._begun * self.shards.row_bytes
            _refuse_shorter(self._file, wanted)
            os.truncate(self._file, wanted)
        self.forget()

    def sync(self) -> None:
        """Wait until the growing file is on the disk; shards are already."""
        if self._begun:
            sync(self._file)

    def forget(self) -> None:
        """Remove the files that have become shards."""
        for file in self._growing.parent.glob(f"{self._growing.name}.*"):
            if not self._begun or file != self._file:
                file.unlink()

    def finish(self) -> None:
        """Make a shard of the growing file, full or not."""
        if self._file.exists():
            rows = np.fromfile(self._file, np.float32).reshape(-1, *self.shards.row)
            write_whole(self._values / self.shards.file(self._number), self.shards.encoded(rows))

    @property
    def _number(self) -> int:
        return self._images // self.shards.images

    @property
    def _begun(self) -> int:
        return self._images % self.shards.images

    @property
    def _file(self) -> Path:
        return self._growing.with_name(f"{self._growing.name}.{self._number}")


def _append(place: Path, rows: NDArray[np.float32]) -> None:
    left = rows.data.cast("B")
    with place.open("ab", buffering=0) as file:
        while left:
            left = left[file.write(left) :]


def _refuse_shorter(file: Path, wanted: int) -> None:
    there = file.stat().st_size if file.is_file() else 0
    if there < wanted:
        raise damaged(file, f"{wanted:,} bytes are wanted, {there:,} are there")


def load_recording(place: Path) -> Recording:
    """Load a recording."""
    return cast("Recording", load(place))


def load_if_same(place: Path, identity: Mapping[str, Any], images: Images, *, progress: bool) -> Recording:
    """Load a whole store if it was made from the same, else say what differs."""
    stored = load_recording(place)
    if "identity" not in stored.meta:
        raise FileExistsError(f"{place} holds a saved result of kind {stored.kind!r}: choose another path for out=")
    came = dict(identity)
    if not images.starts_anywhere:
        came["stream"] = stream_digest(images, progress=progress)
    if stored.meta["identity"] != came:
        raise other_recording(place, "all images", differences(stored.meta["identity"], came))
    shutil.rmtree(place / FOLDER, ignore_errors=True)  # of a process killed when all was done
    return stored
