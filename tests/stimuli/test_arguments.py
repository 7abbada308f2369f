import numpy as np
import pytest

from neuroprobe.stimuli.arguments import angles, axis_values, count, image_size


@pytest.mark.parametrize(
    ("given", "widened"),
    [(32, (3, 32, 32)), (np.int64(8), (3, 8, 8)), ((20, 30), (3, 20, 30)), ([1, 20, 30], (1, 20, 30))],
)
def test_a_size_is_widened_to_three_numbers(given, widened):
    assert image_size(given) == widened


@pytest.mark.parametrize("given", [0, -3, 32.5, "32", None, True, (32,), (32, 0), (1, 3, 32, 32), ()])
def test_a_size_that_is_none_is_refused_by_its_value(given):
    with pytest.raises(
        ValueError, match=rf"size must be a side.*{str(given).replace('(', '.').replace(')', '.')}.* came"
    ):
        image_size(given)


@pytest.mark.parametrize("given", [True, 0, 2.0, "4", None])
def test_what_cannot_be_a_count_is_refused(given):
    with pytest.raises(ValueError, match=f"phases as a count is a whole number, 1 or more; {given!r} came"):
        count("phases", given)


def test_a_count_is_spread_and_a_sequence_taken_as_it_is():
    def spread(number):
        return np.arange(number, dtype=float)

    assert axis_values("lengths", 3, spread).tolist() == [0, 1, 2]
    assert axis_values("lengths", [7, 5], spread).tolist() == [7, 5]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], r"lengths is a flat sequence of 1 or more values; shape \(0,\) came"),
        ([[1, 2]], r"shape \(1, 2\) came"),
        ([1, np.nan], "lengths must be finite; nan came"),
        ([np.inf, 1], "lengths must be finite; inf came"),
    ],
)
def test_a_sequence_that_is_no_axis_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        axis_values("lengths", given, np.arange)


def test_angles_are_wrapped_and_ascending():
    assert angles("orientations", [190, 45, -30], period=180).tolist() == [10, 45, 150]
    assert angles("orientations", [-1e-17, 90], period=180).tolist() == [0, 90]


@pytest.mark.parametrize(("given", "twice"), [([30, 60, 30], 30), ([10, 50, 190], 10), ([0, 90, 180 - 1e-12], 0)])
def test_an_angle_given_twice_is_refused(given, twice):
    with pytest.raises(ValueError, match=rf"orientations modulo 180 must all differ; ({twice}|180) came twice"):
        angles("orientations", given, period=180)
