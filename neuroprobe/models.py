"""What every call does to a model before and after: unwrap it, run it quietly, leave it as it was found."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from neuroprobe.interrupts import entered


def unwrap(model: nn.Module) -> nn.Module:
    """Return the network inside DataParallel, DistributedDataParallel and torch.compile wrappers.

    Raises:
        TypeError: if the model is not an ``nn.Module`` that Python hooks can look into.
        ValueError: if the model has parameters that wait for their first input.
    """
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return unwrap(model.module)
    if hasattr(model, "_orig_mod"):  # what torch.compile returns
        return unwrap(model._orig_mod)  # type: ignore[arg-type]  # noqa: SLF001 - there is no public way in
    if not isinstance(model, nn.Module):
        raise TypeError(f"a torch.nn.Module is wanted; {_instead(model)}")
    for path, module in model.named_modules():
        if how := _closed(module):
            which = path or type(model).__name__
            raise TypeError(
                f"a network of Python modules is wanted; {which} is {how}, and its layers cannot be hooked: use the "
                "nn.Module it was made from"
            )
    if any(is_lazy(parameter) for parameter in model.parameters()):
        raise ValueError(
            f"{type(model).__name__} has lazy parameters that no input has shaped yet: run one forward pass first"
        )
    return model


def _instead(model: object) -> str:
    """Say what came in a network's place, and what to do."""
    if isinstance(model, type) or inspect.isroutine(model):
        name = getattr(model, "__qualname__", model)
        return f"{name} came, which makes something when it is called: pass what it makes, as in {name}(...)"
    kind = type(model).__name__
    return f"{kind} came (an exported program or a path?): pass the nn.Module itself, or neuroprobe.load_network(...)"


def _closed(module: nn.Module) -> str:
    """Say how a module was closed to hooks, "" where it was not."""
    if isinstance(module, torch.jit.ScriptModule):
        return "scripted or traced"
    # torch.export gives its modules an eval() of their own, which only raises
    return "exported" if isinstance(module, torch.fx.GraphModule) and "eval" in vars(module) else ""


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first parameter or buffer (CPU if it has none)."""
    return next((tensor.device for tensor in _tensors(model)), torch.device("cpu"))


def dtype_of(model: nn.Module) -> torch.dtype:
    """Return the dtype of the model's first floating parameter or buffer (float32 if it has none)."""
    return next((tensor.dtype for tensor in _tensors(model) if tensor.is_floating_point()), torch.float32)


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def refuse_valueless(model: nn.Module) -> None:
    """Raise a ValueError where weights are on the meta device: they have a shape and no values."""
    held = [*model.named_parameters(), *model.named_buffers()]
    without = [name for name, tensor in held if tensor.is_meta]
    if without:
        raise ValueError(
            f"a network with weights is wanted; of {type(model).__name__} {len(without)} of {len(held)} tensors "
            f"({without[0]}, ...) are on the meta device and hold no values: load its weights on a real device first, "
            "as by model.to_empty(device='cpu') and load_state_dict"
        )


def left_as_found(model: nn.Module) -> AbstractContextManager[None]:
    """Return the block after which modes, buffers, attributes and random state are as they were, however it ends.

    Parameters are not looked at: no forward pass writes them. What it appends to a list of its own stays.
    """
    return entered(random_state_kept(device_of(model)), _state_kept(model), _modes_kept(model))


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Run the model in eval mode and without gradients, and leave it as it was found."""
    # what is made in inference mode hides its being written to, and lets no gradient by
    with entered(torch.inference_mode(mode=False), left_as_found(model), torch.no_grad()):
        model.eval()
        yield


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training  # not .train(): that would reach into the children


@contextmanager
def _state_kept(model: nn.Module) -> Iterator[None]:
    """Put back what forward passes write on modules: into buffers and other tensors, or as attributes."""
    holders = [holder for module in model.modules() for holder in (module._buffers, vars(module))]  # noqa: SLF001
    found = [(holder, dict(holder)) for holder in holders]
    tensors = [tensor for _, held in found for tensor in held.values() if isinstance(tensor, Tensor)]
    values = [(tensor, tensor.detach().clone()) for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in values:
                if tensor.shape != value.shape:
                    tensor.resize_(value.shape)
                if _differ(tensor, value):
                    tensor.copy_(value)
        for holder, held in found:
            for name in holder.keys() - held.keys():
                del holder[name]
            holder.update(held)


def _differ(tensor: Tensor, value: Tensor) -> bool:
    # by value: batch normalisation writes its statistics without a new version; inference tensors cannot be written
    return not (tensor.is_inference() or tensor.is_meta or torch.equal(tensor, value))


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Put the random state of Python, NumPy and torch, on the CPU and a device, back as it was."""
    # a user's data set may draw from any of the three
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the state others share
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


class _ReadingError(Exception):
    """Carries an error of what reads the layers through the forward pass, whose own it is not."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def reading() -> Iterator[None]:
    """Mark errors of a block inside a hook, so that ``forward_explained`` lets them pass as they are."""
    try:
        yield
    except Exception as error:
        raise _ReadingError(error) from error


def refuses_layout(error: Exception) -> bool:
    """Whether a forward pass raised since maps do not lie in the order of a view that it takes, ``x.view(n, -1)``."""
    return "view size is not compatible" in str(error)


@contextmanager
def forward_explained(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Say what the model was given when its forward pass raises."""
    try:
        yield
    except _ReadingError as carrier:
        raise carrier.error from None
    except Exception as error:
        raise RuntimeError(
            f"the forward pass of {type(model).__name__} raised {type(error).__name__}: {error}\nIt was given images "
            f"of shape {tuple(images.shape)}, {images.dtype} on {images.device}; are these the channels and the size "
            "it was made for, and does it take so many at once? input_size=(C, H, W) sets both; by default there are "
            "as many channels as its first convolution takes"
        ) from error
