"""Which layers a network has, under which names, and which of them a user means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from neuroprobe.calls import SQUASHERS, Call, Watch, nonlinearity
from neuroprobe.models import at_rest, device_of, dtype_of, forward_explained, unwrap
from neuroprobe.networks.expected import expected_input, image_shape
from neuroprobe.unit_axes import AxisFollower

if TYPE_CHECKING:
    import pandas as pd

DRY_RUN_IMAGES = 3  # so that an output whose first axis does not count images (but directions, layers) shows


class UnknownLayerError(KeyError, ValueError):
    """A layer was asked for that the network does not have."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the quotes of repr


@dataclass(frozen=True)
class Layer:
    """An address in a network where responses are read."""

    name: str
    kind: str  # class of the module, or name of the activation function
    call: Call
    part: tuple[Any, ...]  # keys that lead into an output of several tensors; () for a plain one
    shape: tuple[int, ...]  # of the output for one image, (1, ...)
    unit_axis: int  # so shape[unit_axis] == units
    default: bool

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return self.shape[self.unit_axis]

    @property
    def grid(self) -> tuple[int, ...]:
        """The axes that are neither images nor units: (height, width) of a map, () of a linear layer."""
        return tuple(length for axis, length in enumerate(self.shape) if axis not in (0, self.unit_axis))

    @property
    def is_tokens(self) -> bool:
        """Whether the layer is a sequence of tokens, (1, tokens, units)."""
        return len(self.shape) == 3 and self.unit_axis == 2


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
    found = dry_run(model, input_size, unit_axis=unit_axis)
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


def find_layers(
    model: nn.Module,
    inputs: tuple[Any, ...],
    named_inputs: Mapping[str, Any] | None = None,
) -> list[Layer]:
    """Find the layers of one forward pass, in order of execution.

    Outputs whose first axis does not count images have no response to each image, and are left out.
    """
    images = next(value for value in (*inputs, *(named_inputs or {}).values()) if isinstance(value, Tensor))
    modules = dict(model.named_modules())
    # by address, so that what runs the network again from within the pass (a Probe of the user's) adds nothing
    found: dict[tuple[Any, ...], Layer] = {}
    several: dict[Call, bool] = {}  # whether an output has several tensors, those left out counted
    squashed: dict[tuple[Any, ...], Tensor] = {}  # outputs: whether they are gates shows only later
    follower = AxisFollower()

    def note(call: Call, output: Any) -> None:
        activation = nonlinearity(call, modules[call.module])
        parts = list(parts_of(output))
        several[call] = len(parts) > 1
        for part, tensor in parts:
            if tensor.ndim < 2 or len(tensor) != len(images) or not (call.module or call.function):
                continue
            if activation in SQUASHERS:
                squashed[call, part] = tensor
            kind = call.function or type(modules[call.module]).__name__
            shape = (1, *tensor.shape[1:])
            axis = follower.axis_of(tensor)
            found[call, part] = Layer("", kind, call, part, shape, axis, activation is not None)

    with follower, Watch(model, note):
        output = model(*inputs, **(named_inputs or {}))
    results = [follower.squashed_by(tensor) for _, tensor in parts_of(output)]
    for address, tensor in squashed.items():
        is_output = any(tensor is result for result in results)
        found[address] = replace(found[address], default=not (follower.is_gate(tensor) or is_output))
    return _named(list(found.values()), several)


def parts_of(output: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    """Yield the floating tensors in a module's output, with the keys that lead to each."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield path, output
    elif isinstance(output, Mapping):
        for key, value in output.items():
            yield from parts_of(value, (*path, key))
    elif isinstance(output, list | tuple):
        for key, value in enumerate(output):
            yield from parts_of(value, (*path, key))


def part_at(output: Any, path: tuple[Any, ...]) -> Tensor:
    """Return the tensor that the keys lead to."""
    for key in path:
        output = output[key]
    return output


def with_part(output: Any, path: tuple[Any, ...], new: Tensor) -> Any:
    """Return an output of several tensors with another one where the keys lead to."""
    if not path:
        return new
    key, *rest = path
    part = with_part(output[key], tuple(rest), new)
    if isinstance(output, Mapping):
        changed = copy(output)  # of its own class, which a network may rely on
        changed[key] = part  # type: ignore[index]
        return changed
    items = [part if place == key else item for place, item in enumerate(output)]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


def _named(found: Sequence[Layer], several: Mapping[Call, bool]) -> list[Layer]:
    """Name each layer: a number where a module is called again, a key where an output has several tensors."""
    calls = Counter(address for address, _ in {(layer.call[:2], layer.call.number) for layer in found})
    return [
        replace(layer, name=_name(layer, again=calls[layer.call[:2]] > 1, several=several[layer.call]))
        for layer in found
    ]


def _name(layer: Layer, *, again: bool, several: bool) -> str:
    module, function, number = layer.call
    name = module if function is None else f"{module}/{function}"
    name += f":{number}" if again or function is not None else ""
    return name + ("".join(f"[{key}]" for key in layer.part) if several else "")


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
            axes[layer.name] = axis % len(layer.shape)
    return [replace(layer, unit_axis=axes.get(layer.name, layer.unit_axis)) for layer in found]


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
    chosen = [layer for layer in found if layer.default]
    if not chosen:
        raise ValueError(
            "the default layers are the outputs of non-linearities (ReLU, GELU, ...), and this network has none that "
            f"could be found: name layers= yourself, out of {_listing([layer.name for layer in found])}"
        )
    return chosen


def _matching(found: Sequence[Layer], pattern: str) -> list[Layer]:
    exact = [layer for layer in found if pattern == layer.name]
    exact = exact or [layer for layer in found if pattern in _bare_names(layer)]
    matching = exact or [layer for layer in found if fnmatchcase(layer.name, pattern)]
    if not matching:
        raise unknown_layer(pattern, [layer.name for layer in found])
    return matching


def _bare_names(layer: Layer) -> tuple[str, str]:
    """Return the names that mean this layer together with others: all parts of a call, all calls of a module."""
    call = _name(replace(layer, part=()), again=True, several=False)
    return call, call.rpartition(":")[0]


def unknown_layer(wanted: str, names: Sequence[str]) -> UnknownLayerError:
    """Make the error for a layer that is not there, naming the nearest that are."""
    near = get_close_matches(wanted, names, n=5, cutoff=0.5) or [n for n in names if wanted.lower() in n.lower()][:5]
    advice = f"nearest: {', '.join(near)}" if near else f"there are {_listing(names)}"
    return UnknownLayerError(f"no layer {wanted!r} in this network; {advice} (neuroprobe.layers(model) lists all)")


def _listing(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
