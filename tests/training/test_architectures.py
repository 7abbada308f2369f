import pytest
import torch
from torch import nn

from neuroprobe.training.architectures import ARCHITECTURES


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_networks_have_an_output_a_class(name):
    architecture = ARCHITECTURES[name]
    assert architecture.build(7).eval()(torch.zeros(2, *architecture.size)).shape == (2, 7)


def test_the_stem_of_resnet18_pools_nothing():
    network = ARCHITECTURES["resnet18"].build(200).eval()
    assert isinstance(network.maxpool, nn.Identity)
    shapes = []
    with network.layer4.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape))):
        network(torch.zeros(1, 3, 64, 64))
    assert shapes == [(1, 512, 4, 4)]  # 2 x 2 with the pooling
