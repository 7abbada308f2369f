"""Responses on disk for the length of a measurement: what needs every response, yet must not need the memory for it."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile, gettempdir
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from neuroprobe.addresses import Layer
from neuroprobe.reducers import Observed

_BLOCK_NUMBERS = 2**21  # responses read back at a time: 8 MiB, a few times that while they are ranked


class _Piece(NamedTuple):
    """One batch of one layer in the file: (units, images), so that some units of it lie together."""

    start: int  # bytes
    images: int


class Spool:
    """An observer that keeps every response in a temporary file, and gives them back a few units at a time.

    The file has no name on POSIX systems and is gone however the block or the process ends. It is written to, not
    mapped: to a map, a full disk is no error but the end of the process.

    Example:
        >>> from neuroprobe.addresses import Layer
        >>> with Spool() as spool:
        ...     print(spool.bytes)
        0
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._pieces: dict[str, list[_Piece]] = {}

    def __enter__(self) -> Spool:
        self._file = cast("BinaryIO", TemporaryFile(prefix="neuroprobe-"))
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            self._file.close()
        except OSError:  # what could not be written is not wanted either
            self._file.close()

    def __call__(self, layer: Layer, seen: Observed) -> None:
        """Append one batch of one layer."""
        by_unit = np.ascontiguousarray(seen.responses.T.float().cpu().numpy())
        try:
            self._file.write(by_unit.data)
            self._file.flush()  # so that a full disk is an error here
        except OSError as error:
            raise OSError(
                error.errno,
                f"after {self.bytes / 1e6:,.0f} MB of responses the temporary folder {gettempdir()} takes no more "
                f"({error.strerror}): set TMPDIR to a roomier one, name fewer layers=, or pass permutations=0",
            ) from error
        self._pieces.setdefault(layer.name, []).append(_Piece(self.bytes, by_unit.shape[1]))
        self.bytes += by_unit.nbytes

    def blocks(self, layer: Layer) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield a layer's responses as (which units, their responses (units, images)), in blocks that fit in memory."""
        images = sum(piece.images for piece in self._pieces[layer.name])
        size = max(1, _BLOCK_NUMBERS // images)
        for first in range(0, layer.units, size):
            units = slice(first, min(first + size, layer.units))
            yield units, self._read(self._pieces[layer.name], units)

    def _read(self, pieces: list[_Piece], units: slice) -> NDArray[np.float32]:
        count = units.stop - units.start
        return np.concatenate([self._part(piece, units.start, count) for piece in pieces], axis=1)

    def _part(self, piece: _Piece, first: int, count: int) -> NDArray[np.float32]:
        part = np.empty((count, piece.images), np.float32)
        self._file.seek(piece.start + first * piece.images * part.itemsize)
        self._file.readinto(part.data)  # type: ignore[attr-defined]
        return part
