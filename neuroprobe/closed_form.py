"""Layers that lead to the logits by one linear map: what an ablation does is a matrix product, and no pass at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuroprobe.addresses import Layer
from neuroprobe.calls import function_name
from neuroprobe.replay import Downstream

# affine in their first argument, where all the others are constants
_AFFINE = {
    "linear", "conv2d", "batch_norm", "adaptive_avg_pool2d", "avg_pool2d", "mean", "sum", "flatten", "view", "view_as",
    "reshape", "squeeze", "unsqueeze", "permute", "transpose", "contiguous", "dropout",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class LinearTail:
    """What each value of a layer adds to the logits."""

    layer: Layer
    weights: Tensor  # (classes, *layer.shape[1:])

    @classmethod
    def of(cls, downstream: Downstream, layer: Layer, intact: Tensor, like: Tensor, memory: int) -> LinearTail | None:
        """Return the tail of a layer, or None where it is not linear or its weights would not fit the memory.

        Args:
            downstream: what runs again when the layer is held.
            layer: the layer.
            intact: logits (images, classes) of the network.
            like: a value of the layer, for its precision and device.
            memory: bytes that the weights may take.
        """
        classes, values = intact.shape[1], like[0].numel()
        if not is_affine(downstream) or classes * values * like.element_size() > memory:
            return None
        with torch.enable_grad():
            # images do not mix: row c of one pass over as many images as there are classes holds class c's gradient
            images = torch.zeros(classes, *like.shape[1:], dtype=like.dtype, device=like.device, requires_grad=True)
            (value,) = downstream.held
            logits = downstream.logits_from({value: images}, classes)
            (weights,) = torch.autograd.grad(logits.trace(), images)
        return cls(layer, weights)

    def logits(self, intact: Tensor, changes: Iterable[tuple[Sequence[int], Tensor]]) -> Tensor:
        """Return the logits (trials, images, classes) for changes of some units' maps, (images, units, *grid)."""
        weights = self.weights.movedim(self.layer.unit_axis, 1)
        return torch.stack(
            [
                intact + change.flatten(1).to(intact) @ weights[:, list(units)].flatten(1).T.to(intact)
                for units, change in changes
            ]
        )


def is_affine(downstream: Downstream) -> bool:
    """Whether the logits follow from one layer alone, and all that lies between is affine."""
    operations = downstream.affected
    return downstream.entering == set(downstream.held) and all(
        function_name(operation.function) in _AFFINE
        and len(set(operation.reads)) == 1
        and not (operation.named.get("training") and function_name(operation.function) == "dropout")
        for operation in operations
    )
