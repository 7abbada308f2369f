"""Responses as a Zarr array that can be written file by file, and read a unit or an image at a time.

A file (a *shard*) holds many images; inside it lie blocks of many images and few units that are read alone. Of a
million images and 4,000 units, one unit's responses are read from 64 MB in 245 files, one image's from 64 MB in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuroprobe.folders import write_whole

if TYPE_CHECKING:
    import xarray as xr

_SHARD, _BLOCK = 2**24, 2**16  # responses: 64 MiB and 256 KiB
_BLOCK_UNITS = 16
_NAMING = {"name": "default", "separator": "."}  # of the files, all in one folder: c.0.0, c.1.0, ...


@dataclass(frozen=True)
class Shards:
    """How responses (images, units, *grid) are cut.

    Example:
        >>> Shards.of((4000,), images=1_000_000)
        Shards(row=(4000,), images=4096, block=(4096, 16))
        >>> Shards.of((64, 112, 112), images=1_000_000).images  # whole maps
        20
    """

    row: tuple[int, ...]  # shape of one image's responses
    images: int  # in a shard
    block: tuple[int, ...]  # shape of what is read at a time; a shard holds whole blocks

    @classmethod
    def of(cls, row: Sequence[int], images: int | None) -> Shards:
        """Cut so that files are neither small nor many; ``images`` is how many there will be, where that is known."""
        units, grid = row[0], tuple(row[1:])
        block_units = min(units, _BLOCK_UNITS, ceil(_BLOCK / prod(grid)))
        most = min(images or _SHARD, max(1, _SHARD // prod(row)))
        block_images = min(most, max(1, _BLOCK // (block_units * prod(grid))))
        return cls(tuple(row), most // block_images * block_images, (block_images, block_units, *grid))

    def encoded(self, rows: NDArray[np.float32]) -> bytes:
        """Return the file that holds up to ``images`` rows."""
        files: dict[str, Any] = {}
        self._array(files, self.images)[: len(rows)] = rows
        return _content(files, self.file(0))

    def metadata(self, images: int, dims: Sequence[str]) -> bytes:
        """Return the file that says how the array of all images is laid out."""
        files: dict[str, Any] = {}
        self._array(files, images, tuple(dims))
        return _content(files, "zarr.json")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Shards:
        """Undo ``dataclasses.asdict``, after JSON has made lists of what were tuples."""
        return cls(tuple(fields["row"]), fields["images"], tuple(fields["block"]))

    @property
    def row_bytes(self) -> int:
        """Bytes of one image's responses."""
        return prod(self.row) * np.dtype(np.float32).itemsize

    def file(self, number: int) -> str:
        """Return the name of a shard's file."""
        return ".".join(["c", str(number), *"0" * len(self.row)])

    def _array(self, files: dict[str, Any], images: int, dims: Sequence[str] | None = None) -> Any:
        import zarr
        from zarr.codecs import ZstdCodec

        whole_units = ceil(self.row[0] / self.block[1]) * self.block[1]
        return zarr.create_array(
            zarr.storage.MemoryStore(files),
            shape=(images, *self.row),
            chunks=self.block,
            shards=(self.images, whole_units, *self.row[1:]),
            dtype="float32",
            fill_value=float("nan"),
            compressors=ZstdCodec(level=1),  # the default, 3, takes half as long again for 2% less
            chunk_key_encoding=_NAMING,  # type: ignore[arg-type]
            dimension_names=dims,
            config={"write_empty_chunks": True},
        )


def shard_by_shard(responses: xr.DataArray) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the number of the first image, and the rows, of parts of (image, unit, ...), which may lie in a store."""
    images = Shards.of(responses.shape[1:], len(responses)).images
    for start in range(0, len(responses), images):
        yield start, responses[start : start + images].to_numpy()


def write_responses(responses: xr.DataArray, folder: Path) -> None:
    """Write an array (image, unit, ...), which may lie in another store, a shard at a time."""
    shards = Shards.of(responses.shape[1:], len(responses))
    for start, rows in shard_by_shard(responses):
        write_whole(folder / shards.file(start // shards.images), shards.encoded(rows))
    write_metadata(shards, responses, folder)


def write_metadata(shards: Shards, responses: xr.DataArray, folder: Path) -> None:
    """Write what makes a Zarr array of a folder of shards."""
    write_whole(folder / "zarr.json", shards.metadata(len(responses), [str(dim) for dim in responses.dims]))


def _content(files: dict[str, Any], name: str) -> bytes:
    return files[name].to_bytes()
