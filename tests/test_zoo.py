"""A dozen and more of the networks of benchmarks/zoo.py through all its checks; and what these do not let pass."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.models import MaxVit
from zoo_checks import STAGES, Specimen, awakened, check_recorded_means, check_units, left_alone

from neuroprobe.addresses import dry_run
from neuroprobe.networks.expected import IMAGENET_MEAN, IMAGENET_STD, Expected, note_expected

SIDE = 64
NETWORKS = (
    "squeezenet1_1",
    "shufflenet_v2_x0_5",  # channels in groups, shuffled
    "mobilenet_v3_small",  # gates
    "googlenet",  # functional activations
    "densenet121",
    "convnext_tiny",  # channels last
    "swin_t",
    "timm:seresnet18",
    "timm:regnety_002",
    "timm:ghostnet_050",
    "timm:repvgg_a0",
    "timm:edgenext_xx_small",
    "timm:deit_tiny_distilled_patch16_224",  # two tokens ahead
    "timm:mixer_s32_224",  # a linear map over places
    "timm:test_vit3",  # a class token and registers
    "timm:test_nfnet",
    "timm:test_coatnet",
    "timm:test_maxvit",
)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_pass_all_checks(name):
    specimen = Specimen.of(name, SIDE)
    for check in STAGES.values():
        check(specimen)


def test_windows_pass_all_checks():
    """The windows of torchvision's MaxViT, in a small one."""
    torch.manual_seed(0)
    network = MaxVit((64, 64), 8, 4, [8, 16], [1, 1], 8, 0.2, num_classes=10).eval()
    expected = Expected((3, 64, 64), IMAGENET_MEAN, IMAGENET_STD)
    specimen = Specimen("small MaxViT", awakened(note_expected(network, "small MaxViT", expected)), expected.size)
    assert any(layer.places.order for layer in specimen.layers)
    for check in STAGES.values():
        check(specimen)


# The checks themselves


@pytest.fixture
def specimen():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
    return Specimen("small", note_expected(network, "small", Expected((3, 8, 8), (0.5,) * 3, (1.0,) * 3)), (3, 8, 8))


class NormAct(nn.BatchNorm2d):
    """A normalisation with its activation inside, as in timm."""

    def __init__(self, channels):
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(super().forward(x))


class Joined(nn.Module):
    """The units of a norm around an activation are not those of the convolution before it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), NormAct(11)

    def forward(self, x):
        return self.norm(torch.cat([self.conv(x), x], 1))


class Halved(nn.Module):
    """A gated linear unit: half of the units of a convolution meet the activation, the first or the second half."""

    def __init__(self, half):
        super().__init__()
        self.conv, self.act, self.half = nn.Conv2d(3, 16, 3, padding=1), nn.SiLU(), half

    def forward(self, x):
        halves = list(self.conv(x).chunk(2, 1))
        return self.act(halves.pop(self.half)) * halves[0]


@pytest.mark.parametrize("make", [Joined, lambda: Halved(0), lambda: Halved(1)], ids=["joined", "first", "second"])
def test_units_come_from_the_module_that_made_them(specimen, make):
    torch.manual_seed(0)
    mine = replace(specimen, network=note_expected(make(), "mine", Expected((3, 8, 8), (0.5,) * 3, (1.0,) * 3)))
    check_units(mine)
    check_recorded_means(mine)


def test_a_wrong_unit_axis_does_not_pass(specimen):
    check_units(specimen)
    mistaken = replace(specimen)
    vars(mistaken)["found"] = dry_run(specimen.network, 8, unit_axis={"1": 2})
    with pytest.raises(AssertionError, match="nudging unit 3 of 0 changed units"):
        check_units(mistaken)


def test_wrong_means_do_not_pass(specimen):
    check_recorded_means(specimen)
    specimen.by_hand[0]["1"][2, 3] += 0.01
    with pytest.raises(AssertionError, match=r"1, recorded: off by 0\.01"):
        check_recorded_means(specimen)


def test_a_trace_does_not_pass(specimen):
    with pytest.raises(AssertionError, match="modes changed"):
        left_alone(lambda s: s.network.eval())(specimen)
