"""Class selectivity as a term of the loss: pushed up, or down, while a network learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from neuroprobe.addresses import Layer, choose, with_unit_axes
from neuroprobe.checks import checked_labels
from neuroprobe.distributed import processes
from neuroprobe.interrupts import leave, undisturbed
from neuroprobe.probe import reading_from_first_pass
from neuroprobe.saying import say_once
from neuroprobe.training.alpha import Alpha
from neuroprobe.training.penalty import Penalty, is_own_pass
from neuroprobe.training.soft_indices import class_selectivity, class_totals


class SelectivityPenalty(Penalty):
    """Push class selectivity up (alpha > 0) or down (alpha < 0): -alpha x the mean si of a batch, for your loss.

    The mean is over layers, of the mean over each layer's units that respond to anything in the batch. The layers are
    found in the first forward pass of the block, which is run once more for it; ``penalty(labels)`` reads the last
    pass that ran with gradients. Where gradients are accumulated over small batches, each has an si of its own, which
    is larger the fewer images it has. Under ``DistributedDataParallel`` the class means are those of all processes.
    Compiled networks run uncompiled inside the block. A model that is being read cannot be copied or pickled whole:
    do that outside the block; its ``state_dict`` can be saved anywhere.

    Example:
        >>> import torch, neuroprobe
        >>> model = neuroprobe.load_network("cnn7").train()
        >>> images, labels = torch.rand(8, 3, 32, 32), torch.arange(8) % 4
        >>> early = [f"relu{number}" for number in range(1, 7)]
        >>> with neuroprobe.SelectivityPenalty(model, alpha=-1, layers=early) as penalty:
        ...     loss = torch.nn.functional.cross_entropy(model(images), labels) + penalty(labels)
        ...     loss.backward()
        >>> list(penalty.by_layer)
        ['relu1', 'relu2', 'relu3', 'relu4', 'relu5', 'relu6']
        >>> 0 < penalty.si < 1
        tensor(True)

    Args:
        model: any ``nn.Module``, wrapped or not.
        alpha: a number; or one for each epoch, as a sequence, the last of which holds on, or a function of the epoch:
            then call ``penalty.set_epoch(epoch)``.
        layers: names, globs, or None for the outputs of all non-linearities; the logits are none of them.
        unit_axis: the axis that counts the units, for layers where it is found wrong.

    Raises:
        UnknownLayerError: if a layer is not there, on entry for a module's name, else in the first forward pass.
        ValueError: if alpha is not finite; from ``penalty(labels)`` if the labels do not fit the batch, or nothing in
            the layers learns. RuntimeError: from it without a forward pass before.

    Source: Leavitt and Morcos, ICLR 2021.
    """

    index = "si"

    def __init__(
        self,
        model: nn.Module,
        alpha: Alpha,
        layers: str | Sequence[str] | None = None,
        *,
        unit_axis: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(model, alpha, layers, unit_axis)
        self._responses: dict[str, Tensor] = {}  # of the last pass with gradients
        self._undo = ExitStack()
        self._ran = False

    @property
    def si(self) -> Tensor:
        """The mean si of the last batch, a number without gradient; NaN where that held fewer than two classes."""
        return self._mean

    def __enter__(self) -> SelectivityPenalty:
        self._begin()
        try:
            with undisturbed():
                self._undo.enter_context(reading_from_first_pass(self._model, self._chosen, self._clear, self._keep))
        except BaseException:
            leave(self._undo)
            raise
        self._entered = True
        return self

    def __exit__(self, *exception: Any) -> None:
        self._entered = self._ran = False
        self._responses.clear()
        leave(self._undo)

    def __call__(self, labels: Tensor) -> Tensor:
        """Return the penalty of the last batch, whose class indices are (images,)."""
        self._refuse_outside()
        if not self._ran:
            raise RuntimeError(
                "the penalty reads the last forward pass that ran with gradients, and there was none in this block: "
                "call the model first, outside torch.no_grad()"
            )
        self._refuse_frozen(self._responses)
        responses = self._joined(self._responses)
        labels = checked_labels(labels, len(responses)).to(responses.device)
        with torch.autocast(responses.device.type, enabled=False):
            totals = _over_processes(responses, labels)
            if int((totals[:, -1] > 0).sum()) < 2:
                say_once("a batch held fewer than two classes: it has no class selectivity, and a penalty of 0")
                self._means = self._means.new_full((len(self._layers),), torch.nan)
                return 0 * totals.sum()
            return self._weighed(*class_selectivity(totals))

    def _chosen(self, found: list[Layer]) -> list[Layer]:
        self._layers = choose(with_unit_axes(found, self._unit_axis), self._wanted)
        return self._layers

    def _clear(self, *_: Any) -> None:
        if torch.is_grad_enabled() and not is_own_pass():
            self._responses.clear()
            self._ran = True

    def _keep(self, layer: Layer, output: Tensor) -> None:
        if output.requires_grad and not is_own_pass():
            self._responses[layer.name] = self._response(layer, output)


def _over_processes(responses: Tensor, labels: Tensor) -> Tensor:
    """Return the class totals of all processes' images."""
    classes = torch.cat([labels, labels.new_tensor([-1])]).max() + 1  # 0 without images
    if processes()[1] == 1:
        return class_totals(responses, labels, int(classes))
    dist.all_reduce(classes, dist.ReduceOp.MAX)
    return _Sum.apply(class_totals(responses, labels, int(classes)))


class _Sum(torch.autograd.Function):
    """The sum over processes, which each of them goes on with alike: their gradients are one and the same."""

    @staticmethod
    def forward(_context: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return gradient * dist.get_world_size()
