from dataclasses import fields, replace

import pytest

from neuroprobe.training.architectures import ARCHITECTURES
from neuroprobe.training.recipes import RECIPES, Recipe, recipe_named


def test_every_recipe_has_an_architecture():
    assert {recipe.network for recipe in RECIPES.values()} == set(ARCHITECTURES)


def test_what_is_recalled_is_a_value_of_the_recipe():
    names = {field.name for field in fields(Recipe)}
    for recipe in RECIPES.values():
        assert set(recipe.recalled) <= names
    assert {"epochs", "batch_size", "lr", "milestones"} <= set(RECIPES["resnet20"].recalled)
    assert "validation" not in RECIPES["resnet20"].recalled  # 45,000 and 5,000: the paper's own text
    assert not RECIPES["cnn7-ukita"].recalled  # from the authors' code


def test_the_values_of_ukita():
    recipe = RECIPES["cnn7-ukita"]
    assert (recipe.optimiser, recipe.lr, recipe.batch_size, recipe.epochs) == ("adam", 1e-3, 32, 200)
    assert (recipe.max_shift, recipe.flip, recipe.validation) == (3, True, 0.2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"optimiser": "lion"}, "optimiser must be one of 'sgd', 'adam', 'adamw'; 'lion' came"),
        ({"schedule": "warm"}, "schedule must be one of 'constant', .*; 'warm' came"),
        ({"border": "mirror"}, "border must be one of 'edge', 'zero'; 'mirror' came"),
        ({"epochs": 0}, "epochs must be a whole number from 1; 0 came"),
        ({"batch_size": 2.5}, r"batch_size must be a whole number from 1; 2\.5 came"),
        ({"lr": float("nan")}, "lr must be finite and at least 0; nan came"),
        ({"lr": "0.1"}, "lr must be finite and at least 0; '0.1' came"),
        ({"gamma": -1}, "gamma must be finite and at least 0; -1 came"),
        ({"milestones": (150, 100)}, r"milestones must ascend; \(150, 100\) came"),
        ({"milestones": (0.5,)}, r"each of milestones must be a whole number from 1; 0\.5 came"),
        ({"validation": 1}, "validation must be at least 0 and below 1; 1 came"),
    ],
)
def test_values_out_of_range(value, message):
    with pytest.raises(ValueError, match=message):
        replace(RECIPES["cnn7"], **value)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match="no recipe 'resnet-20'; the nearest are 'resnet20'"):
        recipe_named("resnet-20")
