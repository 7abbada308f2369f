import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import neuroprobe
from neuroprobe import plots


@pytest.fixture
def cnn7():
    return neuroprobe.load_network("cnn7")


def oriented(channels=3, frequency=0.25):
    """A network whose unit 0 prefers 0 degrees (horizontal stripes), unit 1 90 degrees, and whose unit 2 is dead."""
    wave = torch.cos(2 * torch.pi * frequency * torch.arange(8.0))
    vertical = wave.expand(8, 8)
    filters = torch.stack([vertical.T, vertical, torch.zeros(8, 8)])[:, None].repeat(1, channels, 1, 1)
    convolution = nn.Conv2d(channels, 3, 8, bias=False)
    convolution.weight.data = filters / 64
    return nn.Sequential(convolution, nn.ReLU())


def tuned(model, channels=3):
    return neuroprobe.orientation(
        model, input_size=(channels, 32, 32), preprocess=None, permutations=0, progress=False, layers=["1"]
    )


def shapes(axes):
    return [path.vertices for path in axes.collections[1].get_paths()]


def said(axes):
    return [text.get_text() for text in axes.texts]


def test_a_curve_points_along_the_stripes_of_its_filter():
    model = oriented()
    axes = plots.first_layer_filters(tuned(model), model, [0, 1, 2])
    horizontal, vertical = (np.ptp(shape, axis=0) for shape in shapes(axes))
    assert horizontal[0] > 3 * horizontal[1]
    assert vertical[1] > 3 * vertical[0]
    assert len(axes.collections[0].get_segments()) == 3  # of the dead unit the rim alone
    pictures = [image.get_array() for image in axes.get_images()]
    assert np.ptp(pictures[0], axis=1).max() == 0  # horizontal stripes: rows are constant
    assert np.ptp(pictures[1], axis=0).max() == 0
    assert (pictures[2] == 0.5).all()
    assert said(axes)[2] == "2, none"


def test_a_unit_whose_response_is_too_small_to_count_has_the_rim_alone():
    model = oriented()
    model[0].weight.data[2] = model[0].weight.data[0] / 1000
    axes = plots.first_layer_filters(tuned(model), model, [0, 1, 2])
    assert len(shapes(axes)) == 2
    assert said(axes)[2] == "2, none"


@pytest.mark.parametrize(("channels", "shape"), [(1, (8, 8)), (3, (8, 8, 3)), (4, (8, 8))])
def test_filters_are_in_colour_where_there_are_three_channels(channels, shape):
    model = oriented(channels)
    axes = plots.first_layer_filters(tuned(model, channels), model)
    pictures = [image.get_array() for image in axes.get_images()]
    assert {picture.shape for picture in pictures} == {shape}
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in pictures)


def test_by_default_the_most_selective_units_come_first(trained_tuning, cnn7):
    axes = plots.first_layer_filters(trained_tuning, cnn7)
    best = trained_tuning.units.loc["relu1"]["gosi"].sort_values(ascending=False)
    assert [int(text.split(",")[0]) for text in said(axes)] == best.index.tolist()
    assert axes.get_title() == "Filters of conv1, tuning of relu1 (unit, gOSI)"
    axes.figure.canvas.draw()


def test_units_and_axes_may_be_chosen(trained_tuning, cnn7):
    own = Figure((7, 1)).add_subplot()
    axes = plots.first_layer_filters(trained_tuning, cnn7, trained_tuning.top("relu1", 6), ax=own)
    assert axes is own
    assert len({image.get_extent()[3] for image in axes.get_images()}) == 1  # a single row fills a broad figure
    with pytest.raises(ValueError, match="first layer, 'relu1'; some of 'relu2' came"):
        plots.first_layer_filters(trained_tuning, cnn7, trained_tuning.top("relu2", 1))


def test_the_non_linearity_is_taken_where_several_layers_have_the_units(cnn7):
    tuning = neuroprobe.orientation(cnn7, ["conv1", "relu1", "bn1"], permutations=0, progress=False)
    assert plots.first_layer_filters(tuning, cnn7, 0).get_title() == "Filters of conv1, tuning of relu1 (unit, gOSI)"


def test_what_has_no_first_filters_is_an_error(cnn7):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4), nn.ReLU())
    with pytest.raises(ValueError, match="begins with a convolution is wanted; Sequential begins otherwise"):
        plots.first_layer_filters(
            neuroprobe.orientation(flat, input_size=32, preprocess=None, permutations=0, progress=False), flat
        )
    later = neuroprobe.orientation(cnn7, ["relu2"], permutations=0, progress=False)
    with pytest.raises(ValueError, match=r"units in conv1, relu1, bn1, none of which was measured \(relu2 came"):
        plots.first_layer_filters(later, cnn7)
