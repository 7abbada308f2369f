"""Where places lie, on a map whose entries say where they are."""

import pytest
import torch

from neuroprobe.layouts import OTHER, Piece, Tokens, of_images, regrouped, with_units
from neuroprobe.places import AS_THEY_STAND, Places

MAPS = torch.arange(6 * 4.0).reshape(1, 1, 6, 4).expand(3, 5, -1, -1)  # (images, units, rows, columns)
LAYOUT = of_images(MAPS.shape)


def moved(order, *shapes):
    """Return maps and layout after a reshape, a permutation and another reshape."""
    first, last = shapes
    layout = regrouped(LAYOUT, first)
    return (
        MAPS.reshape(first).permute(order).reshape(last),
        regrouped([layout[axis] for axis in order], last),
    )


MOVED = {
    "maps": ((0, 1, 2, 3), (3, 5, 6, 4), (3, 5, 6, 4)),
    "tokens": ((0, 1, 2, 3), (3, 5, 6, 4), (3, 5, 24)),
    "windows": ((0, 1, 2, 4, 3, 5), (3, 5, 2, 3, 2, 2), (3, 5, 4, 6)),
    "windows in rows": ((0, 1, 2, 4, 3, 5), (3, 5, 2, 3, 2, 2), (3, 5, 2, 2, 3, 2)),
    "grid": ((0, 1, 3, 5, 2, 4), (3, 5, 2, 3, 2, 2), (3, 5, 6, 4)),
    "columns first": ((0, 1, 3, 2), (3, 5, 6, 4), (3, 5, 4, 6)),
    "tokens of windows": ((0, 1, 2, 4, 3, 5), (3, 5, 2, 3, 2, 2), (3, 5, 24)),
}


@pytest.mark.parametrize("how", MOVED.values(), ids=MOVED)
def test_places_come_back_to_where_they_lie(how):
    maps, layout = moved(*how)
    places = Places.of(layout, 1)
    assert (places.map, places.ahead, places.in_image) == ((6, 4), 0, True)
    in_order = places.in_order(maps)
    assert torch.equal(in_order.flatten(2), MAPS.flatten(2))
    assert in_order.ndim == (3 if maps.ndim == 3 else 4)


@pytest.mark.parametrize("how", [MOVED["maps"], MOVED["tokens"]])
def test_what_stands_as_it_lies_is_not_copied(how):
    maps, layout = moved(*how)
    assert Places.of(layout, 1).in_order(maps) is maps


def test_maps_of_another_size_are_left_as_they_stand():
    maps, layout = moved(*MOVED["windows"])
    larger = maps.repeat(1, 1, 4, 1)
    assert Places.of(layout, 1).in_order(larger) is larger


def test_tokens_ahead():
    layout = (LAYOUT[0], (Tokens(2, (Piece("row", 6), Piece("column", 4))),), LAYOUT[1])
    assert Places.of(layout, 2) == Places(ahead=2, map=(6, 4))


def test_every_second_row_is_a_map():
    layout = regrouped(LAYOUT, (3, 5, 3, 2, 4))
    assert Places.of([layout[axis] for axis in (0, 1, 2, 4)], 1).map == (3, 4)


def test_heads_and_channels_are_no_places():
    tokens = (LAYOUT[0], LAYOUT[1], (Piece("row", 6), Piece("column", 4)))
    assert not Places.of(with_units(tokens, 2), 2).in_image
    assert not Places.of((LAYOUT[0], (Piece(OTHER, 2),), *tokens[1:]), 2).in_image


def test_features_have_no_places():
    assert Places.of(LAYOUT[:2], 1) == AS_THEY_STAND
