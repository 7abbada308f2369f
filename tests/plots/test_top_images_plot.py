import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import neuroprobe
from neuroprobe import plots


@pytest.fixture
def spots():
    """Ten images, each with one bright pixel: number i is i + 1 tenths bright at row i, column 15 - i."""
    images = torch.zeros(10, 3, 16, 16)
    for number in range(10):
        images[number, :, number, 15 - number] = (number + 1) / 10
    return images, torch.arange(10) % 3


def seeing():
    """A network whose unit 0 passes the red channel on, whose unit 1 never responds."""
    convolution = nn.Conv2d(3, 2, 5, padding=2, bias=False)
    convolution.weight.data.zero_()
    convolution.weight.data[0, 0] = 1e-3  # so that all of the field is seen
    convolution.weight.data[0, 0, 2, 2] = 1
    return nn.Sequential(convolution, nn.ReLU())


def recorded(data, **options):
    return neuroprobe.record(seeing(), data, ["1"], reducers=["top_images"], preprocess=None, progress=False, **options)


def marks(axes):
    return [path.vertices for path in axes.collections[-1].get_paths()]


def said(axes):
    return [text.get_text() for text in axes.texts]


def test_the_strongest_images_come_first_with_their_classes_and_the_place_marked(spots):
    axes = plots.top_images(recorded(spots), spots, "1", 0)
    pictures = [image.get_array() for image in axes.get_images()]
    assert [round(float(picture.max()), 1) for picture in pictures] == [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    assert said(axes) == [str(number % 3) for number in range(9, 0, -1)]
    ring = (marks(axes)[0].min(0) + marks(axes)[0].max(0)) / 2  # image 9: row 9, column 6
    np.testing.assert_allclose(ring, [6.5 / 16, -9.5 / 16])
    assert axes.get_title(loc="left") == "1, marked: place of the maximum"
    axes.figure.canvas.draw()


def test_with_the_model_the_mark_is_the_receptive_field_as_far_as_the_image_goes(spots):
    axes = plots.top_images(recorded(spots), spots, "1", 0, seeing())
    boxes = [16 * np.array([mark.min(0), mark.max(0)]) for mark in marks(axes)]
    np.testing.assert_allclose(boxes[0], [[4, -12], [9, -7]])  # rows 7 to 11, columns 4 to 8
    ninth = boxes[8] - [16 * 8 * 1.06, 0]  # image 1: row 1, column 14
    np.testing.assert_allclose(ninth, [[12, -4], [16, 0]], atol=1e-9)
    assert axes.get_title(loc="left").endswith("receptive field of the maximum")


def test_a_unit_without_response_has_no_images(spots):
    axes = plots.top_images(recorded(spots), spots, "1", [0, 1])
    assert len(axes.get_images()) == 9
    assert said(axes)[-1] == "No response"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["unit 0", "unit 1"]
    silent = plots.top_images(recorded(spots), spots, "1", 1)
    assert said(silent) == ["No response"]
    silent.figure.canvas.draw()


def test_a_slice_of_the_table_may_span_layers():
    network, images = neuroprobe.load_network("cnn7"), torch.rand(12, 3, 32, 32)
    recording = neuroprobe.record(network, images, ["relu2", "relu7"], reducers=["top_images"], progress=False)
    chosen = recording.units.loc[[("relu2", 3), ("relu7", 5)]]
    axes = plots.top_images(recording, images, units=chosen)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["relu2\nunit 3", "relu7\nunit 5"]
    assert axes.get_title(loc="left") == "Marked: place of the maximum"
    with pytest.raises(ValueError, match="which of the 2 layers is meant"):
        plots.top_images(recording, images)


def test_long_names_are_cut_and_open_no_formula(spots):
    data = torch.utils.data.TensorDataset(*spots)
    data.classes = ["a$b$", "a very long name", "c"]
    axes = plots.top_images(recorded(data), data, "1", 0, ax=Figure().add_subplot())
    assert set(said(axes)) == {r"a\$b\$", "a very lo…", "c"}


def test_images_outside_0_to_1_and_in_one_channel_can_be_shown():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    network[0].weight.data.fill_(1), network[0].bias.data.fill_(5)
    images = torch.randn(4, 1, 8, 8)
    recording = neuroprobe.record(network, images, ["1"], reducers=["top_images"], preprocess=None, progress=False)
    pictures = [image.get_array() for image in plots.top_images(recording, images).get_images()]
    assert {picture.shape for picture in pictures} == {(8, 8)}
    assert all((picture.min(), picture.max()) == (0, 1) for picture in pictures)


def test_photographs_of_the_best_class_are_found(photographs):
    images, labels = photographs[0][:500], photographs[1][:500]
    network = neuroprobe.load_network("cnn7")
    classes = neuroprobe.class_selectivity(network, (images, labels), ["relu7"], permutations=0, progress=False)
    unit = int(classes.top("relu7", 1).index[0][1])
    recording = neuroprobe.record(network, (images, labels), ["relu7"], reducers=["top_images"], progress=False)
    names = said(plots.top_images(recording, (images, labels), "relu7", unit))
    preferred = str(classes.units.loc[("relu7", unit), "preferred_class"])
    assert names.count(preferred) >= 7
