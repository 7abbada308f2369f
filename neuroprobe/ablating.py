"""Ablation of units while a block lasts: hooks that hold them in every forward pass of the model, whoever runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from operator import index
from typing import Any, Literal

import numpy as np
from torch import Tensor, nn

from neuroprobe.addresses import Layer, choose, with_unit_axes
from neuroprobe.alterations import altered
from neuroprobe.calls import Call, Watch
from neuroprobe.data import Data, Images
from neuroprobe.holding import Holder, Holding, image_keys
from neuroprobe.interrupts import entered
from neuroprobe.models import unwrap
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.probe import at_first_pass, before_each_pass, by_call, refuse_unknown_modules, tell


@contextmanager
def ablate(
    model: nn.Module,
    units: Any,
    *,
    value: str | float | Tensor = "zero",
    site: Literal["address", "post_norm"] = "address",
    data: Data | None = None,
    per_position: bool = False,
    scale: float = 1.0,
    seed: int = 0,
    input_size: int | tuple[int, ...] | None = None,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
) -> Iterator[None]:
    """Hold units at a value in every forward pass of a block.

    Works on any call inside the block, the user's own or neuroprobe's (``class_selectivity``, ``shift_invariance``,
    another ``ablate``). The model's mode is left alone. The layers are found in the first forward pass of the block,
    which is run once more for it, as the network is: hooks of one's own see both.

    Example:
        >>> import torch, neuroprobe
        >>> model = neuroprobe.load_network("cnn7").eval()
        >>> with neuroprobe.ablate(model, {"relu1": [3, 5]}), neuroprobe.Probe(model, ["relu1"]) as probe:
        ...     logits = model(torch.rand(2, 3, 32, 32))
        >>> probe["relu1"][:, [3, 5]].abs().max().item()
        0.0

    Args:
        model: any ``nn.Module`` that takes images.
        units: layer -> units, or rows of a unit table: ``tuning.top("relu1", 20)``, ``units[units.gosi > 0.5]``.
        value: ``"zero"``; ``"mean"``, the unit's mean over ``data``; ``"resample"``, its map for another image of
            ``data``, drawn image by image; ``"noise"``, its own map and Gaussian noise; a number; a tensor with one
            entry a unit of the layer or one a unit held (and the axes of the map after it).
        site: ``"address"`` holds the layer's output; ``"post_norm"`` that of the normalisation which follows it.
        data: images that mean, donors and spread are measured from, before the block begins.
        per_position: the mean of each place of the map, in place of one a unit.
        scale: of the noise, in standard deviations of the unit over images and places.
        seed: of the donors and of the noise.
        input_size: side, (H, W) or (C, H, W) in pixels, that photographs of a folder are scaled and cut to; None for
            the network's own where that is known, else they stay as they are.
        preprocess: of ``data``: ``"auto"`` for the network's own normalisation, None, or a function of images.
        batch_size: of ``data``; None for one that suits the image size.
        progress: show a bar on a terminal while ``data`` are read.
        unit_axis: the axis that counts the units, for layers where it is found wrong.

    Raises:
        UnknownLayerError: if a layer is not there, on entry for a module's name, else in the first forward pass.
        IndexError: if a layer has no such unit. ValueError: if the value needs ``data`` and none came.
    """
    holding = Holding(value=value, site=site, per_position=per_position, scale=scale, seed=seed)
    model, wanted = unwrap(model), named_units(units)
    refuse_unknown_modules(model, list(wanted))
    ablation = _Ablation(holding, wanted, unit_axis)
    if holding.needs_data:
        if data is None:
            raise ValueError(f"value={value!r} is measured from images: pass data=")
        prepared = prepare(model, preprocess=preprocess)
        ablation.measure(prepared, prepared.open(data, batch_size=batch_size, input_size=input_size), progress=progress)
    noted = before_each_pass(model, ablation.note_images) if holding.draws else nullcontext()
    known = altered(model, [wanted, vars(holding), data if holding.needs_data else None])
    with entered(at_first_pass(model, ablation.find), noted, Watch(model, ablation.see, held=ablation.taps), known):
        yield


class _Ablation:
    """Which units are held, from the first forward pass on, and how."""

    def __init__(
        self, holding: Holding, wanted: Mapping[str, tuple[int, ...]], unit_axis: Mapping[str, int] | None
    ) -> None:
        self._holding, self._wanted, self._unit_axis = holding, wanted, unit_axis
        self._holder = Holder(holding)
        self._units: dict[str, tuple[int, ...]] = {}  # by the layer that is held
        self.taps: dict[Call, list[Layer]] = {}  # by call; empty until a pass has found the layers
        self._keys: list[int] = []

    def measure(self, prepared: Preparation, data: Images, *, progress: bool) -> None:
        """Measure what the units are held at."""
        with prepared.at_rest():
            self.find(prepared.layers(next(iter(data)).images[:1], self._unit_axis))
        targets = list(self._units)
        self._holder = Holder.measured(
            self._holding, prepared, data, targets, unit_axis=self._unit_axis, progress=progress
        )

    def find(self, found: list[Layer]) -> None:
        """Match the units that are wanted to the layers of a forward pass."""
        found = with_unit_axes(found, self._unit_axis)
        held = [(target, units) for _, target, units in resolved(self._wanted, found, self._holding)]
        self._units = {target.name: units for target, units in held}
        self.taps.clear()
        self.taps.update(by_call([target for target, _ in held]))

    def note_images(self, _model: nn.Module, inputs: tuple[Any, ...], named_inputs: dict[str, Any]) -> None:
        """Take down which images come: their draws are seeded by it."""
        images = next(value for value in (*inputs, *named_inputs.values()) if isinstance(value, Tensor))
        self._keys = image_keys(images)

    def see(self, call: Call, output: Any) -> Any:
        """Hold the units of the layers in a call's output."""
        return tell(self.taps, self._held, call, output)

    def _held(self, layer: Layer, output: Tensor) -> Tensor:
        return self._holder.held(layer, output, self._units[layer.name], self._keys)


def resolved(
    wanted: Mapping[str, Sequence[int]], found: Sequence[Layer], holding: Holding
) -> list[tuple[Layer, Layer, tuple[int, ...]]]:
    """Return each layer that is meant, the one that is held for it, and the units.

    Raises:
        UnknownLayerError: if a layer is not there; IndexError: if a unit is not.
    """
    meant: dict[Layer, tuple[int, ...]] = {}
    for name, units in wanted.items():
        for layer in choose(found, [name]):  # one that is meant by two names has the units of both
            meant[layer] = tuple(dict.fromkeys((*meant.get(layer, ()), *units)))
    for layer, units in meant.items():
        outside = next((unit for unit in units if not 0 <= unit < layer.units), None)
        if outside is not None:
            raise IndexError(
                f"layer {layer.name!r} has {layer.units} units (0 to {layer.units - 1}); unit {outside} was asked for"
            )
    return [(layer, holding.target(layer, found), units) for layer, units in meant.items()]


def named_units(units: Any) -> dict[str, tuple[int, ...]]:
    """Return layer -> units from a mapping, or from rows or index of a unit table.

    Raises:
        TypeError: if it is neither; ValueError: if it names no unit, or one twice.
    """
    named: dict[str, list[int]] = {}
    for layer, unit in _pairs(units):
        named.setdefault(layer, []).append(unit)
    twice = next((layer for layer, numbers in named.items() if len(set(numbers)) < len(numbers)), None)
    if twice is not None or not named:
        came = f"layer {twice!r} names a unit twice" if named else f"{units!r:.80} names none"
        raise ValueError(f"units must name each unit once, as in {{'features.3': [0, 5]}}; {came}")
    return {layer: tuple(numbers) for layer, numbers in named.items()}


def _pairs(units: Any) -> list[tuple[str, int]]:
    if isinstance(units, Mapping):
        return [(layer, _number(unit)) for layer, numbers in units.items() for unit in np.atleast_1d(numbers)]
    rows = getattr(units, "index", units)
    if list(getattr(rows, "names", [])) != ["layer", "unit"]:
        raise TypeError(
            "units must be {layer: [units]}, or rows or the index of a unit table (layer, unit); "
            f"{type(units).__name__} came"
        )
    return [(layer, _number(unit)) for layer, unit in rows]


def _number(unit: Any) -> int:
    try:
        return index(unit)
    except TypeError:
        raise TypeError(f"units are counted in whole numbers, as in {{'features.3': [0, 5]}}; {unit!r} came") from None
