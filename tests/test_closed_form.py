"""Layers that lead to the logits by one linear map: which they are, and what it says."""

import pytest
import torch
from small_networks import SIDE, Attention, HandedOn, Residual, built, chain
from torch import nn
from torch.testing import assert_close

from neuroprobe.addresses import dry_run
from neuroprobe.closed_form import LinearTail, is_affine
from neuroprobe.replay import Program
from neuroprobe.tape import write_down

PLENTY = 2**30


@pytest.fixture
def images():
    return torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def in_parts(model, images):
    layers = {layer.name: layer for layer in dry_run(model, SIDE)}
    with torch.no_grad():
        program = Program.of(write_down(model, images, list(layers.values())), list(layers))
        values = program.run(images, list(program.tape.layers.values()))
    return layers, program, values


def tail_of(name, parts, memory=PLENTY):
    layers, program, values = parts
    downstream, like = program.downstream([name]), values[program.tape.layers[name]]
    return LinearTail.of(downstream, layers[name], program.logits(values), like, memory)


@pytest.mark.parametrize(
    ("make", "affine"),
    [
        (chain, ["relu2", "bn2", "pool", "flatten", "fc"]),
        (Residual, ["relu:2", "head.linear", "head"]),
        (HandedOn, ["head.linear", "head"]),  # what is read twice is not worth a rule
        (Attention, ["head"]),
    ],
)
def test_which_layers_have_a_linear_tail(images, make, affine):
    layers, program, _ = in_parts(built(make), images)
    found = [name for name in layers if is_affine(program.downstream([name]))]
    assert found == affine
    assert not is_affine(program.downstream(list(layers)[-2:]))  # one layer at a time


def test_a_linear_layer_s_own_weights(images):
    model = built(chain)
    assert_close(tail_of("flatten", in_parts(model, images)).weights, model.fc.weight.detach())


@torch.no_grad()
@pytest.mark.parametrize("name", ["relu2", "bn2", "pool", "fc"])
def test_changes_add_what_a_pass_would(images, name):
    model = built(chain)
    parts = in_parts(model, images)
    _, program, values = parts
    value = values[program.tape.layers[name]]
    change = torch.randn(value[:, [1, 3]].shape)
    changed = value.clone()
    changed[:, [1, 3]] += change
    after = list(model)[[child for child, _ in model.named_children()].index(name) + 1 :]
    (logits,) = tail_of(name, parts).logits(program.logits(values), [((1, 3), change)])
    assert_close(logits, nn.Sequential(*after)(changed))


def test_none_where_what_follows_bends_or_the_weights_would_not_fit(images):
    parts = in_parts(built(chain), images)
    assert tail_of("relu1", parts) is None
    weights = 5 * 8 * 8 * 8 * 4  # classes, units, height, width, bytes
    assert tail_of("relu2", parts, weights) is not None
    assert tail_of("relu2", parts, weights - 1) is None


def test_none_where_nothing_follows(images):
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.chain, self.aside = chain(), nn.Conv2d(3, 2, 1)

        def forward(self, images):
            self.aside(images)
            return self.chain(images)

    assert tail_of("aside", in_parts(built(Aside), images)) is None
