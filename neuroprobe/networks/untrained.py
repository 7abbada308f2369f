"""The same network as if it had never been trained: the control for what its architecture alone does."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from neuroprobe.models import device_of


def untrained(network: nn.Module, seed: int) -> nn.Module:
    """Return a copy, initialised anew by each module's own rule; normalisation statistics start at 0 and 1.

    Parameters for which no rule is known (position embeddings, class tokens) keep their values in random order.
    """
    fresh = copy.deepcopy(network)
    device = device_of(network)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(seed)
        for module in fresh.modules():
            _initialise(module)
    return fresh


def _initialise(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if callable(reset):
        reset()
    else:
        for parameter in module.parameters(recurse=False):
            parameter.copy_(_shuffled(parameter))


def _shuffled(values: Tensor) -> Tensor:
    order = torch.randperm(values.numel()).to(values.device)
    return values.flatten()[order].view_as(values)
