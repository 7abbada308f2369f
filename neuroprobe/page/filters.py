"""The filters of the first convolution, for the layers whose units are its channels still."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from neuroprobe.models import unwrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from neuroprobe.addresses import Layer


def first_filters(model: nn.Module, found: Sequence[Layer]) -> dict[str, NDArray[np.float32]]:
    """Return, for each layer that reads the first convolution's channels, their filters.

    These are the convolution itself and what follows it channel by channel (normalisation, activation, pooling) up to
    the next module that mixes channels. Filters are (units, height, width, colours); ``found`` are all layers, in
    order of execution.

    Example:
        >>> import neuroprobe
        >>>         >>> model = neuroprobe.load_network("cnn7")
        >>> filters = first_filters(model, dry_run(model))
        >>> list(filters), filters["relu1"].shape
        (['conv1', 'relu1', 'bn1'], (32, 3, 3, 3))
    """
    model = unwrap(model)
    modules = dict(model.named_modules())
    first = next((place for place, layer in enumerate(found) if isinstance(_module(layer, modules), nn.Conv2d)), None)
    if first is None:
        return {}
    kernel: Tensor = modules[found[first].call.module].weight
    weights = kernel.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    same = takewhile(lambda layer: not _mixes(_module(layer, modules), kernel), found[first:])
    return {layer.name: weights for layer in same if layer.units == len(weights)}


def _mixes(module: nn.Module | None, kernel: Tensor) -> bool:
    """Whether a module makes new units out of several: it has a matrix of weights, and not only the first kernel."""
    return module is not None and any(each.ndim > 1 and each is not kernel for each in module.parameters())


def _module(layer: Layer, modules: dict[str, nn.Module]) -> nn.Module | None:
    """Return the module whose own output a layer is; None for a functional activation inside it."""
    return None if layer.call.function else modules[layer.call.module]
