"""What the axes of every tensor of a forward pass count, found by following the images from operation to operation.

A convolution writes its channels to axis 1, a linear map its features to the last; what comes after inherits. Tensors
that follow from parameters alone, such as tables of relative positions, are told apart: they say nothing of an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from torch import Tensor, nn

from neuroprobe.by_tensor import ByTensor
from neuroprobe.calls import Mode, function_name
from neuroprobe.gates import Gates
from neuroprobe.layout_rules import Operation, layout_after
from neuroprobe.layouts import Layout, length_of, of_images, usual
from neuroprobe.parts import tensors_in

_MAKES_ANEW = {
    "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like",
    "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor",
}  # fmt: skip
_BRINGS_IN = {"tensor", "as_tensor", "asarray", "from_numpy", "frombuffer", "from_dlpack"}  # nobody knows from where


class Follower(Mode):
    """While entered, follow what the axes of every tensor count, from the images on; and note gates.

    Args:
        model: the tensors that it holds follow from no image.
        images: what the pass begins with.
    """

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        super().__init__()
        self._images = len(images)
        self._layouts = ByTensor[Layout | None]()  # None where a tensor follows from no image
        for module in model.modules():
            for held in (*module._parameters.values(), *module._buffers.values(), *vars(module).values()):  # noqa: SLF001
                if isinstance(held, Tensor):
                    self._layouts[held] = None
        self._layouts[images] = of_images(images.shape)
        self.gates = Gates()

    def layout(self, tensor: Tensor) -> Layout | None:
        """Return what the axes of a tensor count; None where it follows from no image."""
        return self._layouts[tensor] if tensor in self._layouts else usual(tensor.shape, self._images)

    def __torch_function__(
        self, function: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        made = list(tensors_in((output,)))
        if made:  # most calls only ask for a shape or a dtype
            self._follow(function, args, kwargs or {}, made)
        elif function is Tensor.__setitem__ and any(self.layout(value) is not None for value in tensors_in(args[2:])):
            self._layouts[args[0]] = usual(args[0].shape, self._images)
        return output

    def _follow(self, function: Any, args: tuple[Any, ...], named: dict[str, Any], made: Sequence[Tensor]) -> None:
        name, inputs = function_name(function), list(tensors_in((args, tuple(named.values()))))
        following = [tensor for tensor in inputs if self.layout(tensor) is not None]
        for place, tensor in enumerate(made):
            operation = Operation(function, name, args, named, inputs, tensor, place, self.layout)
            self._layouts[tensor] = self._after(operation, following)
            self.gates.note(name, [x for x in following if x.is_floating_point()], tensor)

    def _after(self, operation: Operation, following: Sequence[Tensor]) -> Layout | None:
        inputs = operation.inputs
        if operation.name in _MAKES_ANEW or not (inputs or operation.name in _BRINGS_IN):
            return None
        if inputs and not following:
            return None
        with suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):  # called as no rule foresees
            layout = layout_after(operation)
            if layout is not None and tuple(map(length_of, layout)) == tuple(operation.shape):
                return layout
        return usual(operation.shape, self._images)
