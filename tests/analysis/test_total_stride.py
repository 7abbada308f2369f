import pytest
import torch
import torchvision
from torch import nn

import neuroprobe
from neuroprobe.analysis.total_stride import total_strides
from neuroprobe.preparation import prepare


def strides(model, size, preprocess=None):
    prepared, image = prepare(model, preprocess=preprocess), torch.full((1, 3, *size), 0.5)
    with prepared.at_rest():
        return total_strides(prepared, prepared.layers(image, None), image)


def test_unpadded_layers_have_the_product_of_their_strides():
    found = strides(neuroprobe.load_network("cnn7"), (32, 32))
    expected = dict(zip(range(1, 7), (1, 2, 2, 4, 4, 8), strict=True))  # maps of 30, 14, 12, 5, 3, 1 pixels
    assert {name: found[name] for name in found if "relu" in name} == {
        f"relu{number}": (stride, stride) for number, stride in expected.items()
    }


def test_strides_by_slicing_and_by_functions_count_too():
    found = strides(neuroprobe.load_network("resnet20", None), (32, 32))
    assert [found[f"layer{stage}.0/relu:1"] for stage in (1, 2, 3)] == [(1, 1), (2, 2), (4, 4)]


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_padding_makes_no_difference(padding, stride):
    network = nn.Sequential(
        nn.Conv2d(3, 2, 5, stride, padding), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU()
    )
    assert strides(network, (31, 45)) == {
        "0": (stride, stride), "1": (stride, stride), "2": (2 * stride,) * 2, "3": (2 * stride,) * 2,
    }  # fmt: skip


def test_rows_and_columns_are_apart():
    assert strides(nn.Sequential(nn.Conv2d(3, 2, 3, (2, 1)), nn.ReLU()), (16, 16))["1"] == (2, 1)


def test_a_torchvision_network_of_any_input_and_one_of_a_fixed_one():
    vgg = strides(torchvision.models.vgg11(num_classes=10), (64, 64))
    assert (vgg["features.1"], vgg["features.19"], vgg["features.20"]) == ((1, 1), (16, 16), (32, 32))
    assert "classifier.1" not in vgg  # no map
    vit = torchvision.models.VisionTransformer(32, 8, 1, 2, 16, 32)
    assert strides(vit, (32, 32))["conv_proj"] == (8, 8)  # it takes no larger image: 32 pixels over 4 places


def test_where_neither_comes_out_even_there_is_none():
    class Fixed(nn.Module):
        def forward(self, x):
            return nn.functional.adaptive_avg_pool2d(x, 5)

    assert strides(nn.Sequential(Fixed(), nn.ReLU()), (32, 35))["1"] == (None, 7)


def test_preprocessing_that_resizes_counts_pixels_as_they_came():
    network = nn.Sequential(nn.Conv2d(3, 2, 2, 2), nn.ReLU())
    doubled = strides(network, (16, 16), lambda images: nn.functional.interpolate(images, size=(32, 32)))
    assert doubled["1"] == (1, 1)


def test_the_model_is_left_as_it_was_found(left_alone):
    network = neuroprobe.load_network("cnn7").train()
    with left_alone(network):
        strides(network, (32, 32))
