"""A ReLU, and the addition before it, put into the convolution that they follow: one pass over a map in place of three.

torch has this for its own compiler, on CPUs with oneDNN; anywhere else the same is done one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from neuroprobe.calls import function_name
from neuroprobe.folding import arguments_of, is_convolution
from neuroprobe.tape import Operation, Value

_FUSED = "_convolution_pointwise"


def fused(operations: Sequence[Operation], looked_at: Collection[int], shapes: Mapping[int, Any]) -> list[Operation]:
    """Return operations that give the same values; those that are looked at are still made."""
    readers = Counter(value for operation in operations for value in operation.reads)
    makers = {value: operation for operation in operations for value in operation.writes}
    passing = {value: made for value, made in makers.items() if readers[value] == 1 and value not in looked_at}
    joined: dict[int, Operation] = {}  # by identity: what stands in a ReLU's place
    gone: set[int] = set()
    for relu in filter(_is_relu, operations):
        before = passing.get(relu.reads[0])
        if before is not None and _is_plane(before):
            joined[id(relu)] = _rectified(before, relu)
            gone.add(id(before))
        elif before is not None and _is_sum(before, makers, shapes):
            for convolution in _planes_among(before, passing):
                joined[id(relu)] = _rectified(convolution, relu, before)
                gone |= {id(convolution), id(before)}
    return [joined.get(id(operation), operation) for operation in operations if id(operation) not in gone]


def _planes_among(addition: Operation, passing: Mapping[int, Operation]) -> list[Operation]:
    """Return the convolution that nothing but an addition reads; one will do where there are two."""
    added = [passing[value] for value in addition.reads if value in passing]
    return [operation for operation in added if _is_plane(operation)][:1]


def _rectified(convolution: Operation, relu: Operation, addition: Operation | None = None) -> Operation:
    named: dict[str, Any] = {}
    if addition is not None:
        (named["added"],) = (Value(value) for value in addition.reads if value not in convolution.writes)
    return replace(relu, function=rectified_conv2d, arguments=arguments_of(convolution), named=named)


def _is_relu(operation: Operation) -> bool:
    return function_name(operation.function) == "relu" and len(operation.reads) == 1


def _is_sum(operation: Operation, made: Collection[int], shapes: Mapping[int, Any]) -> bool:
    """Whether an operation adds two values of one shape; one from outside may stand for many copies of it."""
    if function_name(operation.function) != "add" or operation.named or len(operation.arguments) > 2:
        return False
    read = set(operation.reads)
    return len(read) == 2 and read.issubset(made) and len({shapes.get(value) for value in read}) == 1


def _is_plane(operation: Operation) -> bool:
    """Whether an operation is a two-dimensional convolution whose padding is given in numbers."""
    by_name = any(isinstance(argument, str) for argument in operation.arguments)
    return operation.function is torch.conv2d and is_convolution(operation) and not by_name


def rectified_conv2d(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    added: Tensor | None = None,
) -> Tensor:
    """Return what is above zero of a convolution, to which something of its shape may be added before."""
    if not _may_be_one(*(tensor for tensor in (images, weight, bias, added) if tensor is not None)):
        convolved = torch.conv2d(images, weight, bias, stride, padding, dilation, groups)
        return torch.relu(convolved if added is None else convolved + added)
    geometry = (*map(_two, (padding, stride, dilation)), groups)
    if added is None:
        how: tuple[Any, ...] = (images, weight, bias, *geometry, "relu", [], "")
    else:
        how = (images, added, weight, bias, *geometry, "add", 1.0, "relu", [], "")
    result: Tensor = getattr(torch.ops.mkldnn, _FUSED)(*how)
    return result


def _may_be_one(*given: Tensor) -> bool:
    plain = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in given)
    recorded = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")  # torch gives it neither gradient nor cast
    there = bool(torch.backends.mkldnn.enabled) and hasattr(torch.ops.mkldnn, _FUSED)
    return there and plain and not recorded and given[0].ndim == 4  # a batch of maps, not one alone


def _two(number: Any) -> list[int]:
    return [number, number] if isinstance(number, int) else list(number)
