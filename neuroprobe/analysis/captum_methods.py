"""Captum's layer attributions, where captum can go: modules that are called once.

Captum is given the network as it stands and cleaned up after. Its DeepLIFT puts rules in place of the gradients of the
non-linear *modules* only, and says nothing where a network applies a non-linearity as a function: its convergence
delta tells, and it is refused.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from neuroprobe.addresses import Layer
from neuroprobe.analysis.attribution import Setting

PATH_METHODS = {"internal_influence": "InternalInfluence", "integrated_gradients": "LayerIntegratedGradients"}
_MOST_MISSING = 0.01  # convergence delta beside the change of the logits
_OURS = "use 'conductance' or 'gradient_x_activation', which reach every layer"


def _refuse_unreachable(method: str, setting: Setting) -> None:
    """Raise a ValueError for a layer that captum cannot attribute to."""
    times = _calls(setting.every_layer)
    for layer in setting.layers:
        if obstacle := _obstacle(layer, times[layer.call.module]):
            raise ValueError(
                f"{method} is captum's, which wants a module that is called once and returns one tensor; "
                f"layer {layer.name!r} is {obstacle}: {_OURS}"
            )


def _calls(layers: Sequence[Layer]) -> Counter[str]:
    """Count the calls of each module."""
    calls = {layer.call for layer in layers if layer.call.function is None}
    return Counter(call.module for call in calls)


def _obstacle(layer: Layer, times: int) -> str | None:
    if layer.call.function is not None:
        return "a function, without a module of its own"
    if times > 1:
        return f"one of {times} calls of {layer.call.module!r}"
    return "one of several tensors" if layer.part else None


class PathMethod:
    """Internal influence (Leino et al., 2018) or integrated gradients (Sundararajan et al., 2017) of a layer."""

    def __init__(self, method: str, setting: Setting) -> None:
        _refuse_unreachable(method, setting)
        self._class, self._setting = PATH_METHODS[method], setting

    def __call__(self, inputs: Tensor, targets: Tensor) -> list[Tensor]:
        """Return the attributions to each layer (images, units)."""
        setting = self._setting
        return [setting.by_unit(layer, self._at(layer, inputs, targets)) for layer in setting.layers]

    def _at(self, layer: Layer, inputs: Tensor, targets: Tensor) -> Tensor:
        from captum import attr

        model = self._setting.prepared.model
        with _cleaned_up(model), _written_into_explained(layer):
            return getattr(attr, self._class)(self._setting.scores, _module(model, layer)).attribute(
                inputs,
                self._setting.baselines(inputs),
                target=targets,
                n_steps=self._setting.steps,
                internal_batch_size=len(inputs),  # one step at a time: memory does not grow with steps
            )


class DeepLift:
    """DeepLIFT's rescale rule (Shrikumar et al., 2017), with a check that the rule has reached every non-linearity.

    Attributions to the *input* must add up to the change of the logit from the baseline, whatever way a layer lies on;
    where they miss it by more than 1% over the images so far, the numbers at the layers are wrong too.

    Raises:
        ValueError: for another score than the logit, which it takes as a function and does not see, or a network that
            calls a non-linear module again; RuntimeError: where the check fails.
    """

    def __init__(self, setting: Setting) -> None:
        _refuse_unreachable("deeplift", setting)
        _refuse_reused(setting.every_layer)
        if setting.score != "logit":
            raise ValueError(f"captum's DeepLIFT attributes logits; of={setting.score!r} came: {_OURS}")
        self._setting = setting
        self._missing = self._change = 0.0  # logits, summed over images

    def __call__(self, inputs: Tensor, targets: Tensor) -> list[Tensor]:
        """Return the attributions to each layer (images, units)."""
        from captum import attr

        model = self._setting.prepared.model
        inputs = inputs.detach().clone().requires_grad_()  # where captum sets it, it warns
        given: Any = {"inputs": inputs, "baselines": self._setting.baselines(inputs), "target": targets}
        with _cleaned_up(model):
            whole, delta = attr.DeepLift(model).attribute(**given, return_convergence_delta=True)
            self._check(whole.detach().flatten(1).sum(1), delta.detach())
        return [self._setting.by_unit(layer, self._at(layer, given)) for layer in self._setting.layers]

    def _at(self, layer: Layer, given: dict[str, Any]) -> Tensor:
        from captum import attr

        model = self._setting.prepared.model
        with _cleaned_up(model):
            return attr.LayerDeepLift(model, _module(model, layer)).attribute(**given)

    def _check(self, attributed: Tensor, delta: Tensor) -> None:
        self._missing += float(delta.abs().sum())
        self._change += float((attributed - delta).abs().sum())
        if self._missing > _MOST_MISSING * self._change:
            functions = [layer.name for layer in self._setting.every_layer if layer.call.function is not None]
            why = f" (it sees no function, and this network has {functions[0]!r})" if functions else ""
            raise RuntimeError(
                f"captum's DeepLIFT misses {self._missing / self._change:.1%} of the change of the logits, more than "
                f"the {_MOST_MISSING:.0%} that rounding explains{why}, so its numbers are wrong here: {_OURS}"
            )


def _refuse_reused(layers: Sequence[Layer]) -> None:
    times = _calls([layer for layer in layers if layer.default])
    reused = next((module for module, calls in times.items() if calls > 1), None)
    if reused is not None:
        raise ValueError(
            f"captum's DeepLIFT wants every non-linear module to be called once; {reused!r} is called {times[reused]} "
            f"times: {_OURS}"
        )


def _module(model: nn.Module, layer: Layer) -> nn.Module:
    return model.get_submodule(layer.call.module)


@contextmanager
def _cleaned_up(model: nn.Module) -> Iterator[None]:
    """Let captum run as it wants to, with gradients and nothing in place, and take away what it leaves on modules."""
    modules = list(model.modules())
    before = [set(vars(module)) for module in modules]
    in_place = [module for module in modules if getattr(module, "inplace", None) is True]
    try:
        for module in in_place:
            module.inplace = False  # type: ignore[assignment]
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="(?s).*Setting forward, backward hooks")
            yield
    finally:
        for module in in_place:
            module.inplace = True  # type: ignore[assignment]
        for module, names in zip(modules, before, strict=True):
            for name in set(vars(module)) - names:
                delattr(module, name)


@contextmanager
def _written_into_explained(layer: Layer) -> Iterator[None]:
    """Say what is wrong where captum puts a leaf of the graph in place of an output, and the network writes there."""
    try:
        yield
    except RuntimeError as error:
        if "leaf Variable" not in str(error):
            raise
        raise ValueError(
            f"captum cannot attribute to layer {layer.name!r}, for the network writes into its output (as += does): "
            f"{_OURS}"
        ) from error
