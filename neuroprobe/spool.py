"""Responses on disk for the length of a measurement: what needs every response, yet must not need the memory for it."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile, gettempdir
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from neuroprobe.distributed import ALL, Part
from neuroprobe.reducers import Observed

_BLOCK_NUMBERS = 2**21  # responses read back at a time: 8 MiB, a few times that while they are ranked


class _Piece(NamedTuple):
    """One batch in the file: (units, images), so that some units of it lie together."""

    start: int  # bytes
    images: int


class Spool:
    """Keeps every response in a temporary file, and gives them back a few units at a time.

    The file has no name on POSIX systems and is gone however the block or the process ends. It is written to, not
    mapped: to a map, a full disk is no error but the end of the process.

    Example:
        >>> from neuroprobe.reducers import observed
        >>> with Spool() as spool:
        ...     spool(observed([[1.0, 2.0], [3.0, 4.0]]))
        ...     spool(observed([[5.0, 6.0]]))
        ...     for units, responses in spool.blocks():
        ...         print(units, responses)
        slice(0, 2, None) [[1. 3. 5.]
                           [2. 4. 6.]]
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._units = 0
        self._pieces: list[_Piece] = []

    def __enter__(self) -> Spool:
        self._file = cast("BinaryIO", TemporaryFile(prefix="neuroprobe-"))
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            self._file.close()
        except OSError:  # the first attempt writes what is left, and there may be no room: it is not wanted any more
            self._file.close()

    def __call__(self, seen: Observed) -> None:
        """Append one batch."""
        by_unit = np.ascontiguousarray(seen.responses.T.float().cpu().numpy())
        try:
            self._file.write(by_unit.data)
            self._file.flush()  # so that a full disk is an error here
        except OSError as error:
            raise OSError(
                error.errno,
                f"the temporary folder {gettempdir()} took {self.bytes / 1e6:,.0f} MB of responses and then no more "
                f"({error.strerror}): set TMPDIR to a roomier one, name fewer layers=, or pass permutations=0",
            ) from error
        self._units, images = by_unit.shape
        self._pieces.append(_Piece(self.bytes, images))
        self.bytes += by_unit.nbytes

    def blocks(self, part: Part = ALL) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield which units, and their responses (units, images), in blocks that hardly grow with the images.

        Of several processes that each have a ``part`` of the images, each yields a share of the units, for all images.
        """
        size = max(1, _BLOCK_NUMBERS // part.pooled(sum(piece.images for piece in self._pieces)))
        blocks = [slice(first, min(first + size, self._units)) for first in range(0, self._units, size)]
        for first in range(0, len(blocks), part.processes):
            at_once = blocks[first : first + part.processes]
            rows = part.pooled(tuple(self._rows(block) for block in at_once))
            if part.process < len(at_once):
                yield at_once[part.process], np.concatenate(rows[part.process], axis=1)

    def _rows(self, units: slice) -> list[NDArray[np.float32]]:
        """Return what each piece has of some units."""
        return [self._read(piece, units.start, units.stop) for piece in self._pieces]

    def _read(self, piece: _Piece, first: int, last: int) -> NDArray[np.float32]:
        part = np.empty((last - first, piece.images), np.float32)
        self._file.seek(piece.start + first * piece.images * part.itemsize)
        self._file.readinto(part.data)  # type: ignore[attr-defined]
        return part
