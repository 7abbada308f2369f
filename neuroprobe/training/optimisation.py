"""Optimisers and schedules of the learning rate, by the words of a recipe."""

from __future__ import annotations

from bisect import bisect_right
from math import cos, pi
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from neuroprobe.training.recipes import Recipe


def optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimiser of the parameters that learn."""
    learning = learnable(network)
    common: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(learning, momentum=recipe.momentum, **common)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimiser](learning, **common)


def learnable(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that learn.

    Raises:
        ValueError: if none does.
    """
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not learning:
        raise ValueError(
            f"a network with parameters that learn is wanted; all of this {type(network).__name__} are frozen: set "
            "requires_grad=True where it is to learn"
        )
    return learning


def schedule(optimises: torch.optim.Optimizer, recipe: Recipe, *, steps: int) -> lr_scheduler.LRScheduler:
    """Return the schedule over all steps of a training, counted step by step."""
    if recipe.schedule == "one-cycle":
        return lr_scheduler.OneCycleLR(optimises, max_lr=recipe.lr, total_steps=steps)
    return lr_scheduler.LambdaLR(optimises, lambda step: factor(recipe, step, steps))


def factor(recipe: Recipe, step: int, steps: int) -> float:
    """Return what the learning rate is multiplied by in a step of so many.

    Example:
        >>> from neuroprobe.training.recipes import RECIPES
        >>> [factor(RECIPES["resnet20"], step, steps=200) for step in (0, 99, 100, 150)]
        [1.0, 1.0, 0.1, 0.01...]
    """
    if recipe.schedule == "steps":
        return recipe.gamma ** bisect_right(recipe.milestones, step * recipe.epochs / steps)
    return (1 + cos(pi * step / steps)) / 2 if recipe.schedule == "cosine" else 1.0
