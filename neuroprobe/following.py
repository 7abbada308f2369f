"""What the axes of every tensor of a forward pass count, found by following the images from operation to operation.

A convolution writes its channels to axis 1, a linear map its features to the last; what comes after inherits. Tensors
that follow from parameters alone, such as tables of relative positions, are told apart: they say nothing of an image.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from neuroprobe.calls import function_name
from neuroprobe.gates import Gates
from neuroprobe.layout_rules import Operation, layout_after
from neuroprobe.layouts import Layout, length_of, of_images, usual
from neuroprobe.parts import tensors_in

_MAKES_ANEW = {
    "zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like",
    "new_zeros", "new_ones", "new_empty", "new_full", "new_tensor",
}  # fmt: skip
_BRINGS_IN = {"tensor", "as_tensor", "asarray", "from_numpy", "frombuffer", "from_dlpack"}  # nobody knows from where


class Follower(TorchFunctionMode):
    """While entered, follow what the axes of every tensor count, from the images on; and note gates.

    Args:
        model: the tensors that it holds follow from no image.
        images: what the pass begins with.
    """

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        super().__init__()
        self._images = len(images)
        self._layouts: Any = WeakIdKeyDictionary()  # tensor -> its layout; None where it follows from no image
        for module in model.modules():
            held = (*module._parameters.values(), *module._buffers.values(), *vars(module).values())  # noqa: SLF001
            self._layouts.update({tensor: None for tensor in held if isinstance(tensor, Tensor)})
        self._layouts[images] = of_images(images.shape)
        self.gates = Gates()

    def layout(self, tensor: Tensor) -> Layout | None:
        """Return what the axes of a tensor count; None where it follows from no image."""
        return self._layouts[tensor] if tensor in self._layouts else usual(tensor.shape, self._images)

    def __torch_function__(
        self, function: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        name = function_name(function)
        for place, tensor in enumerate(tensors_in((output,))):  # most calls only ask for a shape or a dtype
            operation = Operation(function, name, args, kwargs or {}, tensor, place, self.layout)
            followed = [x for x in operation.inputs if self.layout(x) is not None and x.is_floating_point()]
            self._layouts[tensor] = self._after(operation)
            self.gates.note(name, followed, tensor)
        if name == "setitem" and any(self.layout(value) is not None for value in tensors_in(args[2:])):
            self._layouts[args[0]] = usual(args[0].shape, self._images)
        return output

    def _after(self, operation: Operation) -> Layout | None:
        inputs = operation.inputs
        if operation.name in _MAKES_ANEW or not (inputs or operation.name in _BRINGS_IN):
            return None
        if inputs and all(self.layout(x) is None for x in inputs):
            return None
        with suppress(AttributeError, IndexError, KeyError, TypeError, ValueError):  # called as no rule foresees
            layout = layout_after(operation)
            if layout is not None and tuple(map(length_of, layout)) == tuple(operation.shape):
                return layout
        return usual(operation.shape, self._images)
