"""Attribution at every address: what each unit adds to the score of each image's target class.

The network runs forward and backward with its layers tapped, so a functional ReLU, one call of a module called again
and a token layer are as near as a module. An attribution has the shape of the layer's output; a unit's is the sum over
its places.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from neuroprobe.addresses import Layer
from neuroprobe.answers import labels_among, logits_of
from neuroprobe.models import reading
from neuroprobe.preparation import Preparation
from neuroprobe.probe import tapping
from neuroprobe.readout import Readout
from neuroprobe.saying import say_once

Attribute = Callable[[Tensor, Tensor], list[Tensor]]  # inputs, target classes -> (images, units) of each layer
SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "logit": lambda logits: logits,
    "log_probability": lambda logits: logits.log_softmax(1),
}


@dataclass(frozen=True, eq=False)
class Setting:
    """What every method of attribution needs besides images and their target classes."""

    prepared: Preparation  # at rest
    layers: Sequence[Layer]  # attributed to
    every_layer: Sequence[Layer]  # of the network
    readout: Readout
    baseline: Tensor  # (1, C, H, W), as the network wants it
    steps: int  # from the baseline to an image
    score: str  # a key of SCORES

    def scores(self, inputs: Tensor) -> Tensor:
        """Return the score of every class (images, classes)."""
        # of a copy, for a network may write into its input, and autograd lets nobody write into a leaf
        return SCORES[self.score](logits_of(self.prepared.forward(inputs.clone()), fewest=1))

    def baselines(self, inputs: Tensor) -> Tensor:
        """Return the baseline for each of the inputs."""
        return self.baseline.expand_as(inputs).clone()

    def by_unit(self, layer: Layer, attribution: Tensor) -> Tensor:
        """Return an attribution in the shape of a layer's output as (images, units)."""
        return summed_over_places(self.readout.places(layer, attribution.detach()))


class Slope(NamedTuple):
    """A layer's response to some images, and how the score of each one's target class follows it."""

    value: Tensor  # (images, units, *grid)
    gradient: Tensor  # the same shape, score per response unit


class Slopes:
    """Run a network forward and backward, and give the slope at every layer."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._values: dict[str, Tensor] = {}
        self._edges: dict[str, GradientEdge] = {}

    def __call__(self, inputs: Tensor, targets: Tensor) -> list[Slope]:
        """Return the slopes at inputs as the network wants them, for target classes (images,)."""
        layers = self._setting.layers
        self._edges.clear()
        with torch.enable_grad(), tapping(self._setting.prepared.model, layers, self._keep):
            scores = self._setting.scores(inputs.detach().requires_grad_())
            targets = labels_among(scores, targets, who="slopes need")
            total = scores.gather(1, targets[:, None]).sum()  # in eval mode images do not meet: each keeps its own
        refuse_skipped(layers, self._edges)
        gradients = torch.autograd.grad(total, [self._edges[layer.name] for layer in layers], allow_unused=True)
        return [self._slope(*pair) for pair in zip(layers, gradients, strict=True)]

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
        if gradient is None:
            say_once(f"the network's output does not depend on {layer.name}: nothing is attributed to it")
            gradient = torch.zeros_like(value)
        places = self._setting.readout.places
        return Slope(places(layer, value), places(layer, gradient))


class GradientXActivation:
    """Gradient times response: to first order, what the score would lose if the unit were held at zero.

    Source: Shrikumar, Greenside and Kundaje (2017), section 2.1, at a layer instead of the input.
    """

    def __init__(self, setting: Setting) -> None:
        self._slopes = Slopes(setting)

    def __call__(self, inputs: Tensor, targets: Tensor) -> list[Tensor]:
        """Return the attributions to each layer (images, units)."""
        return [summed_over_places(slope.gradient * slope.value) for slope in self._slopes(inputs, targets)]


class Conductance:
    """Gradient times change of response, added up along the straight line from the baseline to the images.

    By the trapezoid rule on equal steps, the ends of the line among them, so that a linear network's is exact.

    Source: Dhamdhere, Sundararajan and Yan (2018), How important is a neuron?, equation 2.
    """

    def __init__(self, setting: Setting) -> None:
        self._slopes, self._baseline, self._steps = Slopes(setting), setting.baseline, setting.steps

    def __call__(self, inputs: Tensor, targets: Tensor) -> list[Tensor]:
        """Return the attributions to each layer (images, units)."""
        line = (torch.lerp(self._baseline, inputs, step / self._steps) for step in range(self._steps + 1))
        totals: list[Tensor] = []
        for before, after in pairwise(self._slopes(point, targets) for point in line):
            gains = [_gain(*ends) for ends in zip(before, after, strict=True)]
            totals = [total + gain for total, gain in zip(totals, gains, strict=True)] if totals else gains
        return totals


def _gain(before: Slope, after: Slope) -> Tensor:
    """Return what one step adds: mean gradient times change of response, (images, units)."""
    return summed_over_places((before.gradient + after.gradient) / 2 * (after.value - before.value))


def summed_over_places(maps: Tensor) -> Tensor:
    """Return the sum of (images, units, *grid) over places, in single precision or better."""
    wide = torch.promote_types(maps.dtype, torch.float32)
    return maps.flatten(2).sum(2, dtype=wide) if maps.ndim > 2 else maps.to(wide)


def refuse_skipped(layers: Sequence[Layer], ran: Container[str]) -> None:
    """Raise a RuntimeError if a layer did not run in a pass."""
    skipped = next((layer.name for layer in layers if layer.name not in ran), None)
    if skipped is not None:
        raise RuntimeError(
            f"layer {skipped!r} did not run: where a network decides by its input what to run, nothing can be "
            "attributed to the same layer over all images; leave it out of layers="
        )
