"""What the axes of a tensor count: images, units, and the rows and columns of the map that they came from.

An axis is made of parts, the slowest first. Tokens (N, H * W, C) hold rows and columns in one axis; a map cut into
windows, (N, windows, places, C), holds rows and columns of windows in one, rows and columns within a window in the
other. A reshape parts and joins them, so what has been cut up can be put together again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

IMAGE, UNIT, OTHER = "image", "unit", "other"
MAP = ("plane", "row", "column")  # of which images have the last two
PLACE = "place"  # somewhere in the image: where is not known
PLACES = (*MAP, PLACE)


class Piece(NamedTuple):
    """A run of one thing that is counted."""

    role: str
    length: int
    step: int = 1  # from one entry to the next, in the smallest steps of its role: 7 from window to window of 7 rows


class Tokens(NamedTuple):
    """A sequence that begins with class and register tokens."""

    ahead: int
    pieces: tuple[Piece, ...]  # what comes after them

    @property
    def length(self) -> int:
        """How many tokens there are."""
        return self.ahead + length_of(self.pieces)


Axis = tuple[Piece | Tokens, ...]  # what has length 1 may be missing
Layout = tuple[Axis, ...]


def length_of(axis: Axis) -> int:
    """Return how many entries an axis has."""
    return prod(part.length for part in axis)


def roles_of(axis: Axis) -> set[str]:
    """Return what an axis counts, by parts of more than one entry where there are any."""
    pieces = [piece for part in axis for piece in (part.pieces if isinstance(part, Tokens) else (part,))]
    return {piece.role for piece in pieces if piece.length > 1} or {piece.role for piece in pieces}


def tokens_and_places(axis: Axis) -> tuple[int, tuple[Piece, ...]]:
    """Return how many class and register tokens begin an axis, and what it counts after them."""
    if len(axis) == 1 and isinstance(axis[0], Tokens):
        return axis[0].ahead, axis[0].pieces
    return 0, tuple(part if isinstance(part, Piece) else Piece(OTHER, part.length) for part in axis)


def usual_axis(ndim: int) -> int:
    """Return the unit axis of an output whose origin is unknown: last for tokens (3 axes), else 1."""
    return 2 if ndim == 3 else 1


def usual(shape: Sequence[int], images: int, places: Sequence[str] | None = None) -> Layout:
    """Return the layout that a tensor of unknown origin has in all likelihood."""
    units, roles = usual_axis(len(shape)), iter(places or [PLACE] * len(shape))
    first = IMAGE if shape and shape[0] == images else OTHER
    kinds = [first if axis == 0 else UNIT if axis == units else next(roles) for axis in range(len(shape))]
    return tuple((Piece(role, length),) for role, length in zip(kinds, shape, strict=True))


def of_images(shape: Sequence[int]) -> Layout:
    """Return the layout of the images that a network is given, (N, C, H, W) as a rule."""
    count = len(shape) - 2
    return usual(shape, shape[0], MAP[-count:] if 0 < count <= len(MAP) else None)


def unit_axis_of(layout: Layout) -> int:
    """Return the axis that counts units, the last where they are parted; the usual one where none does."""
    if len(layout) <= 2:
        return len(layout) - 1
    axes = range(1, len(layout))
    pure = [axis for axis in axes if roles_of(layout[axis]) == {UNIT}]
    mixed = [axis for axis in axes if UNIT in roles_of(layout[axis])]
    return (pure or mixed or [usual_axis(len(layout))])[-1]


def with_units(layout: Layout, axis: int) -> Layout:
    """Return the layout of what mixes all units into new ones, along one axis; the units of others are no more."""
    axis %= len(layout)
    return tuple(
        (Piece(UNIT, length_of(one)),) if place == axis else tuple(map(_no_unit, one))
        for place, one in enumerate(layout)
    )


def resized(layout: Layout, shape: Sequence[int]) -> Layout:
    """Return the layout where axes keep what they count, and change in length."""
    return tuple(_resized(axis, length) for axis, length in zip(layout, shape, strict=True))


def regrouped(layout: Layout, shape: Sequence[int]) -> Layout | None:
    """Return the layout after a reshape; None where it cuts through a part unevenly."""
    rest = deque(part for axis in layout for part in axis)
    axes: list[Axis] = []
    for length in shape:
        held: list[Piece | Tokens] = []
        missing = length
        while rest and (missing > 1 or (not held and rest[0].length == 1)):
            part = rest.popleft()
            if isinstance(part, Piece) and 1 < missing < part.length and part.length % missing == 0:
                part, minor = _cut(part, missing)
                rest.appendleft(minor)
            if part.length == 0 or missing % part.length:
                return None
            held.append(part)
            missing //= part.length
        axes.append(_merged(held))
    return tuple(axes) if tuple(map(length_of, axes)) == tuple(shape) else None


def indexed(layout: Layout, index: object, shape: Sequence[int]) -> Layout | None:
    """Return the layout of ``tensor[index]``; None where tensors or lists are among the indices."""
    items = list(index) if isinstance(index, tuple) else [index]
    if not all(item is None or item is Ellipsis or isinstance(item, int | slice) for item in items):
        return None
    named = sum(item is not None and item is not Ellipsis for item in items)
    place = items.index(Ellipsis) if Ellipsis in items else len(items)
    items[place : place + 1] = [slice(None)] * (len(layout) - named)
    axes: list[Axis] = []
    old = iter(layout)
    for item in items:
        axis = () if item is None else next(old)
        if item is None or isinstance(item, slice):
            axes.append(_sliced(axis, item, shape[len(axes)]))
    return tuple(axes)


def joined(layouts: Sequence[Layout | None], lengths: Sequence[int], axis: int) -> Layout:
    """Return the layout of tensors that are joined along an axis; None stands for one that follows from no image.

    Such a tensor ahead of places is made of class or register tokens.
    """
    first = next(layout for layout in layouts if layout is not None)
    axis %= len(first)
    along = [layout[axis] if layout else None for layout in layouts]
    new = _with_tokens_ahead(along, lengths) or _of_role(set().union(*map(roles_of, filter(None, along))), sum(lengths))
    return tuple(new if place == axis else one for place, one in enumerate(first))


def strays(layout: Layout) -> int:
    """Return how many axes count neither images nor units nor places: the fewer, the more is known."""
    return sum(OTHER in roles_of(axis) for axis in layout)


def _no_unit(part: Piece | Tokens) -> Piece | Tokens:
    return Piece(OTHER, part.length) if isinstance(part, Piece) and part.role == UNIT else part


def _of_role(roles: set[str], length: int) -> Axis:
    """Return an axis that holds some roles, and nothing that is known of their order."""
    role = next(iter(roles)) if len(roles) == 1 else PLACE if roles and roles <= {*PLACES} else OTHER
    return (Piece(role, length),)


def _with_tokens_ahead(along: Sequence[Axis | None], lengths: Sequence[int]) -> Axis | None:
    """Return the axis of a sequence of places behind class and register tokens; None where it is no such thing."""
    *before, last = along
    if not (before and last) or not roles_of(last) <= {*PLACES}:
        return None
    if not all(axis is None or roles_of(axis) == {OTHER} for axis in before):
        return None
    ahead, pieces = tokens_and_places(last)
    return (Tokens(sum(lengths[:-1]) + ahead, pieces),)


def _resized(axis: Axis, length: int) -> Axis:
    if length == length_of(axis):
        return axis
    ahead, pieces = tokens_and_places(axis)
    if ahead and length == length_of(pieces):
        return pieces
    return _of_role({OTHER} if length == ahead else roles_of(axis), length)


def _sliced(axis: Axis, item: slice | None, length: int) -> Axis:
    """Return what a slice leaves of an axis: without some of the tokens ahead, or shorter."""
    ahead, pieces = tokens_and_places(axis)
    left = ahead - (item.start or 0) if item else 0
    if 0 < left < ahead and length == left + length_of(pieces):
        return (Tokens(left, pieces),)
    return _resized(axis, length)


def _cut(piece: Piece, major: int) -> tuple[Piece, Piece]:
    minor = piece.length // major
    return Piece(piece.role, major, piece.step * minor), Piece(piece.role, minor, piece.step)


def _merged(parts: Sequence[Piece | Tokens]) -> Axis:
    """Return an axis made of parts, pieces that follow one another put together."""
    merged: list[Piece | Tokens] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Piece) and isinstance(last, Piece) and _follows(last, part):
            merged[-1] = Piece(part.role, last.length * part.length, part.step)
        else:
            merged.append(part)
    return tuple(merged)


def _follows(major: Piece, minor: Piece) -> bool:
    return major.role == minor.role and major.step == minor.length * minor.step
