import logging
from itertools import combinations

import pytest
import torch
import torchvision
from torch import nn
from torch.testing import assert_close

import neuroprobe
from neuroprobe.networks.expected import IMAGENET_MEAN, IMAGENET_STD, Expected, expected_input, network_name
from neuroprobe.preparation import normaliser, prepare
from neuroprobe.saying import say_once

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture
def images():
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def said(caplog):
    """Return a function to what was said in a test so far, as if nothing had been said before."""
    say_once.cache_clear()
    caplog.set_level(logging.WARNING, "neuroprobe")
    return lambda: caplog.messages


def normalised(images, mean, std):
    return (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())


# What is known of a network


def test_the_constants_of_imagenet():
    assert (IMAGENET_MEAN, IMAGENET_STD) == IMAGENET


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("vgg16", 224),
        ("resnet50", 224),
        ("inception_v3", 299),
        ("efficientnet_b3", 300),
        ("vit_b_16", 224),
        ("swin_v2_t", 256),
    ],
)
def test_torchvision_models_know_their_images(name, side):
    options = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):
        network = getattr(torchvision.models, name)(**options)
    assert expected_input(network) == Expected((3, side, side), *IMAGENET)


def test_a_model_with_other_normalisation():
    with torch.device("meta"):
        network = torchvision.models.efficientnet_v2_l()
    assert expected_input(network) == Expected((3, 480, 480), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize(("name", "side"), [("resnet18", 224), ("efficientnet_b1", 240), ("vit_b_32", 224)])
def test_another_number_of_classes_changes_nothing(name, side):
    with torch.device("meta"):
        network = getattr(torchvision.models, name)(num_classes=10)
    assert expected_input(network) == Expected((3, side, side), *IMAGENET)


def test_timm_models_know_their_images():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        network = timm.create_model("mixer_s32_224")
    assert expected_input(network) == Expected((3, 224, 224), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_what_is_noted_as_timm_does(said, images):
    network = plain()
    network.pretrained_cfg = {"input_size": (3, 8, 8), "mean": (0.5, 0.5, 0.5), "std": (0.1, 0.2, 0.3)}
    assert_close(prepare(network).prepared(images), normalised(images, (0.5, 0.5, 0.5), (0.1, 0.2, 0.3)))
    assert said() == []


def test_networks_of_the_user_are_not_known():
    class Own(torchvision.models.ResNet):
        pass

    assert expected_input(plain()) is None
    with torch.device("meta"):
        assert expected_input(Own(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])) is None


def test_names_are_those_noted_or_of_the_class():
    assert network_name(neuroprobe.load_network("cnn7", None)) == "cnn7"
    assert network_name(plain()) == "Sequential"


# Bringing images to a network


def test_known_normalisation(said, images):
    network = neuroprobe.load_network("cnn7")
    mean, std = network.pretrained_cfg["mean"], network.pretrained_cfg["std"]
    assert mean == (0.49125, 0.48209, 0.44652)
    assert_close(prepare(network).prepared(images), normalised(images, mean, std))
    assert said() == []


def test_unknown_normalisation_is_imagenets_and_said_once(said, images):
    prepared = [prepare(plain()).prepared(images) for _ in range(3)]
    assert_close(prepared[-1], normalised(images, *IMAGENET))
    assert len(said()) == 1
    assert "normalisation is not known, so ImageNet's is used" in said()[0]


def test_grey_images_of_unknown_normalisation_stay(said, images):
    assert_close(prepare(nn.Conv2d(1, 4, 3)).prepared(images[:, :1]), images[:, :1])
    assert len(said()) == 1


def test_none_is_none(said, images):
    assert torch.equal(prepare(plain(), preprocess=None).prepared(images), images)
    assert said() == []


def test_a_function_is_used_as_it_is(said, images):
    assert torch.equal(prepare(plain(), preprocess=lambda x: 3 * x).prepared(images), 3 * images)
    assert said() == []


def test_a_function_may_change_the_axes(images):
    assert prepare(plain(), preprocess=lambda x: x.flatten(1)).prepared(images).shape == (2, 192)


@pytest.mark.parametrize("preprocess", ["imagenet", 3])
def test_another_preprocess_is_an_error(preprocess):
    with pytest.raises(TypeError, match=f"'auto', None or a function .*; {preprocess!r} came"):
        prepare(plain(), preprocess=preprocess)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_wrong_channels(channels):
    with pytest.raises(ValueError, match=f"images must have 3 channels for this network; {channels} came"):
        normaliser(*IMAGENET)(torch.rand(2, channels, 4, 4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_images_come_in_the_precision_of_the_network(images, dtype):
    assert prepare(plain().to(dtype), preprocess=None).prepared(images.double()).dtype == dtype


def test_images_come_in_channels_last_and_parameters_stay():
    network = plain()
    prepared = prepare(network, preprocess=None).prepared(torch.rand(2, 3, 8, 8))
    assert prepared.is_contiguous(memory_format=torch.channels_last)
    assert network[0].weight.is_contiguous()


def test_a_network_that_takes_views_gets_images_as_they_are_elsewhere():
    images, labels = torch.rand(20, 3, 8, 8), torch.arange(20) % 2
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Rows(), nn.Linear(144, 2))
    recording = neuroprobe.record(model, images, ["3"], preprocess=None)
    with torch.no_grad():
        assert_close(torch.from_numpy(recording.curves["3"].to_numpy()).float(), model.eval()(images))
    for call in (neuroprobe.class_selectivity, neuroprobe.unit_impact, neuroprobe.importance):
        assert len(call(model, (images, labels), ["1"], preprocess=None).units) == 4
    last = images.contiguous(memory_format=torch.channels_last)
    assert len(neuroprobe.record(model, last, preprocess=None).units) == 4


class Rows(nn.Module):
    def forward(self, maps):
        return maps.view(len(maps), -1)


def test_images_are_copied(images):
    assert prepare(plain(), preprocess=None).prepared(images[:, :1]).data_ptr() != images.data_ptr()


def test_the_networks_own_device_needs_no_copy():
    network = plain()
    assert prepare(network, device="cpu").model is network


def test_on_another_device_a_copy_is_used():
    network = plain()
    prepared = prepare(network, device="meta")
    assert (prepared.model[0].weight.device.type, network[0].weight.device.type) == ("meta", "cpu")


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match=r"device 'cuda:99' cannot be used .*; there is cpu.*another with device="):
        prepare(plain(), device="cuda:99")
    with pytest.raises(ValueError, match=r"device 'gpu' cannot be used .*'?gpu"):
        prepare(plain(), device="gpu")


@pytest.mark.parametrize("device", [None, "cpu"])
def test_a_network_without_values(device):
    network = plain()
    network[0].to("meta")
    said = r"of Sequential 2 of 2 tensors \(0\.weight, \.\.\.\) are on the meta device and hold no values"
    with pytest.raises(ValueError, match=said):
        prepare(network, device=device)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int8])
def test_a_precision_to_run_in_is_a_lower_one(dtype):
    with pytest.raises(ValueError, match=f"None for the network's own; {dtype} came"):
        prepare(plain(), dtype=dtype)


@pytest.mark.parametrize("image", [torch.zeros, torch.ones, torch.rand], ids=["black", "white", "noise"])
def test_images_that_are_not_alike(image):
    prepared, image = prepare(plain(), preprocess=None), image(1, 3, 8, 8)
    state = torch.get_rng_state()
    some = prepared.unlike(image)
    assert torch.equal(some[:1], image)
    assert min((one - other).std() for one, other in combinations(some, 2)) > 0.05
    assert some.min() >= 0
    assert some.max() <= 1
    assert torch.equal(torch.get_rng_state(), state)
