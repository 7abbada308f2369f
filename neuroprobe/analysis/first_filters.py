"""The filters of a network's first convolution, and the layers whose units they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from torch import Tensor, nn

from neuroprobe.addresses import Layer
from neuroprobe.models import unwrap


def first_filters(model: nn.Module, found: Sequence[Layer]) -> dict[str, Tensor]:
    """Return the filters of the first convolution for each layer that has a unit a filter, the convolution first.

    These are the convolution and what follows it channel by channel (normalisation, activation, pooling), up to the
    next module that makes new units out of several. Empty where a network begins otherwise.

    Example:
        >>> import neuroprobe
        >>> from neuroprobe.addresses import dry_run
        >>> model = neuroprobe.load_network("cnn7")
        >>> filters = first_filters(model, dry_run(model))
        >>> list(filters), tuple(filters["relu1"].shape)
        (['conv1', 'relu1', 'bn1'], (32, 3, 3, 3))

    Args:
        model: any ``nn.Module``.
        found: all its layers, in order of execution.

    Returns:
        Layer to weights (units, channels, height, width), on the CPU.
    """
    modules = dict(unwrap(model).named_modules())
    makers = [_module(layer, modules) for layer in found]
    first = next((place for place, maker in enumerate(makers) if _mixes(maker)), None)
    convolution = makers[first] if first is not None else None
    if not isinstance(convolution, nn.Conv2d):
        return {}
    weights = convolution.weight.detach().float().cpu()
    own = takewhile(lambda layer: not _mixes(_module(layer, modules), convolution), found[first:])
    return {layer.name: weights for layer in own if layer.units == len(weights)}


def _module(layer: Layer, modules: dict[str, nn.Module]) -> nn.Module | None:
    """Return the module whose own output a layer is; None for a functional activation inside it."""
    return None if layer.call.function else modules[layer.call.module]


def _mixes(module: nn.Module | None, but: nn.Conv2d | None = None) -> bool:
    """Whether a module makes new units out of several: it has a matrix of weights that is not one layer's own."""
    own = set() if but is None else set(but.parameters())
    return module is not None and any(each.ndim > 1 and each not in own for each in module.parameters())
