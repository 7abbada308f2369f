"""Where in a network the first number that is not finite comes up."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from neuroprobe.parts import tensors_in


def not_finite(network: nn.Module, images: Tensor) -> str:
    """Say which layer is the first whose output, then the last whose gradient, is not finite; "" where all are.

    A gradient flows from the last layer to the first, so the last is where it went wrong.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> _ = network[0].weight.data.fill_(torch.inf)
        >>> not_finite(network, torch.ones(1, 2))
        "the output of '0' (Linear)"
    """
    found: list[str] = []

    def look(name: str, module: nn.Module, _inputs: Any, output: Any) -> None:
        if not all(torch.isfinite(tensor).all() for tensor in tensors_in((output,))):
            found.append(f"the output of {name or 'the network'!r} ({type(module).__name__})")

    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            hooks.enter_context(module.register_forward_hook(partial(look, name)))
        network(images)
    gradients = [(name, parameter.grad) for name, parameter in network.named_parameters()]
    wrong = [name for name, gradient in gradients if gradient is not None and not torch.isfinite(gradient).all()]
    return next(iter([*found, *(f"the gradient of {name!r}" for name in reversed(wrong))]), "")
