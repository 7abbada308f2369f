"""Which outputs of activation functions are no responses of their own: gates, and parts of activations written by hand.

A squasher's output that multiplies another tensor is a gate, as in squeeze-and-excitation. Where it multiplies the very
tensor that it was computed from, as in x * sigmoid(x), the product is the activation.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from neuroprobe.by_tensor import ByTensor
from neuroprobe.calls import SQUASHERS

_SQUASH = {*SQUASHERS, "erf"}
_BOUND = {"relu6", "hardtanh", "clamp"}  # relu6(x + 3) / 6 is a hard sigmoid
_PRODUCTS = {"mul", "rmul", "imul", "multiply"}
_QUOTIENTS = {"div", "truediv", "itruediv", "divide", "true_divide"}
_SUMS = {"add", "radd", "iadd", "sub", "rsub", "isub"}
# a gate is still a gate after these
_RESHAPES = {
    "reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as",
    "expand", "expand_as", "permute", "transpose", "chunk", "split", "getitem", "contiguous",
    "repeat", "repeat_interleave", "interpolate", "upsample",
}  # fmt: skip
_SCALINGS = _PRODUCTS | _QUOTIENTS
_EACH_ENTRY = _SCALINGS | _SUMS | _SQUASH | _BOUND | {"pow", "neg", "exp", "softplus"}


class Gates:
    """Told the operations of a forward pass, knows which squashers' outputs are gates."""

    def __init__(self) -> None:
        self._squashed = ByTensor[Tensor]()  # tensor -> the squasher's output that it holds
        self._bound = ByTensor[bool]()  # tensors between two bounds, not yet from 0 to 1
        self._origins = ByTensor[Tensor]()  # tensor -> that from which it was computed entry by entry
        self._activations = ByTensor[bool]()  # products of tensors of one origin
        self.found: list[Tensor] = []  # squashers' outputs that have multiplied another tensor

    def held_by(self, tensor: Tensor) -> Tensor | None:
        """Return the squasher's output that a tensor holds, reshaped and scaled or not; None where it holds none."""
        return self._squashed.get(tensor)

    def is_activation(self, tensor: Tensor) -> bool:
        """Whether a tensor is the output of an activation that is written by hand."""
        return tensor in self._activations

    def note(self, name: str, inputs: Sequence[Tensor], output: Tensor) -> None:
        """Take down one operation, with those of its inputs that follow from images."""
        origins = [self._origins.get(tensor, tensor) for tensor in inputs]
        one_origin = bool(origins) and all(origin is origins[0] for origin in origins)
        if name in _SQUASH:
            self._squashed[output] = output
        elif name in _BOUND:
            self._bound[output] = True
        elif name in _PRODUCTS and len(inputs) > 1:
            self._note_product(inputs, output, one_origin=one_origin)
        elif inputs:
            self._note_scaled(name, inputs, output)
        if one_origin and name in _EACH_ENTRY and output is not origins[0]:
            self._origins[output] = origins[0]

    def _note_product(self, inputs: Sequence[Tensor], output: Tensor, *, one_origin: bool) -> None:
        factors = [self._squashed[tensor] for tensor in inputs if tensor in self._squashed]
        if one_origin:
            factors += [tensor for tensor in inputs if tensor in self._bound]
        if one_origin and factors:
            self._activations[output] = True
        self.found += factors

    def _note_scaled(self, name: str, inputs: Sequence[Tensor], output: Tensor) -> None:
        source, alone = inputs[0], len(inputs) == 1
        if source in self._squashed and (name in _RESHAPES or (alone and name in _SCALINGS | _SUMS)):
            self._squashed[output] = self._squashed[source]
        elif source in self._bound and alone and name in _SCALINGS:
            self._squashed[output] = source
        elif source in self._activations and alone and name in _SCALINGS:
            self._activations[output] = True
