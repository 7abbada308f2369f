"""The check that a model is left alone must itself notice each kind of trace."""

import random

import numpy as np
import pytest
import torch
from torch import nn


def model():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


TRACES = {
    "hook": lambda m: m[2].register_forward_hook(lambda *_: None),
    "hook with keywords": lambda m: m[0].register_forward_pre_hook(lambda *_: None, with_kwargs=True),
    "backward hook": lambda m: m[1].register_full_backward_hook(lambda *_: None),
    "mode": lambda m: m[1].eval(),
    "buffer written": lambda m: m[1].running_mean.add_(1),
    "buffer replaced": lambda m: setattr(m[1], "running_mean", m[1].running_mean.clone()),
    "parameter written": lambda m: m[0].weight.data.add_(1),
    "parameter moved": lambda m: setattr(m[0].weight, "data", m[0].weight.data.clone()),
    "memory format": lambda m: m.to(memory_format=torch.channels_last),
    "gradients switched off": lambda m: m[0].weight.requires_grad_(False),
    "buffer moved": lambda m: setattr(m[1].running_mean, "data", m[1].running_mean.data.clone()),
    "gradient": lambda m: setattr(m[0].weight, "grad", torch.zeros_like(m[0].weight)),
    "attribute": lambda m: setattr(m[2], "seen", 1),
    "torch's random state": lambda m: torch.rand(1),
    "numpy's random state": lambda m: np.random.rand(1),  # noqa: NPY002
    "Python's random state": lambda m: random.random(),  # noqa: S311
}


def test_a_compiler_that_is_left_off_is_noticed(left_alone):
    import torch._dynamo

    stance = torch.compiler.set_stance("default")
    with stance, pytest.raises(AssertionError), left_alone(model()):
        torch.compiler.set_stance("force_eager")


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_a_trace_is_noticed(left_alone, trace):
    network = model()
    with pytest.raises(AssertionError), left_alone(network):
        trace(network)


def test_no_trace_passes(left_alone):
    network = model()
    with left_alone(network):
        network.state_dict()
