"""Attribution at every address: what each unit adds to the logit of each image's target class.

The network runs forward and backward with its layers tapped, so a functional ReLU, one call of a module called again
and a token layer are as near as a module. An attribution has the shape of the layer's output; a unit's is the sum over
its places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from neuroprobe.addresses import Layer, parts_of
from neuroprobe.models import reading
from neuroprobe.preparation import Preparation
from neuroprobe.probe import tapping
from neuroprobe.readout import Readout

Attribute = Callable[[Tensor, Tensor], list[Tensor]]  # inputs, target classes -> (images, units) of each layer


class Slope(NamedTuple):
    """A layer's response to some images, and how the logit of each one's target class follows it."""

    value: Tensor  # (images, units, *grid)
    gradient: Tensor  # the same shape, logits per response unit


class Slopes:
    """Run a network forward and backward, and give the slope at every layer.

    Args:
        prepared: the network, at rest.
        layers: where it is tapped.
        readout: which places of a layer are read.
    """

    def __init__(self, prepared: Preparation, layers: Sequence[Layer], readout: Readout) -> None:
        self._prepared, self._layers, self._readout = prepared, layers, readout
        self._values: dict[str, Tensor] = {}
        self._edges: dict[str, GradientEdge] = {}

    def __call__(self, inputs: Tensor, targets: Tensor) -> list[Slope]:
        """Return the slopes at inputs as the network wants them, for target classes (images,)."""
        with torch.enable_grad(), tapping(self._prepared.model, self._layers, self._keep):
            # a copy, for a network may write into its input, and autograd lets nobody write into a leaf
            logits = logits_of(self._prepared.forward(inputs.detach().requires_grad_().clone()))
            total = logits.gather(1, targets[:, None]).sum()  # in eval mode images do not meet: each keeps its own
        edges = [self._edges[layer.name] for layer in self._layers]
        gradients = torch.autograd.grad(total, edges, allow_unused=True)
        return [self._slope(*pair) for pair in zip(self._layers, gradients, strict=True)]

    def _keep(self, layer: Layer, output: Tensor) -> Tensor:
        """Keep a layer's value and its place in the graph; the network goes on with a copy.

        What is written into the copy in place leaves both alone. The place is that before the copy, so that a caller
        who goes on with the original is heard too.
        """
        with reading():
            if not output.requires_grad:
                raise ValueError(
                    f"layer {layer.name!r} is computed without gradients (torch.no_grad or detach in the network), so "
                    "nothing can be attributed to it: leave it out of layers="
                )
            self._values[layer.name] = output.detach().clone()
            self._edges[layer.name] = get_gradient_edge(output)
        return output.clone()

    def _slope(self, layer: Layer, gradient: Tensor | None) -> Slope:
        value = self._values.pop(layer.name)
        gradient = torch.zeros_like(value) if gradient is None else gradient  # None: no way leads to the logits
        return Slope(self._readout.places(layer, value), self._readout.places(layer, gradient))


def gradient_x_activation(slopes: Slopes, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    """Return each layer's gradient times response, summed over places (images, units), in logits.

    To first order, what the target's logit would lose if the unit were held at zero.

    Source: Shrikumar, Greenside and Kundaje (2017), section 2.1, at a layer instead of the input.
    """
    return [over_places(slope.gradient * slope.value) for slope in slopes(inputs, targets)]


def conductance(slopes: Slopes, inputs: Tensor, targets: Tensor, *, baseline: Tensor, steps: int) -> list[Tensor]:
    """Return each layer's conductance from a baseline to the inputs, summed over places (images, units), in logits.

    The integral of gradient times change of response along the straight line between the images, by the trapezoid rule
    on equal steps. The ends of the line belong to it, so that a linear network's is exact.

    Source: Dhamdhere, Sundararajan and Yan (2018), How important is a neuron?, equation 2.
    """
    line = (torch.lerp(baseline, inputs, step / steps) for step in range(steps + 1))
    totals: list[Tensor] = []
    for before, after in pairwise(slopes(point, targets) for point in line):
        gains = [_gain(*ends) for ends in zip(before, after, strict=True)]
        totals = [total + gain for total, gain in zip(totals, gains, strict=True)] if totals else gains
    return totals


def _gain(before: Slope, after: Slope) -> Tensor:
    """Return what one step adds: mean gradient times change of response, (images, units)."""
    return over_places((before.gradient + after.gradient) / 2 * (after.value - before.value))


def over_places(maps: Tensor) -> Tensor:
    """Return the sum of (images, units, *grid) over places, in single precision or better."""
    wide = torch.promote_types(maps.dtype, torch.float32)
    return maps.flatten(2).sum(2, dtype=wide) if maps.ndim > 2 else maps.to(wide)


def logits_of(output: object) -> Tensor:
    """Return the logits (images, classes), the first part of an output of several.

    Raises:
        ValueError: if there are none.
    """
    first = next((part for _, part in parts_of(output)), None)
    if first is None or first.ndim != 2:
        came = type(output).__name__ if first is None else tuple(first.shape)
        raise ValueError(f"attribution needs a network that returns logits (images, classes); this one gave {came}")
    return first
