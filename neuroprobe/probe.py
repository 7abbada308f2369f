"""Reading layers while a model runs: hooks that live exactly as long as a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from neuroprobe.addresses import Layer, choose, find_layers, unknown_layer, with_unit_axes
from neuroprobe.calls import Call, Watch
from neuroprobe.interrupts import entered, leave, undisturbed
from neuroprobe.models import left_as_found, unwrap
from neuroprobe.parts import part_at, with_part
from neuroprobe.readout import Readout, Reduce, Tokens

# told each chosen layer's output, which later operations may overwrite; a tensor it returns takes the output's place
Keep = Callable[[Layer, Tensor], Any]


@contextmanager
def tapping(model: nn.Module, layers: Sequence[Layer], keep: Keep) -> Iterator[None]:
    """Tell ``keep`` the outputs of the layers in every forward pass of the block."""
    taps = by_call(layers)
    modules = {call.module for call in taps if call.function is None}
    see = partial(tell, taps, keep)
    with Watch(model, see, modules=modules, functions=any(call.function for call in taps)):
        yield


def by_call(layers: Sequence[Layer]) -> dict[Call, list[Layer]]:
    """Return the layers that each call's output holds."""
    taps: dict[Call, list[Layer]] = {}
    for layer in layers:
        taps.setdefault(layer.call, []).append(layer)
    return taps


def tell(taps: Mapping[Call, Sequence[Layer]], keep: Keep, call: Call, output: Any) -> Any:
    """Tell ``keep`` the layers in a call's output; return the output with what it changed, None if nothing."""
    changed = False
    for layer in taps.get(call, ()):
        new = keep(layer, part_at(output, layer.part))
        if new is not None:
            output, changed = with_part(output, layer.part, new), True
    return output if changed else None


@contextmanager
def at_first_pass(model: nn.Module, when_found: Callable[[list[Layer]], None]) -> Iterator[None]:
    """Find the layers in the first forward pass of the block, which is run once more for it, and hand them over."""
    found = False

    def find(_model: nn.Module, inputs: tuple[Any, ...], named_inputs: dict[str, Any]) -> None:
        nonlocal found
        if found:
            return
        found = True  # first: the pass that finds the layers comes through here too
        try:
            with left_as_found(model), torch.no_grad():
                inputs = tuple(_copied(value) for value in inputs)  # the network may write into its input
                when_found(find_layers(model, inputs, {name: _copied(value) for name, value in named_inputs.items()}))
        except BaseException:
            found = False
            raise

    with before_each_pass(model, find):
        yield


@contextmanager
def before_each_pass(model: nn.Module, do: Callable[..., None]) -> Iterator[None]:
    """Call ``do`` with the model, its inputs and its named inputs before every forward pass of the block."""
    with model.register_forward_pre_hook(do, with_kwargs=True):
        yield


@contextmanager
def reading_from_first_pass(
    model: nn.Module, choose_of: Callable[[list[Layer]], list[Layer]], start: Callable[..., None], keep: Keep
) -> Iterator[None]:
    """In every pass of the block call ``start``, then tell ``keep`` the layers chosen of those that the first finds."""
    taps: dict[Call, list[Layer]] = {}  # empty until a pass has found the layers
    watch = Watch(model, lambda call, output: tell(taps, keep, call, output))

    def tap(found: list[Layer]) -> None:
        taps.update(by_call(choose_of(found)))
        watch.narrow(taps)

    with entered(at_first_pass(model, tap), before_each_pass(model, start), watch):
        yield


class Probe(Mapping[str, Tensor]):
    """Hold the responses of the last forward pass, while a block lasts.

    The layers are found in the first forward pass of the block, which is run once more for it. The model's mode is
    left alone: call ``model.eval()`` first where that is meant.

    Example:
        >>> import torch, neuroprobe
        >>> model = neuroprobe.load_network("cnn7").eval()
        >>> with neuroprobe.Probe(model, ["relu1", "relu6"]) as probe:
        ...     logits = model(torch.rand(2, 3, 32, 32))
        >>> probe["relu1"].shape
        torch.Size([2, 32, 30, 30])

    Args:
        model: any ``nn.Module``.
        layers: names, globs, or None for the outputs of all non-linearities.
        reduce: ``"none"`` keeps whole outputs; ``"mean"``, ``"max"``, ``"center"`` give (images, units).
        grad: keep the responses in the autograd graph.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens of a token layer are read: ``"patch"``, ``"cls"``, ``"all"``; ``reduce="none"`` keeps all.

    Raises:
        UnknownLayerError: if a layer is not there, on entry for a module's name, else in the first forward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: str | Sequence[str] | None = None,
        *,
        reduce: Reduce = "none",
        grad: bool = False,
        unit_axis: Mapping[str, int] | None = None,
        tokens: Tokens = "patch",
    ) -> None:
        self._model = unwrap(model)
        self._wanted = [layers] if isinstance(layers, str) else layers
        self._readout = Readout(reduce, tokens)
        self._grad, self._unit_axis = grad, unit_axis
        self._responses: dict[str, Tensor] = {}
        self._names: list[str] = []
        self._entered = False
        self._undo = ExitStack()

    def __enter__(self) -> Probe:
        if self._entered:
            raise RuntimeError("this Probe is entered already: make another for a block inside its block")
        refuse_unknown_modules(self._model, self._wanted or ())
        try:
            with undisturbed():
                self._undo.enter_context(reading_from_first_pass(self._model, self._chosen, self._clear, self._keep))
        except BaseException:
            leave(self._undo)
            raise
        self._entered = True
        return self

    def __exit__(self, *exception: Any) -> None:
        self._entered = False
        leave(self._undo)

    def __getitem__(self, layer: str) -> Tensor:
        if layer in self._responses:
            return self._responses[layer]
        if not self._names:
            raise unknown_layer(layer, ["(none yet: no forward pass has run in this block)"])
        raise unknown_layer(layer, self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._responses)

    def __len__(self) -> int:
        return len(self._responses)

    def _chosen(self, found: list[Layer]) -> list[Layer]:
        chosen = choose(with_unit_axes(found, self._unit_axis), self._wanted)
        self._names = [layer.name for layer in chosen]
        return chosen

    def _clear(self, *_: Any) -> None:
        self._responses.clear()

    def _keep(self, layer: Layer, output: Tensor) -> None:
        output = output if self._grad else output.detach()
        if self._readout.reduce == "none":
            self._responses[layer.name] = output.clone()  # as the layer gave it, unit axis in its place
        else:
            self._responses[layer.name] = self._readout.respond(self._readout.places(layer, output))


def refuse_unknown_modules(model: nn.Module, wanted: Sequence[str]) -> None:
    """Raise an UnknownLayerError for a name that cannot be a layer's, before any forward pass has shown which are."""
    paths = [path for path, _ in model.named_modules() if path]
    for name in wanted:
        plain = name.partition(":")[0].partition("[")[0]
        if not set(name) & set("*?/") and plain not in paths:
            raise unknown_layer(name, paths)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
