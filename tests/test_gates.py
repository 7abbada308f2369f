"""Gates and activations written by hand, in networks of one line."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from neuroprobe.addresses import choose, dry_run


class Activation(nn.Module):
    """An activation as people write them."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Block(nn.Module):
    """A convolution, an activation, and what becomes of them."""

    def __init__(self, activation, run=lambda _net, x: x):
        super().__init__()
        self.conv, self.act, self.squeeze = nn.Conv2d(3, 4, 3), activation, nn.Conv2d(4, 4, 1)
        self.scale, self.head = nn.Parameter(torch.ones(4, 1, 1)), nn.Conv2d(4, 2, 1)
        self.run = run

    def forward(self, x):
        return self.head(self.run(self, self.act(self.conv(x)))).mean((2, 3))


def defaults(network):
    return [layer.name for layer in choose(dry_run(network, 8), None)]


BY_HAND = {
    "swish": lambda x: x * torch.sigmoid(x),
    "swish in place": lambda x: x.mul_(x.sigmoid()),
    "quick GELU": lambda x: x * torch.sigmoid(1.702 * x),
    "hard swish": lambda x: x * F.relu6(x + 3) / 6,
    "hard swish, scaled first": lambda x: x * (F.relu6(x + 3, inplace=True) / 6),
    "GELU by erf": lambda x: x * 0.5 * (1.0 + torch.erf(x / 2**0.5)),
    "GELU by tanh": lambda x: 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.044715 * torch.pow(x, 3.0)))),
}


@pytest.mark.parametrize("function", BY_HAND.values(), ids=BY_HAND)
def test_activations_written_by_hand_are_default_layers(function):
    assert defaults(Block(Activation(function))) == ["act"]


def test_the_innermost_module_is_the_layer():
    assert defaults(Block(nn.Sequential(Activation(BY_HAND["swish"]), nn.Identity()))) == ["act.0"]


def test_a_swish_of_two_modules():
    class HardSwish(nn.Module):  # as in many a MobileNetV3
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU6(inplace=True)

        def forward(self, x):
            return x * (self.relu(x + 3) / 6)

    assert defaults(Block(HardSwish())) == ["act"]


def squeezed(net, x):
    return net.squeeze(x.mean((2, 3), keepdim=True))


GATES = {
    "sigmoid": lambda net, x: x * torch.sigmoid(squeezed(net, x)),
    "hard sigmoid by hand": lambda net, x: x * (F.relu6(squeezed(net, x) + 3) / 6),
    "hard sigmoid in place": lambda net, x: x.mul_(F.relu6(squeezed(net, x).add_(3)).div_(6)),
    "one and a tanh": lambda net, x: x * (1 + torch.tanh(squeezed(net, x))),
    "of a coarser map": lambda net, x: x * F.interpolate(torch.sigmoid(net.squeeze(F.avg_pool2d(x, 2))), x.shape[2:]),
    "repeated": lambda net, x: x * torch.sigmoid(squeezed(net, x)).repeat(1, 1, *x.shape[2:]),
    "without parameters": lambda _net, x: x * torch.sigmoid((x - x.mean((2, 3), keepdim=True)).pow(2)),
}


@pytest.mark.parametrize("run", GATES.values(), ids=GATES)
def test_gates_are_no_default_layers(run):
    assert defaults(Block(nn.ReLU(), run)) == ["act"]


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.Sigmoid(), nn.ReLU6()])
def test_a_learned_scale_makes_no_gate(activation):
    assert defaults(Block(activation, lambda net, x: x * net.scale)) == ["act"]


def test_a_bounded_activation_that_is_gated_is_no_gate():
    run = GATES["sigmoid"]
    assert defaults(Block(nn.ReLU6(), run)) == ["act"]


def test_a_mask_makes_no_gate():
    assert defaults(Block(nn.Tanh(), lambda _net, x: x * (x > 0))) == ["act"]


def test_a_product_of_two_branches_is_no_activation():
    block = Block(nn.ReLU(), lambda net, x: Activation(lambda y: y * torch.sigmoid(net.squeeze(y)))(x))
    assert defaults(block) == ["act"]
