"""Which axis of a layer's output counts its units: found by following tensors through a dry forward pass.

A convolution writes its channels to axis 1, a linear map its features to the last; what comes after inherits. The same
pass tells which sigmoids are gates (their output multiplies another tensor).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from neuroprobe.calls import SQUASHERS, function_name

_CHANNELS_FIRST = {
    "batch_norm", "group_norm", "instance_norm", "local_response_norm", "interpolate",
    "pixel_shuffle", "pixel_unshuffle",
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool2d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d",
}  # fmt: skip
_FEATURES_LAST = {
    "linear", "layer_norm", "rms_norm", "embedding", "matmul", "bmm", "multi_head_attention_forward",
    "scaled_dot_product_attention", "lstm", "gru", "rnn_tanh", "rnn_relu",
}  # fmt: skip
_RESHAPES = {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"}
_PRODUCTS = {"mul", "rmul", "imul", "multiply"}
# a gate is still a gate after these, and times a number
_SAME_VALUES = _RESHAPES | {"expand", "expand_as", "permute", "transpose", "chunk", "split", "getitem", "contiguous"}


def usual_axis(ndim: int) -> int:
    """Return the unit axis of an output whose origin is unknown: last for tokens (3 axes), else 1."""
    return 2 if ndim == 3 else 1


class AxisFollower(TorchFunctionMode):
    """While entered, follow the unit axis of every floating tensor, and note the squashers that are gates."""

    def __init__(self) -> None:
        super().__init__()
        self._axes: Any = WeakIdKeyDictionary()
        self._squashed: Any = WeakIdKeyDictionary()  # tensor -> the squasher's output that it holds
        self._gates: Any = WeakIdKeyDictionary()

    def axis_of(self, output: Tensor) -> int:
        """Return the unit axis of a tensor made while the mode was entered."""
        return int(self._axes.get(output, usual_axis(output.ndim)))

    def is_gate(self, output: Tensor) -> bool:
        """Whether a squasher's output has multiplied another tensor so far."""
        return output in self._gates

    def squashed_by(self, output: Tensor) -> Tensor | None:
        """Return the squasher's output that a tensor holds, reshaped or not; None where it holds none."""
        return self._squashed.get(output)

    def __torch_function__(
        self, function: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        outputs = list(_tensors_in((output,)))
        if outputs:  # most calls only ask for a shape or a dtype
            name = function_name(function)
            inputs = list(_tensors_in((args, tuple((kwargs or {}).values()))))
            for tensor in outputs:
                self._axes[tensor] = self._axis(name, args, kwargs or {}, inputs, tensor)
                self._note_gates(name, inputs, tensor)
        return output

    def _axis(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: list[Tensor], output: Tensor
    ) -> int:
        if name in _CHANNELS_FIRST:
            return 1
        if output.ndim <= 2 or name in _FEATURES_LAST:
            return output.ndim - 1
        source = next((x for x in inputs if x in self._axes and x.ndim == output.ndim), None)
        source = next((x for x in inputs if x in self._axes), None) if source is None else source
        if source is None:
            return usual_axis(output.ndim)
        return _inherited(name, args, kwargs, source, self.axis_of(source), output)

    def _note_gates(self, name: str, inputs: list[Tensor], output: Tensor) -> None:
        if name in SQUASHERS:
            self._squashed[output] = output
        elif name in _PRODUCTS and len(inputs) > 1:
            for tensor in inputs:
                if tensor in self._squashed:
                    self._gates[self._squashed[tensor]] = True
        elif name in _SAME_VALUES | _PRODUCTS and inputs and inputs[0] in self._squashed:
            self._squashed[output] = self._squashed[inputs[0]]


def _inherited(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], source: Tensor, axis: int, output: Tensor
) -> int:
    if name in {"permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"}:
        return _moved(name, args, kwargs, axis, source.ndim)
    if name in _RESHAPES:
        return _reshaped(source.shape, axis, output.shape)
    if output.ndim == source.ndim:
        return axis
    return output.ndim - 1 if axis == source.ndim - 1 else min(axis, output.ndim - 1)


def _moved(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], axis: int, ndim: int) -> int:
    # the function itself, run on the axis numbers: an axis of length i + 1 stands for axis i
    numbered = torch.empty([number + 1 for number in range(ndim)], device="meta")
    moved = getattr(torch.Tensor, name)(numbered, *args[1:], **{k: v for k, v in kwargs.items() if k != "input"})
    return list(moved.shape).index(axis + 1)


def _reshaped(before: torch.Size, axis: int, after: torch.Size) -> int:
    """Return where an axis has gone: the place of equal length with as many values before it."""
    for place, length in enumerate(after):
        if length == before[axis] and prod(after[:place]) == prod(before[:axis]):
            return place
    return usual_axis(len(after))


def _tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            if value.is_floating_point():
                yield value
        elif isinstance(value, list | tuple):
            yield from _tensors_in(value)
