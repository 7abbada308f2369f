from dataclasses import replace

import pytest
import torch
from torch import nn

from neuroprobe.training.optimisation import factor, optimiser, schedule
from neuroprobe.training.recipes import RECIPES, Recipe

RECIPE = Recipe("any", epochs=4, batch_size=4, lr=0.1, weight_decay=0.01)


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_optimisers_have_the_values_of_the_recipe(name, kind):
    made = optimiser(nn.Linear(2, 2), replace(RECIPE, optimiser=name))
    assert type(made) is kind
    assert made.param_groups[0]["lr"] == 0.1
    assert made.param_groups[0]["weight_decay"] == 0.01


def test_only_what_learns_is_optimised():
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    network[0].requires_grad_(False)
    assert [tuple(p.shape) for p in optimiser(network, RECIPE).param_groups[0]["params"]] == [(4, 3), (4,)]


def test_a_network_that_is_frozen():
    with pytest.raises(ValueError, match="all of this Linear are frozen: set requires_grad=True"):
        optimiser(nn.Linear(2, 2).requires_grad_(False), RECIPE)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (RECIPE, [1, 1, 1, 1]),
        (replace(RECIPE, schedule="steps", milestones=(1, 3)), [1, 0.1, 0.1, 0.01]),
        (replace(RECIPE, schedule="cosine"), [1, 0.853553, 0.5, 0.146447]),
    ],
)
def test_learning_rates_epoch_by_epoch(recipe, expected):
    optimises = optimiser(nn.Linear(2, 2), recipe)
    scheduler, rates = schedule(optimises, recipe, steps=12), []
    for _ in range(12):
        rates.append(scheduler.get_last_lr()[0])
        optimises.step()
        scheduler.step()
    assert rates[::3] == pytest.approx([0.1 * each for each in expected], abs=1e-6)


def test_one_cycle_peaks_at_the_rate_of_the_recipe():
    optimises = optimiser(nn.Linear(2, 2), RECIPES["cnn7"])
    scheduler, rates = schedule(optimises, RECIPES["cnn7"], steps=100), []
    for _ in range(100):
        rates.append(scheduler.get_last_lr()[0])
        optimises.step()
        scheduler.step()
    assert max(rates) == pytest.approx(2e-3)
    assert rates.index(max(rates)) == pytest.approx(29, abs=1)
    assert rates[-1] < 1e-7


def test_the_last_step_is_still_before_the_end():
    assert factor(replace(RECIPE, schedule="cosine"), 11, 12) > 0
