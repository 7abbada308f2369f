"""Batch normalisation put into the convolution before it: one pass over the map in place of two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from neuroprobe.tape import Operation

_CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)
_NO_VALUE = -1
_LIGHT = 2**20  # bytes
_NORM = signature(F.batch_norm)


def folded(operations: Sequence[Operation], wanted: Collection[int]) -> list[Operation]:
    """Return operations that give the same values, to rounding; those that are wanted stay."""
    joined = {id(norm): (conv, norm) for conv, norm in _pairs(operations, wanted)}
    gone = {id(conv) for conv, _ in joined.values()}
    kept = [operation for operation in operations if id(operation) not in gone]
    return [_joined(*joined[id(operation)]) if id(operation) in joined else operation for operation in kept]


def _pairs(operations: Sequence[Operation], wanted: Collection[int]) -> Iterator[tuple[Operation, Operation]]:
    """Yield each convolution with the normalisation that alone reads it."""
    readers = Counter(value for operation in operations for value in operation.reads)
    convolutions = {operation.output.number: operation for operation in operations if is_convolution(operation)}
    for operation in operations:
        value = operation.reads[0] if _is_norm_at_rest(operation) else _NO_VALUE
        if value in convolutions and readers[value] == 1 and value not in wanted and _is_light(convolutions[value]):
            yield convolutions[value], operation


def _is_light(convolution: Operation) -> bool:
    """Whether the weights may be copied: where there are many, their maps are small and normalised in no time."""
    return arguments_of(convolution)[1].nbytes <= _LIGHT


def is_convolution(operation: Operation) -> bool:
    """Whether an operation is a convolution with fixed weights."""
    if operation.function not in _CONVOLUTIONS or operation.named:
        return False
    _, weight, bias, *_ = arguments_of(operation)
    return isinstance(weight, Tensor) and isinstance(bias, Tensor | None)


def arguments_of(convolution: Operation) -> tuple[Any, ...]:
    """Return input, weight, bias, and what else is given of stride, padding, dilation and groups."""
    given = convolution.arguments
    return given if len(given) > 2 else (*given, None)


def _is_norm_at_rest(operation: Operation) -> bool:
    if operation.function is not F.batch_norm:
        return False
    given = _norm_arguments(operation)
    return not given["training"] and isinstance(given["running_mean"], Tensor) and len(operation.reads) == 1


def _norm_arguments(operation: Operation) -> dict[str, Any]:
    given = _NORM.bind(*operation.arguments, **operation.named)
    given.apply_defaults()
    return given.arguments


def _joined(convolution: Operation, norm: Operation) -> Operation:
    images, weight, bias, *geometry = arguments_of(convolution)
    given = _norm_arguments(norm)
    weight, bias = fuse_conv_bn_weights(
        weight, bias, given["running_mean"], given["running_var"], given["eps"], given["weight"], given["bias"]
    )
    arguments = (images, weight.detach(), bias.detach(), *geometry)
    return replace(norm, function=convolution.function, arguments=arguments, named={})
