"""How operations change what the axes of tensors count: one rule for each kind, and one for all the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from neuroprobe import layouts
from neuroprobe.layouts import OTHER, UNIT, Axis, Layout, Piece, resized, with_units
from neuroprobe.parts import tensors_in

_NUMBERED = 10  # length of the first axis of a tensor whose axes are known by their lengths


class Operation(NamedTuple):
    """One operation of a forward pass, and one of the tensors it gave."""

    function: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    named: dict[str, Any]
    inputs: Sequence[Tensor]  # all tensors among the arguments
    output: Tensor
    place: int  # of the output, among all it gave
    layout_of: Callable[[Tensor], Layout | None]  # None for a tensor that follows from no image

    @property
    def shape(self) -> torch.Size:
        """The output's."""
        return self.output.shape

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """Return an argument, given by place or by name."""
        return self.args[place] if len(self.args) > place else self.named.get(name, default)

    def source(self) -> tuple[Tensor, Layout]:
        """Return the input that the output inherits from: of its shape where there is one, and well known."""
        followed = [(x, layout) for x in self.inputs if (layout := self.layout_of(x)) is not None]
        return min(followed, key=lambda one: (one[0].shape != self.shape, -one[0].ndim, layouts.strays(one[1])))


def layout_after(operation: Operation) -> Layout | None:
    """Return the layout of an operation's output, which follows from an image; None where it is not known."""
    return RULES.get(operation.name, _inherited)(operation)


def _inherited(operation: Operation) -> Layout | None:
    source, layout = operation.source()
    if source.ndim == operation.output.ndim:
        return resized(layout, operation.shape)
    return _numbered(operation) or _with_fewer_axes(operation, layout)


def _with_fewer_axes(operation: Operation, layout: Layout) -> Layout | None:
    axes = operation.output.ndim
    if axes > len(layout) or axes == 0:
        return None
    units_last = layouts.unit_axis_of(layout) == len(layout) - 1
    return resized((*layout[: axes - 1], layout[-1]) if units_last else layout[:axes], operation.shape)


def _numbered(operation: Operation) -> Layout | None:
    """Return the layout by running the function on a tensor whose axes are known by their lengths."""
    layout = operation.layout_of(operation.args[0]) if operation.args else operation.source()[1]
    if layout is None:
        return None
    # one number, repeated: with the device "meta" torch would load a compiler, which takes seconds
    numbers = torch.zeros(()).expand([_NUMBERED + axis for axis in range(len(layout))])
    named = {name: value for name, value in operation.named.items() if name != "input"}
    try:
        result = next(tensors_in((operation.function(numbers, *operation.args[1:], **named),)))
    except (IndexError, RuntimeError, StopIteration, TypeError, ValueError):  # not with axes of other lengths
        return None
    axes = [length - _NUMBERED for length in result.shape]
    return tuple(layout[axis] for axis in axes) if all(0 <= axis < len(layout) for axis in axes) else None


def _reshaped(operation: Operation) -> Layout | None:
    return layouts.regrouped(operation.source()[1], operation.shape)


def _convolved(operation: Operation) -> Layout | None:
    layout = operation.layout_of(operation.argument(0, "input"))
    return with_units(resized(layout, operation.shape), 1) if layout else None


def _linear(operation: Operation) -> Layout | None:
    layout = operation.layout_of(operation.argument(0, "input" if operation.name == "linear" else "query"))
    if layout is None or operation.place > 0:  # weights of attention, last states of a recurrent network
        return None
    return with_units((*layout[:-1], (Piece(UNIT, operation.shape[-1]),)), -1)


def _recurrent(operation: Operation) -> Layout | None:
    if operation.place == 0:
        return _linear(operation)
    return (
        (Piece(OTHER, operation.shape[0]),),
        *layouts.usual(operation.shape, 0)[1:],
    )  # layers or directions come first


def _product(operation: Operation) -> Layout | None:
    one, other = operation.args[:2] if operation.name != "rmatmul" else operation.args[1::-1]
    left, right = operation.layout_of(one), operation.layout_of(other)
    if min(one.ndim, other.ndim) < 2:
        return None
    if left is None:
        return None if right is None else with_units((*right[:-2], _units(operation, -2), right[-1]), -2)
    if right is None:
        return with_units((*left[:-1], _units(operation, -1)), -1)
    return (*(left if len(left) >= len(right) else right)[:-2], left[-2], right[-1])


def _units(operation: Operation, axis: int) -> Axis:
    return (Piece(UNIT, operation.shape[axis]),)


def _summed_by_letters(operation: Operation) -> Layout | None:
    before, arrow, after = str(operation.args[0]).replace(" ", "").partition("->")
    if not arrow or "." in before:
        return None
    axes: dict[str, Axis] = {}
    for letters, tensor in zip(before.split(","), operation.inputs, strict=True):
        layout = operation.layout_of(tensor)
        axes = (dict(zip(letters, layout, strict=True)) if layout else {}) | axes
    new = [place for place, letter in enumerate(after) if letter not in axes]
    result = tuple(axes.get(letter, ()) or _units(operation, place) for place, letter in enumerate(after))
    return with_units(result, new[-1]) if new else result


def _attended(operation: Operation) -> Layout | None:
    query, value = (operation.layout_of(operation.argument(*which)) for which in ((0, "query"), (2, "value")))
    return (*query[:-1], value[-1]) if query and value else None


def _looked_up(operation: Operation) -> Layout | None:
    layout = operation.layout_of(operation.argument(0, "input"))
    return (*layout, _units(operation, -1)) if layout else None


def _joined(operation: Operation) -> Layout | None:
    tensors, axis = operation.argument(0, "tensors"), operation.argument(1, "dim", 0)
    return layouts.joined([operation.layout_of(x) for x in tensors], [x.shape[axis] for x in tensors], axis)


def _stacked(operation: Operation) -> Layout | None:
    layout, axis = operation.source()[1], operation.argument(1, "dim", 0) % operation.output.ndim
    return (*layout[:axis], (Piece(OTHER, operation.shape[axis]),), *layout[axis:])


def _indexed(operation: Operation) -> Layout | None:
    layout = operation.layout_of(operation.args[0])
    return layouts.indexed(layout, operation.args[1], operation.shape) if layout else None


def _selected(operation: Operation) -> Layout | None:
    layout, axis = operation.source()[1], operation.argument(1, "dim", 0)
    return tuple(one for place, one in enumerate(layout) if place != axis % len(layout))


RULES: dict[str, Callable[[Operation], Layout | None]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolved),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _convolved),
    **dict.fromkeys(("linear", "multi_head_attention_forward"), _linear),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(("matmul", "rmatmul", "bmm", "mm"), _product),
    **dict.fromkeys(("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshaped),
    **dict.fromkeys(("view_as", "reshape_as"), _reshaped),
    **dict.fromkeys(("permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis"), _numbered),
    **dict.fromkeys(("t", "adjoint", "get"), _numbered),  # get: x.T, x.mT
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined),
    **dict.fromkeys(("select", "unbind"), _selected),
    "einsum": _summed_by_letters,
    "scaled_dot_product_attention": _attended,
    "embedding": _looked_up,
    "stack": _stacked,
    "getitem": _indexed,
}
