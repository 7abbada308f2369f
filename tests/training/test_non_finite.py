import pytest
import torch
from torch import nn

from neuroprobe.training.non_finite import not_finite


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


@torch.no_grad()
def test_the_first_output_is_named(network):
    network[3].weight[0, 0] = torch.inf
    network[0].bias[1] = torch.nan
    assert not_finite(network, torch.rand(2, 3, 4, 4)) == "the output of '0' (Conv2d)"


def test_the_last_gradient_is_named(network):
    images = torch.rand(2, 3, 4, 4)
    (network(images).sum() * torch.inf).backward()
    assert not_finite(network, images) == "the gradient of '3.bias'"


def test_all_may_be_finite(network):
    assert not_finite(network, torch.rand(2, 3, 4, 4)) == ""


def test_nothing_stays_on_the_network(network, left_alone):
    images = torch.rand(2, 3, 4, 4)
    with left_alone(network):
        not_finite(network, images)
