"""Estimates from gradients: exact where the loss is as simple as they suppose, and close on real weights."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.testing import assert_close

import neuroprobe
from neuroprobe.analysis.screening import estimated_impact
from neuroprobe.holding import Holder, Holding
from neuroprobe.preparation import prepare


def estimates(model, data, layers, *, steps=1, batch_size=None, value="zero", preprocess=None):
    prepared = prepare(model, preprocess=preprocess)
    images = prepared.open(data, batch_size=batch_size)
    with prepared.at_rest():
        found = [layer for layer in prepared.layers(data[0][:1], None) if layer.name in layers]
        holder = Holder.measured(Holding(value=value), prepared, images, layers, progress=False)
        return estimated_impact(prepared, images, found, holder, steps=steps, progress=False)


class Confident(nn.Module):
    """Its loss is all but linear in its units: one class's logit is always far below the other's."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.units, self.relu, self.head = nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Linear(4, 2, bias=False)
        nn.init.uniform_(self.units.weight, 0.5, 1)
        self.head.weight.data = torch.stack([torch.tensor([1.0, 2, 0, 3]), torch.zeros(4)])

    def forward(self, images):
        return self.head(self.relu(self.units(images)).mean((2, 3))) + torch.tensor([0.0, 50])


@pytest.fixture
def data():
    return torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(0)), torch.zeros(6, dtype=torch.long)


@pytest.mark.parametrize("value", ["zero", "mean", "noise"])
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_a_linear_loss_is_estimated_exactly(data, steps, value):
    exact = neuroprobe.unit_impact(Confident(), data, ["relu"], value=value, preprocess=None, progress=False)
    estimated = estimates(Confident(), data, ["relu"], steps=steps, value=value)["relu"]
    assert_close(estimated, torch.tensor(exact.units.delta_loss.to_numpy()), rtol=1e-4, atol=1e-5)


def test_the_same_however_batches_are_cut(data):
    whole = estimates(Confident(), data, ["units", "relu"], steps=2)
    cut = estimates(Confident(), data, ["units", "relu"], steps=2, batch_size=4)
    for layer, estimated in whole.items():
        assert_close(cut[layer], estimated)


def test_more_steps_rank_real_units_better(resnet20, photographs):
    data, layers = (photographs[0][:40], photographs[1][:40]), ["layer2.1/relu:1"]
    exact = neuroprobe.unit_impact(resnet20, data, layers, progress=False).units.delta_loss
    one, many = (
        spearmanr(estimates(resnet20, data, layers, steps=steps, preprocess="auto")[layers[0]], exact).statistic
        for steps in (1, 8)
    )
    assert many > max(0.6, one)


def test_the_model_is_left_alone(left_alone, data):
    model = Confident().train()
    with left_alone(model):
        estimates(model, data, ["relu"], steps=2)
