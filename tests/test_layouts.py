"""The algebra of axes, on layouts whose answer is known by counting."""

import pytest
import torch

from neuroprobe.layouts import (
    IMAGE,
    OTHER,
    PLACE,
    UNIT,
    Piece,
    Tokens,
    indexed,
    joined,
    length_of,
    of_images,
    regrouped,
    resized,
    unit_axis_of,
    usual,
    with_units,
)

IMAGES, UNITS = (Piece(IMAGE, 3),), (Piece(UNIT, 8),)
ROWS, COLUMNS = Piece("row", 6), Piece("column", 4)
MAPS = (IMAGES, UNITS, (ROWS,), (COLUMNS,))  # (3, 8, 6, 4)
TOKENS = (IMAGES, (ROWS, COLUMNS), UNITS)  # (3, 24, 8)
BEHIND = (IMAGES, (Tokens(2, (ROWS, COLUMNS)),), UNITS)  # (3, 26, 8)


def shape(layout):
    return tuple(map(length_of, layout))


def test_images_are_laid_out_as_given():
    assert of_images((3, 8, 6, 4)) == MAPS
    assert of_images((3, 8)) == (IMAGES, UNITS)


@pytest.mark.parametrize(("given", "axis"), [((3, 8, 6, 4), 1), ((3, 24, 8), 2), ((3, 8), 1)])
def test_what_is_unknown_is_as_usual(given, axis):
    layout = usual(given, 3)
    assert shape(layout) == given
    assert unit_axis_of(layout) == axis
    assert layout[0] == IMAGES


def test_the_first_axis_of_another_length_counts_no_images():
    assert usual((5, 8), 3)[0] == (Piece(OTHER, 5),)


# Reshapes


def test_maps_become_tokens_and_maps_again():
    flat = regrouped(MAPS, (3, 8, 24))
    assert flat == (IMAGES, UNITS, (ROWS, COLUMNS))
    assert regrouped(flat, (3, 8, 6, 4)) == MAPS


def test_units_part_into_heads_and_join_again():
    parted = regrouped(TOKENS, (3, 24, 2, 4))
    assert parted[2:] == ((Piece(UNIT, 2, 4),), (Piece(UNIT, 4),))
    assert regrouped(parted, (3, 24, 8)) == TOKENS


def test_windows_are_cut_and_put_together():
    parted = regrouped(MAPS, (3, 8, 2, 3, 2, 2))  # rows in two windows of three, columns in two of two
    axes = [parted[axis] for axis in (0, 2, 4, 3, 5, 1)]
    windows = regrouped(axes, (12, 6, 8))
    assert windows[0] == (Piece(IMAGE, 3), Piece("row", 2, 3), Piece("column", 2, 2))
    back = regrouped(windows, (3, 2, 2, 3, 2, 8))
    assert regrouped([back[axis] for axis in (0, 5, 1, 3, 2, 4)], (3, 8, 6, 4)) == MAPS


def test_channels_that_are_shuffled_are_units_still():
    groups = regrouped(MAPS, (3, 2, 4, 6, 4))
    shuffled = regrouped([groups[axis] for axis in (0, 2, 1, 3, 4)], (3, 8, 6, 4))
    assert unit_axis_of(shuffled) == 1
    assert len(shuffled[1]) == 2  # in another order than before


@pytest.mark.parametrize("given", [(3, 12, 4, 4), (3, 5, 5, 8), (0, 8, 6, 4), (3, 8, 25)])
def test_a_cut_through_a_part_is_not_followed(given):
    assert regrouped(MAPS, given) is None


def test_tokens_ahead_stay_where_they_are():
    merged = regrouped(BEHIND, (78, 8))
    assert regrouped(merged, (3, 26, 8)) == BEHIND
    assert regrouped(BEHIND, (3, 13, 16)) is None


def test_axes_of_length_one():
    pooled = resized(MAPS, (3, 8, 1, 1))
    assert shape(regrouped(pooled, (3, 8))) == (3, 8)
    assert regrouped(regrouped(pooled, (3, 8)), (3, 8, 1, 1))[:2] == (IMAGES, UNITS)
    one = of_images((1, 8, 6, 4))  # a single image
    assert regrouped(one, (1, 8, 24))[0] == (Piece(IMAGE, 1),)
    assert unit_axis_of(of_images((3, 1, 6, 4))) == 1


# Other changes


def test_what_mixes_all_units_makes_new_ones():
    turned = (IMAGES, UNITS, (ROWS, COLUMNS))
    mixed = with_units(turned, -1)  # a linear map over places
    assert unit_axis_of(mixed) == 2
    assert mixed[1] == (Piece(OTHER, 8),)


def test_axes_that_change_in_length_count_the_same():
    assert resized(MAPS, (3, 5, 3, 2)) == (IMAGES, (Piece(UNIT, 5),), (Piece("row", 3),), (Piece("column", 2),))
    assert resized(TOKENS, (3, 6, 8))[1] == (Piece(PLACE, 6),)  # places, in an order that is not known
    assert resized(BEHIND, (3, 24, 8)) == TOKENS
    assert resized(BEHIND, (3, 2, 8))[1] == (Piece(OTHER, 2),)


INDICES = (
    0,
    None,
    slice(1, 3),
    (slice(None), 1),
    (slice(None), slice(2, None)),
    (..., 0),
    (..., None, slice(2)),
    (slice(None), None, slice(None), 0),
    (..., slice(0, None, 2), slice(1, None, 2)),
)


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("layout", [MAPS, TOKENS, BEHIND], ids=["maps", "tokens", "behind"])
def test_an_index_gives_the_shape_that_torch_gives(layout, index):
    expected = tuple(torch.empty(shape(layout))[index].shape)
    assert shape(indexed(layout, index, expected)) == expected


def test_indices_of_axes():
    assert indexed(MAPS, (slice(None), slice(None), 0), (3, 8, 4)) == (IMAGES, UNITS, (COLUMNS,))
    assert indexed(MAPS, torch.tensor([0]), (1, 8, 6, 4)) is None


def test_slices_of_tokens_ahead():
    assert indexed(BEHIND, (slice(None), slice(2, None)), (3, 24, 8)) == TOKENS
    assert indexed(BEHIND, (slice(None), slice(1, None)), (3, 25, 8))[1] == (Tokens(1, (ROWS, COLUMNS)),)
    assert indexed(BEHIND, (slice(None), slice(0, 2)), (3, 2, 8))[1] == (Piece(OTHER, 2),)


# Joining


def test_tensors_of_parameters_ahead_of_places_are_tokens():
    assert joined([None, None, TOKENS], [1, 1, 24], 1) == BEHIND
    assert joined([None, BEHIND], [4, 26], 1)[1] == (Tokens(6, (ROWS, COLUMNS)),)


def test_a_class_token_that_was_cut_off_is_one_again():
    first, rest = (indexed(BEHIND, (slice(None), cut), (3, n, 8)) for cut, n in ((slice(0, 2), 2), (slice(2, 26), 24)))
    assert joined([first, None, rest], [2, 3, 24], 1)[1] == (Tokens(5, (ROWS, COLUMNS)),)


def test_channels_that_are_joined_are_units():
    assert joined([MAPS, MAPS, None], [8, 8, 2], 1) == (IMAGES, (Piece(UNIT, 18),), (ROWS,), (COLUMNS,))
    assert joined([None, MAPS], [2, 8], -3)[1] == (Piece(UNIT, 10),)


def test_places_that_are_joined_are_in_no_known_order():
    assert joined([TOKENS, TOKENS], [24, 24], 1)[1] == (Piece(PLACE, 48),)
    assert joined([TOKENS, None], [24, 1], 1)[1] == (Piece(PLACE, 25),)
