"""Checks of one network that know nothing of how neuroprobe finds its answers: plain hooks, and nudged weights.

Each check raises an AssertionError that names the layer. `benchmarks/zoo.py` and `tests/test_zoo.py` use the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import neuroprobe
from neuroprobe.addresses import Layer, choose, dry_run
from neuroprobe.models import at_rest
from neuroprobe.preparation import prepare
from neuroprobe.probe import tapping
from neuroprobe.provenance import weights_digest

SMALL_SIDE = 96  # pixels, for networks that take any size: units are the same as at their own
NUDGED_LAYERS = 6
_TOLERANCE = 1e-4  # of a layer's largest response
_SQUASHERS = ("Sigmoid", "Hardsigmoid", "HardSigmoid", "sigmoid", "hardsigmoid")  # in these networks all are gates


@dataclass(frozen=True, eq=False)
class Specimen:
    """A network with random weights, and the gratings that it is shown."""

    name: str
    network: nn.Module
    size: tuple[int, int, int]  # (C, H, W), pixels

    @classmethod
    def of(cls, name: str, side: int = SMALL_SIDE) -> Specimen:
        """Make a network at a small size where it takes one, else at its own."""
        torch.manual_seed(0)
        network = awakened(neuroprobe.load_network(name, None))
        own = tuple(network.pretrained_cfg["input_size"])
        for size in ((own[0], side, side), own):
            try:
                dry_run(network, size)
            except RuntimeError:  # a network of a fixed size
                continue
            return cls(name, network, size)
        raise AssertionError(f"{name} takes images neither of {side} pixels nor of its own size, {own}")

    @cached_property
    def found(self) -> list[Layer]:
        """All layers, those that cannot be read among them."""
        return dry_run(self.network, self.size)

    @cached_property
    def layers(self) -> list[Layer]:
        """The default layers."""
        return choose(self.found, None)

    @cached_property
    def by_hand(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Mean and rectified mean (images, units) of default layers, by plain hooks."""
        return _means_by_hand(self)

    @cached_property
    def stimuli(self) -> neuroprobe.stimuli.StimulusSet:
        """Sixteen gratings."""
        return neuroprobe.stimuli.gratings(self.size, orientations=4, frequencies=[0.06, 0.2], phases=2)

    @cached_property
    def images(self) -> Tensor:
        """The gratings, in order."""
        return next(iter(self.stimuli.batches(len(self.stimuli))))

    @cached_property
    def inputs(self) -> Tensor:
        """The gratings as the network wants them."""
        return prepare(self.network).prepared(self.images)


def awakened(network: nn.Module) -> nn.Module:
    """Fill weights that begin as zeros, as in branches that begin as nothing: what is zero cannot be seen to change."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.endswith("bias") and not parameter.any():
                parameter.fill_(0.5)
    return network


@contextmanager
def watched(
    network: nn.Module, see: Callable[[str, nn.Module, Any], Any], *, beginnings: bool = False
) -> Iterator[None]:
    """Tell ``see`` every module call with its output, by plain hooks; its beginning too, with None for an output."""
    with ExitStack() as hooks:
        for path, module in network.named_modules():
            hooks.enter_context(
                module.register_forward_hook(lambda m, _inputs, output, path=path: see(path, m, output))
            )
            if beginnings:
                hooks.enter_context(module.register_forward_pre_hook(lambda m, _inputs, path=path: see(path, m, None)))
        yield


def check_activations_are_layers(specimen: Specimen) -> None:
    """Every module that is a non-linearity and follows from the images is a default layer, gates and logits are not."""
    ran: set[str] = set()

    def see(path: str, module: nn.Module, _output: Any) -> None:
        kind = type(module)
        is_leaf = not list(module.children())
        if is_leaf and "activation" in kind.__module__ and not kind.__name__.startswith((*_SQUASHERS, "Softmax")):
            ran.add(path)

    with at_rest(specimen.network), watched(specimen.network, see):
        logits = specimen.network(specimen.inputs[:1])
    unreadable = {layer.call.module for layer in specimen.found if layer.refusal}
    missing = ran - {layer.call.module for layer in specimen.layers} - unreadable
    assert not missing, f"{sorted(missing)[0]} is a non-linearity and no default layer"
    gates = [layer.name for layer in specimen.layers if layer.kind in _SQUASHERS]
    assert not gates, f"{gates[0]} is a gate and a default layer"
    last = specimen.layers[-1]
    assert last.shape[1:] != logits.shape[1:], f"{last.name} has the shape of the logits"


def check_units(specimen: Specimen) -> None:
    """Nudge one unit of the module that made a layer's tensor: that unit alone changes, along the unit axis.

    Of a gated linear unit the layer holds one half: there one of the two units that share a number is to change it.
    """
    makers = _makers(specimen)
    some = specimen.layers[:: max(1, len(specimen.layers) // NUDGED_LAYERS)]
    outputs = _outputs(specimen, some)
    for number, layer in enumerate(some):
        path, module = makers[layer.name]
        made, before = _units_of(module), outputs[layer.name]
        assert made in (layer.units, 2 * layer.units), (
            f"{layer.name} has {layer.units} units, {path} that made it {made}"
        )
        unit, changed = (7 * number + 3) % layer.units, []
        for nudged in range(unit, made, layer.units):
            with _nudged(module, nudged, 3 + float(before.abs().max())):  # to be seen beside the largest response
                after = _outputs(specimen, [layer])[layer.name]
            changed += (after != before).movedim(layer.unit_axis, 0).flatten(1).any(1).nonzero().flatten().tolist()
        assert changed == [unit], f"{layer.name}: nudging unit {unit} of {path} changed units {changed[:5]}"


def _makers(specimen: Specimen) -> dict[str, tuple[str, nn.Module]]:
    """Return for each layer the module with units that ran last before it, or around it (timm's BatchNormAct2d)."""
    last: list[tuple[str, nn.Module]] = []
    makers: dict[str, tuple[str, nn.Module]] = {}

    def see(path: str, module: nn.Module, _output: Any) -> None:
        if _units_of(module):
            last[:] = [(path, module)]

    def keep(layer: Layer, _output: Tensor) -> None:
        makers[layer.name] = last[0]

    with (
        at_rest(specimen.network),
        watched(specimen.network, see, beginnings=True),
        tapping(specimen.network, specimen.layers, keep),
    ):
        specimen.network(specimen.inputs[:1])
    return makers


def _units_made(specimen: Specimen) -> dict[str, int]:
    """Return each layer's units as said by the module that made it, half of them where it is a gated linear unit's."""
    made = {name: _units_of(module) for name, (_, module) in _makers(specimen).items()}
    halves = [layer.name for layer in specimen.layers if made[layer.name] == 2 * layer.units]
    return made | {name: made[name] // 2 for name in halves}


def _units_of(module: nn.Module) -> int:
    """Return how many units a module with weights gives out, 0 where it is none of those known."""
    for names in ("out_channels", "out_features", "num_features", "num_channels", "normalized_shape"):
        units = getattr(module, names, None)
        if units and isinstance(getattr(module, "weight", None), Tensor):
            return units[-1] if isinstance(units, Sequence) else int(units)
    return 0


@contextmanager
def _nudged(module: nn.Module, unit: int, by: float) -> Iterator[None]:
    parameter = module.bias if module.bias is not None else module.weight
    kept = parameter.detach().clone()
    try:
        with torch.no_grad():
            parameter[unit] += by
        yield
    finally:
        with torch.no_grad():
            parameter.copy_(kept)


def _outputs(specimen: Specimen, layers: Sequence[Layer]) -> dict[str, Tensor]:
    """Return whole outputs for two images."""
    outputs: dict[str, Tensor] = {}

    def keep(layer: Layer, output: Tensor) -> None:
        outputs[layer.name] = output.clone()

    with at_rest(specimen.network), tapping(specimen.network, layers, keep):
        specimen.network(specimen.inputs[:2].clone())
    return outputs


def check_recorded_means(specimen: Specimen) -> None:
    """Record gives the means of plain hooks, with no class token in them."""
    means, _ = specimen.by_hand
    recording = neuroprobe.record(specimen.network, specimen.images, list(means), batch_size=8, progress=False)
    for name, mean in means.items():
        _same(f"{name}, recorded", recording.curves[name].values, mean)


def check_tuning(specimen: Specimen) -> None:
    """Orientation has every unit of every default layer, and curves that are the rectified means of plain hooks."""
    tuning = neuroprobe.orientation(specimen.network, stimuli=specimen.stimuli, permutations=0, progress=False)
    units = {layer.name: layer.units for layer in specimen.layers}
    assert dict(tuning.units.groupby(level="layer", sort=False).size()) == units, "units are missing from the table"
    gosi = tuning.units.gosi.dropna()
    assert len(gosi), "no unit has a gosi"
    assert gosi.between(0, 1).all(), f"gosi leaves [0, 1]: {gosi.min()} to {gosi.max()}"
    for name, mean in specimen.by_hand[1].items():
        curve = tuning.curves[name].transpose("frequency", "orientation", "phase", "unit").values
        _same(f"{name}, tuning", curve.reshape(-1, curve.shape[-1]), mean)


def _means_by_hand(specimen: Specimen) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return mean and rectified mean (images, units) of the layers whose module is called once."""
    ahead = tokens_ahead(specimen.network)
    calls = [layer.call.module for layer in specimen.found if layer.call.function is None]
    once = {
        layer.call.module: layer
        for layer in specimen.layers
        if calls.count(layer.call.module) == 1 and layer.call.number == 0 and layer.call.module
    }
    made = _units_made(specimen)
    means: dict[str, Tensor] = {}
    rectified: dict[str, Tensor] = {}

    def see(path: str, _module: nn.Module, output: Any) -> None:
        if path in once:
            layer = once[path]
            maps = _units_first(output, made[layer.name], ahead)
            means[layer.name] = maps.mean(2)
            rectified[layer.name] = maps.clamp_min(0).mean(2)

    with at_rest(specimen.network), watched(specimen.network, see):
        specimen.network(specimen.inputs.clone())
    assert means, "no default layer is a module's output"
    return means, rectified


def _units_first(output: Tensor, units: int, ahead: int) -> Tensor:
    """Return (images, units, places), by the lengths of the axes alone."""
    if output.ndim == 3 and output.shape[2] == units:
        patches = output[:, ahead:] if output.shape[1] > ahead else output  # else they are pooled
        return patches.transpose(1, 2)
    axis = 1 if output.shape[1] == units else output.ndim - 1
    return output.movedim(axis, 1).flatten(2) if output.ndim > 2 else output[:, :, None]


def tokens_ahead(network: nn.Module) -> int:
    """Return how many class, distillation and register tokens a network says that it puts before its patches."""
    said = getattr(network, "num_prefix_tokens", None)
    return int(said) if said is not None else int(hasattr(network, "class_token"))


def check_batches(specimen: Specimen) -> None:
    """One image at a time gives the same as all at once."""
    few = specimen.images[[0, 5, 10]]
    together, alone = (
        neuroprobe.record(specimen.network, few, batch_size=size, progress=False).curves for size in (3, 1)
    )
    for name, curve in together.items():
        _same(f"{name}, image by image", alone[name].values, torch.from_numpy(curve.values))


def _same(what: str, values: NDArray[np.float32], expected: Tensor) -> None:
    value = torch.from_numpy(values)
    assert value.shape == expected.shape, f"{what}: {tuple(value.shape)} came for {tuple(expected.shape)}"
    if "/" in what:  # a function's output, which its module may scale before it gives it (timm's GammaAct)
        expected = expected * ((expected * value).sum() / expected.square().sum().clamp_min(1e-30))
    gap, largest = float((value - expected).abs().max()), float(expected.abs().max())
    assert gap <= _TOLERANCE * largest, f"{what}: off by {gap:.2g} where the largest is {largest:.2g}"


def traces(network: nn.Module) -> dict[str, Any]:
    """Return what no call may change: parameters and buffers with their layout, modes, hooks, random state."""
    tensors = [*network.parameters(), *network.buffers()]
    return {
        "values": weights_digest(network),
        "places in memory": [(x.data_ptr(), x.stride()) for x in tensors],
        "gradients": [x.grad for x in network.parameters()],
        "modes": [module.training for module in network.modules()],
        "hooks": [
            (path, name, len(held))
            for path, module in network.named_modules()
            for name, held in vars(module).items()
            if "hooks" in name and held
        ],
        "random state": torch.get_rng_state().tolist(),
    }


def left_alone(check: Callable[[Specimen], None]) -> Callable[[Specimen], None]:
    """Return a check that also sees whether the network is as it was."""

    def both(specimen: Specimen) -> None:
        before = traces(specimen.network)
        check(specimen)
        changed = [what for what, value in traces(specimen.network).items() if value != before[what]]
        assert not changed, f"{changed[0]} changed"

    return both


def kind(layer: Layer) -> str:
    """Return a word for how a layer's axes lie."""
    if len(layer.shape) == 2:
        return "features"
    if not layer.places.in_image:
        return "units at channels"
    if layer.is_tokens:
        return f"tokens behind {layer.places.ahead}" if layer.places.ahead else "tokens"
    if layer.places.order:
        return "windows"
    return "channels first" if layer.unit_axis == 1 else "channels last"


def remarks(specimen: Specimen) -> list[str]:
    """Return what a reader of the table should know about a network."""
    found = []
    if any(layer.places.order for layer in specimen.layers):
        found.append("windows are put together again")
    refused = [layer for layer in specimen.found if layer.refusal]
    if refused:
        found.append(f"{len(refused)} more layers cannot be read, {refused[0].name} for one: {refused[0].refusal}")
    if not all(layer.places.in_image for layer in specimen.layers if len(layer.shape) > 2):
        found.append("units at channels: a layer that mixes places; its mean is over channels")
    return found


STAGES: dict[str, Callable[[Specimen], None]] = {
    "layers": left_alone(lambda s: (check_activations_are_layers(s), check_units(s))),
    "record": left_alone(lambda s: (check_recorded_means(s), check_batches(s))),
    "orientation": left_alone(check_tuning),
}
