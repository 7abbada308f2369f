"""Which layers a network has, under which names, and which of them a user means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import torch
from torch import nn

from neuroprobe.finding import Layer, find_layers, name_of
from neuroprobe.models import at_rest, device_of, dtype_of, forward_explained, unwrap
from neuroprobe.networks.expected import expected_input, image_shape
from neuroprobe.places import AS_THEY_STAND
from neuroprobe.saying import say_once

if TYPE_CHECKING:
    import pandas as pd

DRY_RUN_IMAGES = 3  # few, and more than one: what images share then shows


class UnknownLayerError(KeyError, ValueError):
    """A layer was asked for that the network does not have."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the quotes of repr


def layers(
    model: nn.Module,
    input_size: int | tuple[int, ...] | None = None,
    *,
    unit_axis: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """List every layer of a network in order of execution, by one dry forward pass that leaves no trace.

    Example:
        >>> import neuroprobe
        >>> table = neuroprobe.layers(neuroprobe.load_network("cnn7"))
        >>> table[table.default].name.tolist()
        ['relu1', 'relu2', 'relu3', 'relu4', 'relu5', 'relu6', 'relu7']

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W).
        input_size: side, (H, W) or (C, H, W) in pixels; None where the network's own is known.
        unit_axis: the axis that counts the units, for layers where the dry pass finds it wrong.

    Returns:
        A DataFrame, one row a layer: ``name``, ``kind``, ``units``, ``shape`` (of the output for one image,
        ``(1, ...)``), ``unit_axis`` (``shape[unit_axis] == units``), ``default`` (read where ``layers=None``).

    Raises:
        ValueError: if no input size is given or known; TypeError: if the model is scripted or exported.
        RuntimeError: if the forward pass raises.
    """
    import pandas as pd

    columns = ["name", "kind", "units", "shape", "unit_axis", "default"]
    found = [layer for layer in dry_run(model, input_size, unit_axis=unit_axis) if not layer.refusal]
    return pd.DataFrame([[getattr(layer, column) for column in columns] for layer in found], columns=columns)


def dry_run(
    model: nn.Module, input_size: int | tuple[int, ...] | None = None, *, unit_axis: Mapping[str, int] | None = None
) -> list[Layer]:
    """Find a network's layers with mid-grey images of its own size."""
    model = unwrap(model)
    shape = image_shape(input_size, expected_input(model), model)
    images = torch.full((DRY_RUN_IMAGES, *shape), 0.5, device=device_of(model), dtype=dtype_of(model))
    with at_rest(model), forward_explained(model, images):
        found = find_layers(model, (images,))
    return with_unit_axes(found, unit_axis)


def with_unit_axes(found: list[Layer], unit_axis: Mapping[str, int] | None) -> list[Layer]:
    """Return the layers with the unit axes that a user gives for some of them."""
    axes: dict[str, int] = {}
    for name, axis in (unit_axis or {}).items():
        for layer in choose(found, [name]):
            if axis % len(layer.shape) == 0 or not -len(layer.shape) <= axis < len(layer.shape):
                raise ValueError(
                    f"unit_axis of {name!r} must be an axis of {layer.shape} other than 0, which counts images; "
                    f"{axis} came"
                )
            if axis % len(layer.shape) != layer.unit_axis:
                axes[layer.name] = axis % len(layer.shape)
    return [
        replace(layer, unit_axis=axes[layer.name], places=AS_THEY_STAND) if layer.name in axes else layer
        for layer in found
    ]


def choose(found: Sequence[Layer], wanted: str | Sequence[str] | None) -> list[Layer]:
    """Return the layers a user means, in order of execution: names, globs, or None for the defaults.

    Raises:
        UnknownLayerError: if a name or glob fits no layer; the nearest names are listed.
        ValueError: if the defaults are wanted of a network without a non-linearity, or no layer is named.
    """
    if wanted is None:
        return _defaults(found)
    patterns = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(patterns, Sequence) or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(f"layers must be names or globs, as in neuroprobe.layers(model).name; {wanted!r} came")
    if not patterns:
        raise ValueError("layers= is empty: give names or globs, or None for the outputs of all non-linearities")
    meant = {layer.name for pattern in patterns for layer in _matching(found, pattern)}
    return [layer for layer in found if layer.name in meant]


def _defaults(found: Sequence[Layer]) -> list[Layer]:
    meant = [layer for layer in found if layer.default]
    chosen = _readable(meant, "layers=None")
    if len(chosen) < len(meant):
        left_out = next(layer for layer in meant if layer.refusal)
        say_once(
            f"{len(meant) - len(chosen)} outputs of non-linearities cannot be read and are no default layers, "
            f"{left_out.name!r} for one: {left_out.refusal}"
        )
    if not chosen:
        raise ValueError(
            "the default layers are the outputs of non-linearities (ReLU, GELU, ...), and this network has none that "
            f"could be found: name layers= yourself; its layers are {_listing([layer.name for layer in found])}"
        )
    return chosen


def _matching(found: Sequence[Layer], pattern: str) -> list[Layer]:
    exact = [layer for layer in found if pattern == layer.name]
    exact = exact or [layer for layer in found if pattern in _bare_names(layer)]
    matching = exact or [layer for layer in found if fnmatchcase(layer.name, pattern)]
    if not matching:
        raise unknown_layer(pattern, [layer.name for layer in found])
    return _readable(matching, pattern)


def _readable(matching: Sequence[Layer], pattern: str) -> list[Layer]:
    readable = [layer for layer in matching if not layer.refusal]
    if matching and not readable:
        name, why = matching[0].name, matching[0].refusal
        raise ValueError(f"layer {name!r}, which {pattern!r} asks for, cannot be read: {why}")
    return readable


def _bare_names(layer: Layer) -> tuple[str, str]:
    """Return the names that mean this layer together with others: all parts of a call, all calls of a module."""
    call = name_of(replace(layer, part=()), again=True, several=False)
    return call, call.rpartition(":")[0]


def unknown_layer(wanted: str, names: Sequence[str], *, of_network: bool = True) -> UnknownLayerError:
    """Make the error for a layer that is not there, in a network or among a result's, naming the nearest that are."""
    near = get_close_matches(wanted, names, n=5, cutoff=0.5) or [n for n in names if wanted.lower() in n.lower()][:5]
    advice = f"nearest: {', '.join(near)}" if near else f"there are {_listing(names)}"
    if not of_network:
        return UnknownLayerError(f"no layer {wanted!r} in this result; {advice}")
    return UnknownLayerError(f"no layer {wanted!r} in this network; {advice} (neuroprobe.layers(model) lists all)")


def _listing(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
