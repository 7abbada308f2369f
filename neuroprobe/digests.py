"""Digests of tensors, and descriptions of options: equal for what is equal, in this process or in another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import partial, singledispatch
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuroprobe.provenance import weights_digest

_BLOCK = 2**24  # bytes that are digested at a time
_UNDER_WAY: list[FunctionType] = []  # being described: functions may hold themselves, and each other
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def digest(*parts: Any) -> str:
    """Return the digest of some bytes, one after the other."""
    digesting = hashlib.blake2b(digest_size=16)
    for part in parts:
        digesting.update(part)
    return digesting.hexdigest()


def bytes_of(tensor: Tensor | None) -> Iterable[Any]:
    """Yield a tensor's type, shape and bytes, a block at a time."""
    if tensor is None:
        return
    yield f"{tensor.dtype} {tuple(tensor.shape)}".encode()
    tensor = tensor.detach() if tensor.ndim else tensor.detach()[None]
    rows = max(1, _BLOCK // max(1, tensor[:1].numel() * tensor.element_size()))
    for block in tensor.split(rows):
        yield block.cpu().contiguous().flatten().view(torch.uint8).numpy().data


@singledispatch
def described(thing: Any) -> Any:
    """Describe an option in words that JSON can hold; of a function its name and its code.

    Example:
        >>> described({"k": 3, "of": partial(max, 2)})
        {'k': 3, 'of': ['<built-in function max>', 2]}
        >>> described(lambda x: x / 2) == described(lambda x: x / 3)
        False
    """
    if type(thing).__repr__ is object.__repr__:
        return [lasting_repr(type(thing)), lasting_repr(vars(thing))]
    return lasting_repr(thing)


@described.register
def _(thing: str | int | float | None) -> Any:
    return thing


@described.register
def _(thing: np.generic) -> Any:
    return thing.item()


@described.register
def _(thing: list | tuple) -> Any:  # type: ignore[type-arg]
    return [described(part) for part in thing]


@described.register
def _(thing: Mapping) -> Any:  # type: ignore[type-arg]
    return {str(name): described(value) for name, value in thing.items()}


@described.register
def _(thing: Tensor | np.ndarray) -> Any:
    return digest(*bytes_of(torch.as_tensor(thing)))


@described.register
def _(thing: nn.Module) -> Any:
    return [lasting_repr(thing), weights_digest(thing)]


@described.register
def _(thing: partial) -> Any:  # type: ignore[type-arg]
    return described([thing.func, *thing.args, *sorted(thing.keywords.items())])


@described.register
def _(thing: MethodType) -> Any:
    return described([thing.__func__, thing.__self__])


@described.register
def _(thing: FunctionType) -> Any:
    name = f"{thing.__module__}.{thing.__qualname__}"
    if thing in _UNDER_WAY:
        return name
    _UNDER_WAY.append(thing)
    try:
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        held = [_code(thing.__code__), described([cells, thing.__defaults__, thing.__kwdefaults__])]
    finally:
        _UNDER_WAY.pop()
    return f"{name} {digest(repr(held).encode())[:8]}"


def _code(code: CodeType) -> list[Any]:
    """Return what a function does, and not where it stands."""
    constants = [_code(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return [code.co_code, constants, code.co_names]


def lasting_repr(thing: Any) -> str:
    """Return the repr without the addresses of functions and objects, which are others in each process."""
    return _ADDRESS.sub("", repr(thing))
