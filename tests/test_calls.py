"""Watching a pass, and taking the place of what its calls give."""

import pytest
import torch
from small_networks import SIDE, Residual, built
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from neuroprobe.calls import Call, Watch, function_name, nonlinearity


class Forms(nn.Module):
    """One activation in all its forms."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.act(x)
        x = F.relu(x) + 1
        x.relu_()
        return torch.relu(x)


def test_every_call_is_told_in_order():
    told = []
    with Watch(Forms(), lambda call, output: told.append(call)):
        pass
    assert told == []
    model = Forms()
    with Watch(model, lambda call, output: told.append(call)):
        model(torch.rand(2, 3))
        model(torch.rand(2, 3))
    once = [Call("act", None, 0), Call("", "relu", 0), Call("", "relu", 1), Call("", "relu", 2), Call("", None, 0)]
    assert told == once * 2
    assert [nonlinearity(call, model.get_submodule(call.module)) for call in once] == ["relu"] * 4 + [None]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call("act", None, 0), 10 + 1),
        (Call("", "relu", 0), 10 + 1),
        (Call("", "relu", 1), 10),  # in place, and what it returns is not looked at
        (Call("", "relu", 2), 10),
        (Call("", None, 0), 10),
    ],
)
def test_what_is_returned_takes_the_output_s_place(call, expected):
    model = Forms()
    with torch.no_grad(), Watch(model, lambda c, output: torch.full_like(output, 10) if c == call else None):
        assert_close(model(torch.rand(2, 3)), torch.full((2, 3), float(expected)))


@torch.no_grad()
def test_one_call_of_an_in_place_module():
    model, images = built(Residual), torch.rand(2, 3, SIDE, SIDE)
    with Watch(model, lambda call, output: output * 0 if call == Call("relu", None, 2) else None):
        assert_close(model(images), model.head.linear.bias.expand(2, -1))


def test_with_gradients_the_output_is_not_written_over():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True)), torch.rand(2, 3)
    with Watch(model, lambda call, output: output * 2 if call == Call("1", None, 0) else None):
        doubled = model(x)
    doubled.sum().backward()
    assert_close(doubled, 2 * model(x))


def test_only_some_modules():
    told, model = [], Forms()
    with Watch(model, lambda call, output: told.append(call), modules=["act"], functions=False):
        model(torch.rand(2, 3))
    assert told == [Call("act", None, 0)]


def test_names_of_functions():
    assert {function_name(form) for form in (F.relu, torch.relu, torch.Tensor.relu, torch.relu_)} == {"relu"}


def test_nothing_stays(left_alone):
    model, x = Forms(), torch.rand(2, 3)
    with left_alone(model), pytest.raises(ZeroDivisionError), Watch(model, lambda call, output: 1 / 0):
        model(x)
