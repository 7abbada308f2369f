"""The same network as if it had never been trained: the control for what its architecture alone does."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from neuroprobe.models import device_of

_PACKED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")


def untrained(network: nn.Module, seed: int) -> nn.Module:
    """Return a copy, initialised anew by each module's own rule; normalisation statistics start at 0 and 1.

    Before such a network is run in eval mode, give those statistics something to hold: see ``calibrate``. Parameters
    for which no rule is known (position embeddings, class tokens) keep their values in random order.

    Raises:
        ValueError: if the network is quantised: its weights are no parameters, and would stay as trained.
    """
    quantised = next(
        (path for path, module in network.named_modules() if type(module).__module__.startswith(_PACKED)), None
    )
    if quantised is not None:
        raise ValueError(
            f"control='untrained' initialises weights anew, and those of {quantised!r} are quantised: give a network "
            "of your own as the control, or measure the network that was quantised"
        )
    fresh = copy.deepcopy(network)
    device = device_of(network)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(seed)
        for module in fresh.modules():
            _initialise(module)
    return fresh


def calibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of batch normalisation to those of some images, all batches weighing the same.

    At 0 and 1, as they start, they would normalise nothing: responses fade from layer to layer until few units are
    left, and a comparison with those few depends on the seed.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over batches
        norm.train()
    with torch.no_grad():
        for images in batches:
            network(images)
    for norm in norms:
        norm.eval()


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
