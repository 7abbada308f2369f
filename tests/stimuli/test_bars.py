import math

import numpy as np
import pytest
import torch

from neuroprobe.stimuli import bars

ANGLES = 36


def ink(stimuli):
    """How far each image is from the blank, summed over its pixels, in units of the mean level: (*shape,)."""
    images = torch.cat(list(stimuli.batches()))[:, 0].double()
    level = stimuli.blank_level
    return ((images - level).sum((1, 2)) / level / stimuli.settings["contrast"]).numpy().reshape(stimuli.shape)


def one(**given):
    settings = {"orientations": 4, "widths": [3], "lengths": [9], "positions": [0], "polarities": [1]} | given
    size = settings.pop("size", (1, 21, 21))
    stimuli = bars(size, **settings)
    return {row.orientation: stimuli[row.Index][0] for row in stimuli.parameters.itertuples()}


def test_the_default_set():
    stimuli = bars(224)
    assert list(stimuli.axes) == ["orientation", "width", "length", "position", "polarity"]
    np.testing.assert_array_equal(stimuli.axes["orientation"], 15 * np.arange(12))
    np.testing.assert_allclose(stimuli.axes["width"], [2, 4, 8])
    np.testing.assert_array_equal(stimuli.axes["length"], [math.floor(2 * math.sqrt(111.5**2 - 12**2))])
    np.testing.assert_array_equal(stimuli.axes["position"], [-8, -4, 0, 4, 8])
    np.testing.assert_array_equal(stimuli.axes["polarity"], [-1, 1])
    assert stimuli.settings == {"contrast": 1.0, "mean": 0.5, "window": None}
    assert stimuli.pooled == ("position", "polarity")


@pytest.mark.parametrize("width", [0.5, 1, 1.5, 2, 5])
@pytest.mark.parametrize("length", [2.7, 11, 20])
@pytest.mark.parametrize("size", [(1, 32, 32), (1, 33, 41)])
def test_a_turned_bar_has_the_same_ink_at_every_angle(size, length, width):
    stimuli = bars(size, orientations=ANGLES, widths=[width], lengths=[length], positions=[-6, -0.3, 0, 6])
    found = ink(stimuli)[:, 0, 0]
    np.testing.assert_allclose(found[..., 1], width * length, rtol=1e-4)  # 0.5% is what is promised
    np.testing.assert_allclose(found[..., 0], -width * length, rtol=1e-4)


def test_orientation_is_that_of_the_long_axis_counter_clockwise_from_horizontal():
    images = one()
    assert torch.equal(images[0][10], (torch.arange(21) - 10).abs().le(4) / 2 + 0.5)  # nine pixels along the row
    assert (images[0] > 0.5).sum() == 27
    torch.testing.assert_close(images[90], images[0].T)
    rising = images[45]
    assert rising[10 - 2, 10 + 2] == 1  # up and to the right
    assert rising[10 + 2, 10 + 2] == 0.5


def test_an_edge_on_a_pixel_covers_its_share():
    thin = one(widths=[0.5], lengths=[4])[0]
    assert thin[10, 8:13].tolist() == [0.625, 0.75, 0.75, 0.75, 0.625]
    assert thin[9, 10] == 0.5


@pytest.mark.parametrize(("orientation", "row", "column"), [(0, 10 - 5, 10), (90, 10, 10 - 5)])
def test_position_runs_along_the_orientation_and_90(orientation, row, column):
    image = one(orientations=[0, 45, 90], positions=[5], lengths=[5], widths=[1])[orientation]
    assert image[row, column] == 1
    assert image[10, 10] == 0.5


def test_a_bar_turned_by_180_degrees_lies_at_minus_its_position():
    nearly, start = (
        bars((1, 21, 21), orientations=[angle, 60, 120], positions=[-4, 4], lengths=[7], widths=[2])
        for angle in (180 - 1e-7, 0)
    )
    last = len(nearly.axes["orientation"]) - 1
    turned, straight = (stimuli.images(range(len(stimuli))).reshape(3, 2, 2, 21, 21) for stimuli in (nearly, start))
    torch.testing.assert_close(turned[last, 0], straight[0, 1])


def test_polarity_contrast_and_mean_set_the_level():
    stimuli = bars((1, 21, 21), widths=[3], lengths=[9], positions=[0], contrast=0.5, mean=0.4)
    dark, bright = stimuli.images([0, 1])[:, 0, 10, 10].tolist()
    assert (dark, bright) == (pytest.approx(0.2), pytest.approx(0.6))
    assert (stimuli.blank == 0.4).all()


def test_an_endless_bar_crosses_the_image_and_has_more_ink_on_the_diagonal():
    stimuli = bars((1, 33, 33), orientations=[0, 45, 90], widths=[2], lengths=[math.inf], positions=[0], polarities=[1])
    straight, diagonal, upright = ink(stimuli).ravel()
    assert straight == upright == pytest.approx(66)
    assert diagonal == pytest.approx(2 * 33 * math.sqrt(2) - 2, abs=0.01)  # its ends are cut off at the corners


def test_a_circular_window_gives_endless_bars_the_same_ink_to_one_percent():
    stimuli = bars(
        (1, 32, 32),
        orientations=ANGLES,
        widths=[1, 2, 8],
        lengths=[math.inf],
        positions=[-4, 0, 4],
        polarities=[1],
        window="circular",
    )
    found = ink(stimuli)[:, :, 0, :, 0]
    assert (np.ptp(found, axis=0) / found.mean(0)).max() < 0.01


def test_lengths_are_halved_from_the_longest_that_fits():
    stimuli = bars(64, widths=[2], positions=[0], lengths=3)
    longest = math.floor(2 * math.sqrt(31.5**2 - 1))
    assert stimuli.axes["length"].tolist() == [longest / 4, longest / 2, longest]
    assert bars(64, lengths=[math.inf, 5]).axes["length"].tolist() == [5, math.inf]


def test_counts_spread_and_single_values_stand():
    stimuli = bars(32, widths=4, positions=3, polarities=1, orientations=6)
    np.testing.assert_allclose(stimuli.axes["width"], [2, 2 * 4 ** (1 / 3), 2 * 4 ** (2 / 3), 8])
    assert stimuli.axes["position"].tolist() == [-8, 0, 8]
    assert stimuli.axes["polarity"].tolist() == [1]
    assert bars(32, positions=1).axes["position"].tolist() == [0]
    small = bars(20)  # where a quarter of the side is less than 8
    assert small.axes["position"].tolist() == [-5, -2.5, 0, 2.5, 5]
    np.testing.assert_allclose(small.axes["width"], [1.25, 2.5, 5])


def test_single_precision_draws_the_same_bars():
    stimuli = bars((1, 40, 40), orientations=ANGLES, widths=[1, 3])
    double = {name: torch.tensor(values.to_numpy()) for name, values in stimuli.parameters.items()}
    single = stimuli.draw({name: values.float() for name, values in double.items()})
    torch.testing.assert_close(single, stimuli.draw(double), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"widths": [0, 2]}, "widths must be above 0; 0 came"),
        ({"widths": [2, -1]}, "-1 came"),
        ({"widths": [2, 2]}, "widths must all differ; 2 came twice"),
        ({"widths": 2.5}, "widths as a count .* 2.5 came"),
        ({"widths": [np.nan]}, "widths must be finite; nan came"),
        ({"lengths": [30]}, "up to length 19; 30 came .*math.inf"),
        ({"lengths": [np.nan]}, "lengths must be finite; nan came"),
        ({"lengths": [-np.inf]}, "lengths must be finite; -inf came"),
        ({"lengths": [0]}, "lengths must be above 0; 0 came"),
        ({"lengths": [math.inf, math.inf]}, "lengths must all differ"),
        ({"lengths": [[5]]}, r"lengths .* shape \(1, 1\) came"),
        ({"lengths": 0}, "lengths as a count .* 0 came"),
        ({"positions": [0, 14]}, "up to 15.5 pixels from its origin; position 14 with width 8 reaches 18"),
        ({"widths": [40]}, "position 8 with width 40 reaches 28"),
        ({"positions": []}, r"positions .* shape \(0,\) came"),
        ({"lengths": 10}, r"below a pixel; 10 came: for one length of 10 pixels give \[10\]"),
        ({"polarities": [0]}, r"polarities are 1 \(bright\), -1 \(dark\) or both; \[0\] came"),
        ({"polarities": 3}, "3 came"),
        ({"polarities": [1, 1]}, "polarities must all differ; 1 came twice"),
        ({"orientations": 2}, "2 came"),
        ({"contrast": 2}, "2 came"),
        ({"mean": 0.7}, "0 to 1.4"),
        ({"window": "square"}, "'square' came"),
    ],
)
def test_what_is_no_bar_is_refused_by_its_value(given, message):
    with pytest.raises(ValueError, match=message):
        bars(32, **given)
