"""What a forward pass shows of a network's layers: their names, what counts their units, whether they can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from torch import Tensor, nn

from neuroprobe.by_tensor import ByTensor
from neuroprobe.calls import Call, Watch, nonlinearity, unseen
from neuroprobe.following import Follower
from neuroprobe.interrupts import entered
from neuroprobe.layouts import IMAGE, Layout, roles_of, unit_axis_of
from neuroprobe.parts import parts_of
from neuroprobe.places import AS_THEY_STAND, Places

Address = tuple[Call, tuple[Any, ...]]  # a call, and the keys that lead into its output


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
    places: Places = AS_THEY_STAND
    refusal: str = ""  # why responses cannot be read here; "" where they can
    never_negative: bool = False  # known by the operation that makes it, and so need not be looked for

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


def find_layers(
    model: nn.Module, inputs: tuple[Any, ...], named_inputs: Mapping[str, Any] | None = None
) -> list[Layer]:
    """Find the layers of one forward pass, in order of execution.

    Those whose output has no response to each image are among them, with the reason why they cannot be read.
    """
    images = next(value for value in (*inputs, *(named_inputs or {}).values()) if isinstance(value, Tensor))
    search = _Search(model, images)
    with entered(search.follower, Watch(model, search.see)):
        output = model(*inputs, **(named_inputs or {}))
    return search.found(output)


class _Search:
    """Told the calls of a forward pass, finds its layers."""

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        self.follower = Follower(model, images)
        self._modules, self._images = dict(model.named_modules()), len(images)
        # by address, so that what runs the network again from within the pass (a Probe of the user's) adds nothing
        self._found: dict[Address, Layer] = {}
        self._several: dict[Call, bool] = {}  # whether an output has several tensors, those left out counted
        self._activations = ByTensor[Address]()  # address of the non-linearity that made a tensor

    def see(self, call: Call, output: Any) -> None:
        """Take down the layers in a call's output."""
        with unseen():
            parts = list(parts_of(output))
            self._several[call] = len(parts) > 1
            for part, tensor in parts:
                if tensor.ndim >= 2 and (call.module or call.function):
                    layer = self._layer(call, part, tensor)
                    self._found[call, part] = layer
                    if layer.default:
                        self._activations[tensor] = call, part

    def found(self, output: Any) -> list[Layer]:
        """Return the layers, once the network has given its output: gates and logits are no default layers."""
        for address in self._no_responses(output):
            self._found[address] = replace(self._found[address], default=False)
        layers = list(self._found.values())
        calls = Counter(address for address, _ in {(layer.call[:2], layer.call.number) for layer in layers})
        return [
            replace(layer, name=name_of(layer, again=calls[layer.call[:2]] > 1, several=self._several[layer.call]))
            for layer in layers
        ]

    def _no_responses(self, output: Any) -> Iterator[Address]:
        logits = [self.follower.gates.held_by(tensor) for _, tensor in parts_of(output)]
        for squashed in (*self.follower.gates.found, *logits):
            if squashed is not None and squashed in self._activations:
                yield self._activations[squashed]

    def _layer(self, call: Call, part: tuple[Any, ...], output: Tensor) -> Layer:
        module, layout = self._modules[call.module], self.follower.layout(output)
        activates = nonlinearity(call, module) is not None or self._is_written_by_hand(output)
        kind = call.function or type(module).__name__
        if layout is None:
            why = "it does not follow from the images"
            return Layer("", kind, call, part, tuple(output.shape), 0, default=False, refusal=why)
        axis, places, why = _told_by(layout, output.shape, self._images)
        shape = (1, *output.shape[1:])
        return Layer("", kind, call, part, shape, axis, default=activates, places=places, refusal=why)

    def _is_written_by_hand(self, output: Tensor) -> bool:
        """Whether an output is that of an activation like x * sigmoid(x), and the innermost module's that gives it."""
        return self.follower.gates.is_activation(output) and output not in self._activations


@lru_cache(maxsize=4096)  # the outputs of a network have few layouts
def _told_by(layout: Layout, shape: Sequence[int], images: int) -> tuple[int, Places, str]:
    """Return the unit axis, where the places lie, and why the output cannot be read."""
    axis = unit_axis_of(layout)
    return axis, Places.of(layout, axis), _refusal(layout, shape, images)


def _refusal(layout: Layout, shape: Sequence[int], images: int) -> str:
    """Say why an output has no response to each image along its first axis; "" where it has."""
    if roles_of(layout[0]) <= {IMAGE} and shape[0] == images:
        return ""
    axis = next((axis for axis, counted in enumerate(layout) if IMAGE in roles_of(counted)), None)
    if axis is None:
        where = "where no axis is known to count images"
    elif roles_of(layout[axis]) == {IMAGE}:
        where = f"where axis {axis} counts images"
    else:
        where = f"where axis {axis} counts images together with windows or places"
    return f"its output for {images} images has the shape {tuple(shape)}, {where}; axis 0 must, and nothing else"


def name_of(layer: Layer, *, again: bool, several: bool) -> str:
    """Return the name of a layer, with the number of its call where it is called again or is a function's."""
    module, function, number = layer.call
    name = module if function is None else f"{module}/{function}"
    name += f":{number}" if again or function is not None else ""
    return name + ("".join(f"[{key}]" for key in layer.part) if several else "")
