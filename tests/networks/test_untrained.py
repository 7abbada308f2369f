import pytest
import torch
from torch import nn
from torch.testing import assert_close

import neuroprobe
from neuroprobe.networks.untrained import calibrate, untrained


@pytest.fixture
def cnn7():
    return neuroprobe.load_network("cnn7")


def test_every_weight_is_drawn_anew(cnn7):
    fresh = untrained(cnn7, seed=0)
    for name, parameter in cnn7.named_parameters():
        assert not torch.equal(parameter, fresh.get_parameter(name)), name


def test_normalisation_starts_where_it_starts(cnn7):
    fresh = untrained(cnn7, seed=0).bn1
    for tensor, value in ((fresh.running_mean, 0), (fresh.running_var, 1), (fresh.weight, 1), (fresh.bias, 0)):
        assert (tensor == value).all()


def test_calibration_gives_normalisation_the_statistics_of_the_images(cnn7):
    fresh, images = untrained(cnn7, seed=0), torch.rand(64, 3, 32, 32)
    calibrate(fresh, images.split(16))
    assert not any(module.training for module in fresh.modules())
    with neuroprobe.Probe(fresh, ["relu1"]) as probe:
        fresh(images)
    responses = probe["relu1"].transpose(0, 1).flatten(1)
    assert_close(fresh.bn1.running_mean, responses.mean(1), rtol=1e-4, atol=1e-6)
    assert_close(fresh.bn1.running_var, responses.var(1), rtol=0.02, atol=1e-6)


def test_one_seed_gives_one_network(cnn7):
    first, same, other = (untrained(cnn7, seed).state_dict() for seed in (3, 3, 4))
    assert_close(first, same, rtol=0, atol=0)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_the_original_is_not_touched(left_alone, cnn7):
    with left_alone(cnn7):
        untrained(cnn7, seed=0)


def test_mode_and_expected_images_are_kept(cnn7):
    cnn7.bn2.train()
    fresh = untrained(cnn7, seed=0)
    assert [m.training for m in fresh.modules()] == [m.training for m in cnn7.modules()]
    assert fresh.pretrained_cfg == cnn7.pretrained_cfg


def test_weights_are_as_spread_as_those_of_a_new_network(cnn7):
    torch.manual_seed(0)
    new, fresh = neuroprobe.load_network("cnn7", None), untrained(cnn7, seed=0)
    for layer in ("conv3", "fc1"):
        assert getattr(fresh, layer).weight.std().item() == pytest.approx(
            getattr(new, layer).weight.std().item(), rel=0.05
        )


def test_parameters_without_a_rule_are_shuffled():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.position = nn.Parameter(torch.arange(100.0).view(4, 25))
            self.attention = nn.MultiheadAttention(4, 2)

    network = Tokens()
    fresh = untrained(network, seed=0)
    assert not torch.equal(fresh.position, network.position)
    assert_close(fresh.position.flatten().sort().values, torch.arange(100.0))
    assert not torch.equal(fresh.attention.in_proj_weight, network.attention.in_proj_weight)
