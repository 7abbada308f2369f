import numpy as np
import pytest
import torch
from torch.testing import assert_close

from neuroprobe.analysis.shifting import AXES, STILL, Move, Mover, moves, overlap

BORDERS = ["reflect", "zero", "circular"]
EVERY_MOVE = moves([-3, -1, 2])


@pytest.fixture
def images():
    return torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))


def test_a_move_to_the_right_is_a_move_of_columns():
    image = torch.zeros(1, 1, 4, 5)
    image[0, 0, 1, 2] = 1
    assert Mover("zero")(image, Move("x", 2))[0, 0, 1, 4] == 1
    assert Mover("zero")(image, Move("y", 2))[0, 0, 3, 2] == 1
    assert Mover("zero")(image, Move("y", -1))[0, 0, 0, 2] == 1


@pytest.mark.parametrize("move", EVERY_MOVE, ids=str)
@pytest.mark.parametrize(("border", "mode"), [("reflect", "reflect"), ("zero", "constant"), ("circular", "wrap")])
def test_what_enters_is_what_numpy_pads_with(images, border, mode, move):
    margins = [(abs(move.pixels),) * 2 if axis == AXES[move.axis] else (0, 0) for axis in range(4)]
    padded = torch.from_numpy(np.pad(images.numpy(), margins, mode))
    start = abs(move.pixels) - move.pixels
    expected = padded.narrow(AXES[move.axis], start, images.shape[AXES[move.axis]])
    assert_close(Mover(border)(images, move), expected, rtol=0, atol=0)


@pytest.mark.parametrize("border", BORDERS)
def test_no_move_changes_nothing(images, border):
    assert_close(Mover(border)(images, STILL), images, rtol=0, atol=0)


@pytest.mark.parametrize("border", BORDERS)
def test_the_images_given_are_not_written_to(images, border):
    before = images.clone()
    for move in (STILL, *EVERY_MOVE):
        Mover(border)(images, move).add_(0) if move != STILL else Mover(border)(images, move)
    assert_close(images, before, rtol=0, atol=0)


def test_crop_moves_a_window_over_a_larger_image(images):
    mover = Mover("crop", (2, 4))
    still = mover(images, STILL)
    assert_close(still, images[:, :, 2:4, 2:6])
    right = mover(images, Move("x", 1))
    assert_close(right[..., 1:], still[..., :-1])  # what is seen moves to the right, and what enters is real
    assert_close(right[..., 0], images[:, :, 2:4, 1])
    assert_close(mover(images, Move("y", -2)), images[:, :, 4:6, 2:6])


@pytest.mark.parametrize("border", [*BORDERS, "crop"])
@pytest.mark.parametrize("move", EVERY_MOVE, ids=str)
def test_the_overlap_of_images_moved_is_the_same(border, move):
    images = torch.rand(2, 3, 12, 14, generator=torch.Generator().manual_seed(0))
    mover = Mover(border, (6, 8) if border == "crop" else None)
    still, moved = overlap(mover(images, STILL), mover(images, move), *move)
    assert_close(still, moved, rtol=0, atol=0)
    sides = mover(images, STILL).shape
    assert still.shape[AXES[move.axis]] == sides[AXES[move.axis]] - abs(move.pixels)


def test_moves_are_all_shifts_on_x_then_on_y_in_order():
    assert moves((3, -1, np.int64(2))) == [Move(axis, shift) for axis in "xy" for shift in (-1, 2, 3)]


@pytest.mark.parametrize(
    ("shifts", "message"),
    [
        ((0, 1), r"must not hold 0.*\[0, 1\] came"),
        ((1, -1, 1), r"each shift counts once: \[1, -1, 1\]"),
        ((1.0, 2), r"whole numbers of pixels.*\(1.0, 2\) came"),
        (2, "whole numbers of pixels.*; 2 came"),
        ("12", "whole numbers of pixels.*'12' came"),
        ((), r"shifts is empty \(\(\) came\)"),
    ],
)
def test_shifts_that_are_none_are_refused(shifts, message):
    with pytest.raises(ValueError, match=message):
        moves(shifts)


@pytest.mark.parametrize(
    ("mover", "shifts", "message"),
    [
        (("reflect",), [6], "must be smaller than the images, 6x8 pixels; a shift of 6 came"),
        (("circular",), [-7], "a shift of 7 came"),
        (("zero", (6, 9)), [1], r"input_size is 6x9, and images of 6x8 came"),
        (("crop", (6, 8)), [1], "for shifts up to 1 they must have at least 8x10 pixels; 6x8 came"),
        (("crop", (2, 6)), [2], "at least 6x10 pixels; 6x8 came"),
    ],
)
def test_images_that_cannot_be_moved_that_far_are_refused(images, mover, shifts, message):
    with pytest.raises(ValueError, match=message):
        Mover(*mover).check(images, moves(shifts))


def test_images_with_just_enough_room_pass(images):
    Mover("crop", (2, 4)).check(images, moves([-2, 2]))
    Mover("reflect").check(images, moves([5]))


def test_an_unknown_border_lists_the_known():
    with pytest.raises(ValueError, match="'reflect', 'zero', 'circular', 'crop'; 'wrap' came"):
        Mover("wrap")
