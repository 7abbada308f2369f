"""Watching a forward pass: every call of a module and every functional activation, in order of execution.

Module calls are seen by forward hooks. ``F.relu(x)`` and ``x.relu()`` have no module to hook: they are seen by a
``TorchFunctionMode``, and named after the innermost module that is running.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from traceback import clear_frames
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils.hooks import RemovableHandle

from neuroprobe.interrupts import leave, undisturbed

# gates and squashers are told apart from the others because a squasher's output may be a gate (addresses.py)
SQUASHERS = {"sigmoid": nn.Sigmoid, "hardsigmoid": nn.Hardsigmoid, "tanh": nn.Tanh}
NONLINEARITIES = {
    "relu": nn.ReLU, "relu6": nn.ReLU6, "leaky_relu": nn.LeakyReLU, "prelu": nn.PReLU, "rrelu": nn.RReLU,
    "elu": nn.ELU, "selu": nn.SELU, "celu": nn.CELU, "gelu": nn.GELU, "silu": nn.SiLU, "mish": nn.Mish,
    "hardswish": nn.Hardswish, "softplus": nn.Softplus, "softsign": nn.Softsign, "hardtanh": nn.Hardtanh,
    "threshold": nn.Threshold, "glu": nn.GLU, **SQUASHERS,
}  # fmt: skip
NEVER_NEGATIVE = {"relu", "relu6", "sigmoid", "hardsigmoid", "softplus"}  # whatever they are given
_NONLINEAR_MODULES = tuple(NONLINEARITIES.values())
_FUSED = "torch.ao.nn.intrinsic.quantized"  # a convolution and its ReLU made one by quantisation


class Call(NamedTuple):
    """One call in a forward pass: of a module, or of an activation function inside a module."""

    module: str  # path as in named_modules(); the enclosing one for a function
    function: str | None  # "relu", ...; None for the module itself
    number: int  # how many calls of the same went before in this pass


# told each call and its output; what it returns takes the output's place, unless that is None
See = Callable[[Call, Any], Any]


def nonlinearity(call: Call, module: nn.Module) -> str | None:
    """Return the name of the non-linearity that made this call's output ("relu"), None if it was none."""
    if call.function is not None:
        return call.function
    if type(module).__module__.startswith(_FUSED) and "ReLU" in type(module).__name__:
        return "relu"
    return next((name for name, kind in NONLINEARITIES.items() if isinstance(module, kind)), None)


def never_negative(call: Call, module: nn.Module) -> bool:
    """Whether torch's own function or module made this call's output, and one that gives nothing below zero."""
    name = nonlinearity(call, module)
    return name in NEVER_NEGATIVE and (call.function is not None or type(module) is NONLINEARITIES[name])


@dataclass(eq=False)
class _Pass:
    """One forward pass under way."""

    running: list[tuple[str, nn.Module]] = field(default_factory=list)  # the innermost module last
    counts: Counter[tuple[str, str | None]] = field(default_factory=Counter)  # calls so far


class Mode(TorchFunctionMode):
    """A function mode after which torch's stack of modes is as it was.

    While a mode handles a call torch has taken it off the stack; Ctrl-C in that moment may lose it, or leave another.
    Torch puts it back at the end of a generator: one that Ctrl-C cut off does so only once nothing refers to it.
    """

    _below = 0  # how many modes there were before it

    def __enter__(self) -> Any:
        self._below = len(_get_current_function_mode_stack())
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        interrupt = sys.exception()
        if isinstance(interrupt, KeyboardInterrupt):
            clear_frames(interrupt.__traceback__)  # which refer to such generators
        while len(_get_current_function_mode_stack()) > self._below:
            super().__exit__(*exception)


class Watch(Mode):
    """While entered, tell ``see`` the calls of a model's forward passes.

    Only ``modules`` are watched where they are given, and activation functions where ``functions`` is set. ``held``,
    which may fill later, are the calls whose output ``see`` is to replace. The hooks live as long as the block; in it
    compiled modules run uncompiled, since what is compiled passes hooks by, or is compiled anew for them.
    """

    def __init__(
        self,
        model: nn.Module,
        see: See,
        *,
        modules: Collection[str] | None = None,
        functions: bool = True,
        held: Collection[Call] = (),
    ) -> None:
        super().__init__()
        self.held = held
        self._model, self._see, self._functions = model, see, functions
        self._watched = modules
        self._passes: list[_Pass] = []  # the last is under way; a hook may run the network again from within
        self._hooks: list[tuple[str | None, RemovableHandle]] = []  # the module each tells of; None: serves functions
        self._undo = ExitStack()

    def __enter__(self) -> Watch:
        try:
            with undisturbed():
                self._register(self._undo)
        except BaseException:  # also where a registration fails half way
            leave(self._undo)
            raise
        return self

    def __exit__(self, *exception: Any) -> None:
        leave(self._undo)

    def narrow(self, calls: Collection[Call]) -> None:
        """See these calls alone from here on: the hooks that only others need go."""
        modules = {call.module for call in calls if call.function is None}
        self._functions = any(call.function for call in calls)
        for told, hook in self._hooks:
            if not (self._functions if told is None else told in modules):
                hook.remove()

    def _register(self, undo: ExitStack) -> None:
        undo.enter_context(_uncompiled())
        undo.enter_context(self._model.register_forward_pre_hook(self._start))
        for path, module in self._model.named_modules():
            self._hook(undo, path, module)
        undo.enter_context(self._model.register_forward_hook(self._end, always_call=True))
        if self._functions:
            super().__enter__()
            undo.push(super().__exit__)

    def _start(self, _module: nn.Module, _inputs: Any) -> None:
        self._passes.append(_Pass())

    def _end(self, *_: Any) -> None:
        if self._passes:  # it never began where another's hook raised before ours
            self._passes.pop()

    def _hook(self, undo: ExitStack, path: str, module: nn.Module) -> None:
        def hooked(of: str | None, hook: RemovableHandle) -> None:
            self._hooks.append((of, undo.enter_context(hook)))

        if self._functions:  # then every module must say when it runs: functions are named after the innermost
            hooked(None, module.register_forward_pre_hook(lambda *_: self._enter(path, module)))
            # prepended: what other hooks compute is not the module's own; always: the model may catch its exceptions
            left = module.register_forward_hook(lambda *_: self._leave(path), prepend=True, always_call=True)
            hooked(None, left)
        if self._watched is None or path in self._watched:
            activates = isinstance(module, _NONLINEAR_MODULES)  # others may hand their input on, as Identity does
            told = module.register_forward_hook(
                lambda _m, inputs, output: self._tell(path, None, inputs if activates else (), output)
            )
            hooked(path, told)

    def _enter(self, path: str, module: nn.Module) -> None:
        if self._passes:  # a part may be called on its own
            self._passes[-1].running.append((path, module))

    def _leave(self, path: str) -> None:
        running = self._passes[-1].running if self._passes else []
        if running and running[-1][0] == path:  # it never began where another's hook raised before ours
            running.pop()

    def _tell(self, path: str, function: str | None, inputs: Sequence[Any], output: Any) -> Any:
        counts = (self._passes[-1] if self._passes else _Pass()).counts
        number = counts[path, function]
        counts[path, function] += 1
        new = self._see(Call(path, function, number), output)
        if new is None or not _written_in_place(inputs, output):
            return new
        return output.copy_(new)  # a caller may go on with its input, and never look at what is returned

    def __torch_function__(
        self, function: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        name = function_name(function)
        if self._functions and name in NONLINEARITIES and self._passes and self._passes[-1].running:
            path, module = self._passes[-1].running[-1]
            if not isinstance(module, _NONLINEAR_MODULES):  # nn.ReLU calls F.relu: that is the module's own output
                new = self._tell(path, name, args, output)
                return output if new is None else new
        return output


def _uncompiled() -> AbstractContextManager[None]:
    # where the compiler was never loaded nothing is compiled, and to load it takes a second
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def unseen() -> AbstractContextManager[Any]:
    """Return the block in which no function mode is told what is done with tensors, were it to ask for a shape."""
    return torch._C.DisableTorchFunction()  # noqa: SLF001 - there is no public way to silence modes


def functions_are_held() -> bool:
    """Whether the output of an activation function is replaced here, which nobody further in can see."""
    # there is no public way to ask which modes are on
    modes = _get_current_function_mode_stack()
    return any(call.function is not None for mode in modes if isinstance(mode, Watch) for call in mode.held)


def _written_in_place(inputs: Sequence[Any], output: Any) -> bool:
    # with gradients on, writing once more would spoil what the backward pass has kept
    return not torch.is_grad_enabled() and isinstance(output, Tensor) and any(output is value for value in inputs)


@lru_cache(maxsize=4096)
def function_name(function: Any) -> str:
    """Return one name for all the forms of a function: ``relu`` for F.relu, x.relu and x.relu_."""
    return str(getattr(function, "__name__", "")).strip("_")


def is_watched(model: nn.Module) -> bool:
    """Whether somebody's hooks or modes are to see the network run."""
    hooked = (module._forward_hooks or module._forward_pre_hooks for module in model.modules())  # noqa: SLF001
    return bool(_get_current_function_mode_stack()) or any(map(bool, hooked))
