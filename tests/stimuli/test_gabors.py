import numpy as np
import pytest
import torch

from neuroprobe.stimuli import gabors, gratings


def test_without_positions_the_axes_are_those_of_gratings():
    ours, theirs = gabors(48), gratings(48)
    assert list(ours.axes) == list(theirs.axes)
    assert (ours.pooled, ours.coordinates) == (("phase",), {})
    assert ours.settings == {"contrast": 1.0, "mean": 0.5, "sigma": 8.0}


def test_a_patch_at_the_origin_is_a_grating_under_a_gaussian_window():
    some = range(0, 576, 17)
    torch.testing.assert_close(gabors(48).images(some), gratings(48, window="gaussian").images(some))


def test_every_pixel_follows_the_formula():
    place, sigma, frequency, phase, orientation = (-7.5, 4), 5.0, 0.12, 40, 25
    stimuli = gabors(
        (1, 40, 50),
        frequencies=[frequency],
        orientations=[orientation, 85, 145],
        phases=[phase],
        positions=[place],
        sigma=sigma,
        contrast=0.8,
        mean=0.4,
    )
    x, y = np.arange(50) - 25 - place[0], (20 - np.arange(40) - place[1])[:, None]
    wave = np.deg2rad(orientation + 90)
    carrier = np.cos(2 * np.pi * frequency * (x * np.cos(wave) + y * np.sin(wave)) + np.deg2rad(phase))
    expected = 0.4 * (1 + 0.8 * np.exp(-(x**2 + y**2) / (2 * sigma**2)) * carrier)
    np.testing.assert_allclose(stimuli[0][0], expected, atol=1e-6)
    assert (stimuli.blank == 0.4).all()


def test_a_patch_moves_with_its_position():
    stimuli = gabors((1, 41, 41), frequencies=[0.1], positions=[(0, 0), (6, 5)], sigma=3)
    table = stimuli.parameters
    assert table.loc[1, ["position", "x", "y"]].tolist() == [1, 6, 5]
    here, there = stimuli.images([2, 3])[:, 0]  # the same patch in both places
    torch.testing.assert_close(there[:-5, 6:], here[5:, :-6])


def test_positions_keep_their_order_and_their_coordinates():
    stimuli = gabors(32, positions=[(4, 0), (-8, 2), (0, 0)])
    assert stimuli.axes["position"].tolist() == [0, 1, 2]
    assert {name: (axis, values.tolist()) for name, (axis, values) in stimuli.coordinates.items()} == {
        "x": ("position", [4, -8, 0]),
        "y": ("position", [0, 2, 0]),
    }
    assert stimuli.searched == ("frequency", "position")
    assert stimuli.describe()["coordinates"]["x"] == ["position", [4, -8, 0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sigma": 0}, "sigma must be a number of pixels above 0; 0 came"),
        ({"sigma": np.nan}, "nan came"),
        ({"sigma": np.inf}, "inf came"),
        ({"sigma": "3"}, "'3' came"),
        ({"positions": "ab"}, "'ab' came"),
        ({"positions": [(0, 0), (1,)]}, r"\[\(0, 0\), \(1,\)\] came"),
        ({"positions": []}, r"\(x, y\) pairs, one or more; an array of shape \(0,\) came"),
        ({"positions": [1, 2]}, r"shape \(2,\) came"),
        ({"positions": [(1, 2, 3)]}, r"shape \(1, 3\) came"),
        ({"positions": [(0, 0), (17, 0)]}, r"up to 16 and 16 pixels from its origin; \(17.0, 0.0\) came"),
        ({"positions": [(0, np.nan)]}, r"\(0.0, nan\) came"),
        ({"positions": [(1, 2), (0, 0), (1, 2)]}, r"positions must all differ; \(1.0, 2.0\) came twice"),
        ({"frequencies": [0.6]}, "0.6 came"),
        ({"orientations": [0, 90]}, r"shape \(2,\) came"),
        ({"phases": [0, 360]}, "0 came twice"),
        ({"contrast": 0}, "0 came"),
    ],
)
def test_what_makes_no_patch_is_refused_by_its_value(given, message):
    with pytest.raises(ValueError, match=message):
        gabors(32, **given)
