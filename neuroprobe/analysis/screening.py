"""Screening: what each unit's ablation would do to the loss, estimated for all units at once from gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from neuroprobe.addresses import Layer
from neuroprobe.analysis.attribution import Setting, Slope, Slopes, summed_over_places
from neuroprobe.data import Images, cut, suggested_batch
from neuroprobe.holding import Holder, image_keys
from neuroprobe.preparation import Preparation
from neuroprobe.probe import tapping
from neuroprobe.progress import progress_bar
from neuroprobe.readout import Readout

_SECOND_POINT = 2 / 3  # of the way, of Radau's rule: exact for a gradient that changes as a parabola
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

    With one step it is the gradient times the change that holding the unit makes, all layers in one pass. With more,
    the gradient is integrated along each unit's way, in that many passes a layer: a group of units moves in each.

    Source: gradient x activation, by which Molchanov et al. (2017) rank units; its integral over a line as in
    Sundararajan, Taly and Yan (2017), here over each unit's own.
    """
    everything = Readout("mean", "all", as_given=True)
    setting = Setting(prepared, layers, layers, everything, torch.empty(0), steps, "log_probability")
    totals = {layer.name: torch.zeros(layer.units, dtype=torch.float64) for layer in layers}
    count = 0
    with progress_bar("screening", images.count, shown=progress) as bar:
        for batch in cut(images, max(1, suggested_batch(*next(iter(images)).images.shape[2:]) // _MAPS_KEPT)):
            inputs = prepared.prepared(batch.images)
            keys, labels = image_keys(inputs), batch.labels.to(inputs.device)  # type: ignore[union-attr]
            for layer, slope in zip(layers, Slopes(setting)(inputs, labels), strict=True):
                change = _change(holder, layer, slope.value, keys)
                gradient = slope.gradient if steps == 1 else _along(setting, layer, slope, change, inputs, labels)
                totals[layer.name] -= summed_over_places(gradient * change).sum(0, dtype=torch.float64).cpu()
            count += len(inputs)
            bar.update(len(inputs))
    totals, count = images.pooled((totals, count))
    return {name: total / count for name, total in totals.items()}


def _change(holder: Holder, layer: Layer, value: Tensor, keys: Sequence[int]) -> Tensor:
    """Return what holding every unit adds to a layer's maps (images, units, *grid)."""
    return holder.change(replace(layer, unit_axis=1), value, range(layer.units), keys)


def _along(setting: Setting, layer: Layer, start: Slope, change: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the mean gradient on each unit's way to where it would be held, by Radau's rule with two points.

    The first point is where the unit stands. To reach the second costs a pass; the units of a group share one, since a
    few that move together disturb one another little.
    """
    there = torch.empty_like(start.gradient)
    order = torch.randperm(layer.units, generator=torch.Generator().manual_seed(0))
    for group in order.chunk(setting.steps):
        part = torch.zeros_like(change)
        part[:, group] = change[:, group] * _SECOND_POINT
        there[:, group] = _moved(replace(setting, layers=[layer]), layer, part, inputs, labels).gradient[:, group]
    return (start.gradient + 3 * there) / 4


def _moved(setting: Setting, layer: Layer, change: Tensor, inputs: Tensor, labels: Tensor) -> Slope:
    """Return the slope at a layer whose maps are changed."""

    def move(_layer: Layer, output: Tensor) -> Tensor:
        return output + change.movedim(1, layer.unit_axis)

    with tapping(setting.prepared.model, [layer], move):
        return Slopes(setting)(inputs, labels)[0]
