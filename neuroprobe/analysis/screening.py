"""Screening: what each unit's ablation would do to the loss, estimated for all units at once from gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from neuroprobe.addresses import Layer
from neuroprobe.analysis.attribution import Setting, Slope, Slopes, over_places
from neuroprobe.data import Images, cut, suggested_batch
from neuroprobe.holding import Holder, image_keys
from neuroprobe.preparation import Preparation
from neuroprobe.probe import tapping
from neuroprobe.progress import progress_bar
from neuroprobe.readout import Readout

_MAPS_KEPT = 4  # a backward pass holds a layer's maps about this many times


def estimated_impact(
    prepared: Preparation,
    images: Images,
    layers: Sequence[Layer],
    holder: Holder,
    *,
    steps: int,
    progress: bool = True,
) -> dict[str, Tensor]:
    """Estimate how much the loss grows if each unit is held, (units,) in nats, from gradients of the loss.

    With one step it is the gradient times the change that holding the unit makes, all layers in one pass. More steps
    follow the gradient along the line on which a whole layer moves to where it would be held, a layer at a time.

    Source: gradient x activation; its integral over a line as in Sundararajan, Taly and Yan (2017), at a layer.
    """
    everything = Readout("mean", "all")
    setting = Setting(prepared, layers, layers, everything, torch.empty(0), steps, "log_probability")
    totals = {layer.name: torch.zeros(layer.units, dtype=torch.float64) for layer in layers}
    count = 0
    with progress_bar("screening", images.count, shown=progress) as bar:
        for batch in cut(images, max(1, suggested_batch(*next(iter(images)).images.shape[2:]) // _MAPS_KEPT)):
            inputs = prepared.prepared(batch.images)
            keys, labels = image_keys(inputs), batch.labels.to(inputs.device)  # type: ignore[union-attr]
            for layer, slope in zip(layers, Slopes(setting)(inputs, labels), strict=True):
                change = _change(holder, layer, slope.value, keys)
                gradient = slope.gradient if steps == 1 else _along(setting, layer, change, inputs, labels)
                totals[layer.name] -= over_places(gradient * change).sum(0, dtype=torch.float64).cpu()
            count += len(inputs)
            bar.update(len(inputs))
    return {name: total / count for name, total in totals.items()}


def _change(holder: Holder, layer: Layer, value: Tensor, keys: Sequence[int]) -> Tensor:
    """Return what holding every unit adds to a layer's maps (images, units, *grid)."""
    return holder.change(replace(layer, unit_axis=1), value, range(layer.units), keys)


def _along(setting: Setting, layer: Layer, change: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the mean gradient on the way of a whole layer to where it would be held, at the middle of each step."""
    alone = replace(setting, layers=[layer])
    slopes = (
        _at(alone, layer, change * ((step + 0.5) / setting.steps), inputs, labels) for step in range(setting.steps)
    )
    return torch.stack([slope.gradient for slope in slopes]).mean(0)


def _at(setting: Setting, layer: Layer, change: Tensor, inputs: Tensor, labels: Tensor) -> Slope:
    def move(_layer: Layer, output: Tensor) -> Tensor:
        return output + change.movedim(1, layer.unit_axis)

    with tapping(setting.prepared.model, [layer], move):
        return Slopes(setting)(inputs, labels)[0]
