"""Where in the image the places of a layer's output lie: rows and columns of a map, tokens, windows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

from torch import Tensor

from neuroprobe.layouts import MAP, PLACES, Layout, Piece, tokens_and_places


class Places(NamedTuple):
    """Where in the image the places of an output lie."""

    ahead: int = 0  # class and register tokens, before the places
    map: tuple[int, ...] = ()  # rows and columns; () where they are not known
    parts: tuple[int, ...] = ()  # lengths into which the axes of places part ...
    order: tuple[int, ...] = ()  # ... and the order in which these make the map; () where they stand so
    in_image: bool = True  # False: what looks like places are heads, or channels

    @classmethod
    def of(cls, layout: Layout, units: int) -> Places:
        """Find the places of an output whose units are along some axis."""
        axes = [tokens_and_places(axis) for place, axis in enumerate(layout) if place not in (0, units)]
        ahead = axes[0][0] if len(axes) == 1 else 0
        pieces = [piece for _, counted in axes for piece in counted if piece.length > 1]
        if any(piece.role not in PLACES for piece in pieces) or (not ahead and any(tokens for tokens, _ in axes)):
            return cls(ahead, in_image=False)
        order = sorted(range(len(pieces)), key=lambda i: (PLACES.index(pieces[i].role), -pieces[i].step))
        lengths = _lengths([pieces[i] for i in order])
        if lengths is None or order == sorted(order):
            return cls(ahead, lengths or ())
        return cls(ahead, lengths, tuple(piece.length for piece in pieces), tuple(order))

    def in_order(self, maps: Tensor) -> Tensor:
        """Return (images, units, *grid) with the places as they lie in the image, where they do not stand so."""
        if not self.order or prod(self.parts) != prod(maps.shape[2:]):
            return maps
        parted = maps.reshape(*maps.shape[:2], *self.parts)
        ordered = parted.permute(0, 1, *(2 + part for part in self.order))
        return ordered.reshape(*maps.shape[:2], *(self.map if maps.ndim > 3 else (-1,)))


def _lengths(pieces: Sequence[Piece]) -> tuple[int, ...] | None:
    """Return the lengths that some pieces make up, role by role; None where they do not fit together."""
    fit = all(a.role != b.role or a.step == b.length * b.step for a, b in pairwise(pieces))
    if not fit or any(piece.role not in MAP for piece in pieces):
        return None
    return tuple(prod(p.length for p in pieces if p.role == role) for role in dict.fromkeys(p.role for p in pieces))


AS_THEY_STAND = Places()  # nothing is known of them
