"""Moving images by whole pixels, and maps back again: pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import index
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from neuroprobe.readout import one_of

Border = Literal["reflect", "zero", "circular", "crop"]
AXES = {"x": 3, "y": 2}  # of images and maps (images, channels, rows, columns)


class Move(NamedTuple):
    """Where an image is moved to."""

    axis: str  # "x" or "y"
    pixels: int  # to the right or down where above 0, as columns and rows count


STILL = Move("x", 0)


def moves(shifts: Iterable[int]) -> list[Move]:
    """Return every shift along x and then along y, each in ascending order.

    Example:
        >>> [tuple(move) for move in moves([1, -1])]
        [('x', -1), ('x', 1), ('y', -1), ('y', 1)]

    Raises:
        ValueError: if the shifts are not distinct whole numbers other than 0.
    """
    try:
        pixels = [index(shift) for shift in shifts]
    except TypeError as error:
        raise ValueError(f"shifts must be whole numbers of pixels, such as (-1, 1); {shifts!r} came") from error
    if not pixels:
        raise ValueError(f"shifts is empty ({shifts!r} came): give at least one, in pixels")
    if 0 in pixels:
        raise ValueError(f"shifts must not hold 0, the reference that is measured anyway; {pixels} came")
    if len(set(pixels)) < len(pixels):
        raise ValueError(f"each shift counts once: {pixels} came, with a shift given again")
    return [Move(axis, shift) for axis in AXES for shift in sorted(pixels)]


@dataclass(frozen=True)
class Mover:
    """How images are moved: what enters at their border, or where they are cut from.

    Example:
        >>> row = torch.arange(4.0).expand(1, 1, 4, 4)
        >>> Mover("reflect")(row, Move("x", 1))[0, 0, 0].tolist()
        [1.0, 0.0, 1.0, 2.0]
        >>> Mover("zero")(row, Move("x", -1))[0, 0, 0].tolist()
        [1.0, 2.0, 3.0, 0.0]

    Args:
        border: ``"reflect"`` mirrors the image at its border, ``"zero"`` is black, ``"circular"`` brings back on one
            side what leaves on the other; ``"crop"`` moves a window over a larger image, so that nothing is made up.
        size: (height, width) in pixels: of the window; for the other borders, what images must have, None for any.
    """

    border: Border
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        one_of("border", self.border, (*_BORDERS, "crop"))

    def __call__(self, images: Tensor, move: Move) -> Tensor:
        """Return images (N, C, H, W) moved; for ``"crop"``, what the window shows then."""
        if self.border == "crop" and self.size is not None:
            return _window(images, self.size, move)
        return _BORDERS[self.border](images, move)

    def check(self, images: Tensor, shifts: Iterable[Move]) -> None:
        """Raise a ValueError where images (N, C, H, W) cannot be moved that far."""
        height, width = images.shape[2:]
        farthest = max(abs(move.pixels) for move in shifts)
        rows, columns = self.size or (height, width)
        if self.border == "crop":
            rows, columns = rows + 2 * farthest, columns + 2 * farthest
            if height < rows or width < columns:
                raise ValueError(
                    f"border='crop' cuts from larger images: for shifts up to {farthest} they must have at least "
                    f"{rows}x{columns} pixels; {height}x{width} came: give larger ones, or another border"
                )
        elif (height, width) != (rows, columns):
            raise ValueError(
                f"input_size is {rows}x{columns}, and images of {height}x{width} came: leave out input_size to take "
                "them as they are, or cut them with border='crop'"
            )
        elif farthest >= min(height, width):
            raise ValueError(
                f"shifts must be smaller than the images, {height}x{width} pixels; a shift of {farthest} came"
            )


def _entering_reflected(images: Tensor, move: Move) -> Tensor:
    return _padded_and_cut(images, move, "reflect")


def _entering_black(images: Tensor, move: Move) -> Tensor:
    return _padded_and_cut(images, move, "constant")


def _circling(images: Tensor, move: Move) -> Tensor:
    return torch.roll(images, move.pixels, AXES[move.axis])


_BORDERS: dict[str, Callable[[Tensor, Move], Tensor]] = {
    "reflect": _entering_reflected,
    "zero": _entering_black,
    "circular": _circling,
}


def _padded_and_cut(images: Tensor, move: Move, mode: str) -> Tensor:
    before, after = max(move.pixels, 0), max(-move.pixels, 0)
    margins = (before, after, 0, 0) if move.axis == "x" else (0, 0, before, after)
    axis = AXES[move.axis]
    return F.pad(images, margins, mode).narrow(axis, after, images.shape[axis])


def _window(images: Tensor, size: tuple[int, int], move: Move) -> Tensor:
    """Cut from the centre; what is seen moves to the right when the window moves to the left."""
    top, left = ((length - cut) // 2 for length, cut in zip(images.shape[2:], size, strict=True))
    top, left = (top - move.pixels, left) if move.axis == "y" else (top, left - move.pixels)
    return images[:, :, top : top + size[0], left : left + size[1]]


def overlap(still: Tensor, moved: Tensor, axis: str, places: int) -> tuple[Tensor, Tensor]:
    """Return the parts of two maps (images, units, rows, columns) that show the same, the second moved by some places.

    Example:
        >>> still = torch.arange(4.0).expand(1, 1, 1, 4)
        >>> [part.flatten().tolist() for part in overlap(still, torch.roll(still, 1, 3), "x", 1)]
        [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
    """
    kept = still.shape[AXES[axis]] - abs(places)
    return still.narrow(AXES[axis], max(-places, 0), kept), moved.narrow(AXES[axis], max(places, 0), kept)
