import os

os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib, which the plots import

import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from neuroprobe.plots import stimulus_sheet
from neuroprobe.stimuli import bars, from_function, gabors, gratings


def ticks(axes, side):
    return [text.get_text() for text in getattr(axes, f"get_{side}ticklabels")()]


def drawn(axes):
    return np.stack([image.get_array() for image in axes.get_images()])


def test_bars_stand_in_the_middle_bright_a_row_a_width():
    stimuli = bars((1, 32, 32), orientations=4, widths=[2, 4])
    axes = stimulus_sheet(stimuli)
    table = stimuli.parameters.query("position == 0 and polarity == 1").sort_values(["width", "orientation"])
    np.testing.assert_array_equal(drawn(axes), stimuli.images(table.index.to_numpy())[:, 0])
    assert (ticks(axes, "x"), ticks(axes, "y")) == (["0", "45", "90", "135"], ["2", "4"])
    assert axes.get_title() == "Bars, length 23 px, position 0 px, polarity 1"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Orientation (deg)", "Width (pixels)")
    axes.figure.canvas.draw()


def test_any_two_parameters_can_be_rows_and_columns():
    stimuli = bars((1, 32, 32), orientations=4, widths=[2, 4, 8])
    axes = stimulus_sheet(stimuli, down="polarity", across="position")
    table = stimuli.parameters.query("orientation == 0 and width == 4").sort_values(["polarity", "position"])
    np.testing.assert_array_equal(drawn(axes), stimuli.images(table.index.to_numpy())[:, 0])
    assert ticks(axes, "y") == ["\N{MINUS SIGN}1", "1"]
    assert axes.get_title() == "Bars, orientation 0 deg, width 4 px, length 19 px"


def test_places_and_endless_lengths_are_written_as_such():
    patches = stimulus_sheet(gabors(32, positions=[(-8, 2), (0, 0)], frequencies=3), down="position")
    assert ticks(patches, "y") == ["(\N{MINUS SIGN}8, 2)", "(0, 0)"]
    assert patches.get_title() == "Gabors, frequency 0.0791 cycles/pixel, phase 0 deg"
    assert stimulus_sheet(gabors(32, positions=[(3, 1)])).get_title() == "Gabors, phase 0 deg, position (3, 1) px"
    assert ticks(stimulus_sheet(bars(32, lengths=[9, math.inf]), down="length"), "y") == ["9", "\N{INFINITY}"]


def test_many_values_are_thinned_out_evenly():
    axes = stimulus_sheet(gratings(16, orientations=36, frequencies=np.arange(1, 28) / 60, phases=1))
    assert len(axes.get_images()) == 9 * 12
    assert (ticks(axes, "x")[0], ticks(axes, "x")[-1]) == ("0", "175")


def test_images_that_are_no_squares_keep_their_shape_and_lie_close():
    axes = stimulus_sheet(gratings((20, 40), orientations=3, frequencies=[0.1, 0.2]))
    left, right, bottom, top = axes.get_images()[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(2)
    assert axes.get_images()[3].get_extent()[3] == pytest.approx(0.56)  # the second row, half a side and a gap down
    assert axes.get_aspect() == 1


def test_a_set_of_a_single_parameter_is_one_row_in_its_colours():
    pictures = torch.rand(3, 3, 8, 8)
    stimuli = from_function(lambda number: pictures[int(number)], {"number": range(3)}, 8)
    axes = stimulus_sheet(stimuli)
    torch.testing.assert_close(torch.as_tensor(drawn(axes)), pictures.permute(0, 2, 3, 1))
    assert (ticks(axes, "x"), ticks(axes, "y"), axes.get_xlabel()) == (["0", "1", "2"], [], "Number")


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_channels_that_are_no_colours_are_shown_in_grey(channels):
    axes = stimulus_sheet(gratings((channels, 8, 8), orientations=3, frequencies=1))
    np.testing.assert_allclose(drawn(axes), drawn(stimulus_sheet(gratings(8, orientations=3, frequencies=1)))[..., 0])


def test_the_users_axes_are_drawn_on():
    own = Figure().add_subplot()
    assert gratings(8, orientations=3, frequencies=1).plot(own) is own


@pytest.mark.parametrize("options", [{"down": "frequence"}, {"across": "frequence"}])
def test_a_parameter_that_is_not_there_is_answered_with_the_nearest(options):
    with pytest.raises(ValueError, match="no parameter 'frequence'; the nearest are 'frequency'"):
        stimulus_sheet(gratings(8), **options)


def test_rows_and_columns_are_two_parameters():
    with pytest.raises(ValueError, match=r"no parameter 'orientation'; the nearest are .*'phase'"):
        stimulus_sheet(gratings(8), down="orientation")
