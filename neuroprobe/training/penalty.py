"""What both penalties share: a strength that may follow the epochs, layers read within the graph, a mean over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn

from neuroprobe.addresses import Layer
from neuroprobe.calls import never_negative
from neuroprobe.models import unwrap
from neuroprobe.probe import refuse_unknown_modules
from neuroprobe.readout import Readout
from neuroprobe.saying import say_once
from neuroprobe.training.alpha import Alpha, alpha_at
from neuroprobe.training.soft_indices import mean_by_layer

_READOUT = Readout()
_own = ContextVar("own", default=False)


@contextmanager
def own_pass() -> Iterator[None]:
    """Mark the forward passes of a block as a penalty's own, which are no batch of the user's."""
    token = _own.set(True)
    try:
        yield
    finally:
        _own.reset(token)


def is_own_pass() -> bool:
    """Whether a forward pass under way is a penalty's own."""
    return _own.get()


class Penalty:
    """A term of the loss that pushes an index of all units up or down; to be entered before it is called.

    Attributes:
        index: which one: ``"si"`` or ``"gosi"``, the name of the property that holds its mean.
        alpha: the strength in the present epoch; below 0 it pushes down.
    """

    index: ClassVar[str]

    def __init__(
        self,
        model: nn.Module,
        alpha: Alpha,
        layers: str | Sequence[str] | None,
        unit_axis: Mapping[str, int] | None,
    ) -> None:
        self._model = unwrap(model)
        self._wanted = [layers] if isinstance(layers, str) else layers
        self._unit_axis = unit_axis
        self._schedule = alpha
        self.alpha = alpha_at(alpha, 0)
        self._layers: list[Layer] = []  # none until they are found
        self._entered = False
        self._means = torch.zeros(0)  # of the layers, NaN where no unit counts

    @property
    def by_layer(self) -> dict[str, float]:
        """The mean index of each layer's live units when last measured; NaN for a layer without any."""
        return dict(zip((layer.name for layer in self._layers), self._means.tolist(), strict=False))

    @property
    def _mean(self) -> Tensor:
        return self._means.nanmean()

    def set_epoch(self, epoch: int) -> None:
        """Take the strength of an epoch, counted from 0, as samplers take their order."""
        self.alpha = alpha_at(self._schedule, epoch)

    def _begin(self) -> None:
        if self._entered:
            raise RuntimeError(f"this {type(self).__name__} is entered already: make another for a block in its block")
        refuse_unknown_modules(self._model, self._wanted or ())

    def _refuse_outside(self) -> None:
        if not self._entered:
            name = type(self).__name__
            raise RuntimeError(f"a {name} counts inside its block alone: `with {name}(...) as penalty:`")

    def _response(self, layer: Layer, output: Tensor) -> Tensor:
        """Reduce a layer's output to responses (images, units) from 0 up, within the graph."""
        maps = _READOUT.places(layer, output)
        if not never_negative(layer.call, self._model.get_submodule(layer.call.module)):
            # not .clamp_min(0): its gradient needs the map, which an activation in place may overwrite
            maps = torch.where(maps < 0, 0, maps)
        dtype = torch.promote_types(maps.dtype, torch.float32)
        if maps.ndim == 2:
            return maps.to(dtype, copy=True)  # a copy: the network may write into its own
        # not .mean(): its gradient is a map of its own, that of a sum a number seen as a map
        return maps.sum(tuple(range(2, maps.ndim)), dtype=dtype) / prod(maps.shape[2:])

    def _refuse_frozen(self, responses: Mapping[str, Tensor]) -> None:
        """Raise where no layer can learn; say once which cannot."""
        frozen = [layer.name for layer in self._layers if layer.name not in responses]
        why = "whose outputs carry no gradient: they are frozen (requires_grad=False), or run under torch.no_grad()"
        if len(frozen) == len(self._layers):
            raise ValueError(
                f"a penalty needs a layer that learns; {', '.join(frozen)} came, {why}: name others in layers=, or "
                "let their parameters learn"
            )
        if frozen:
            say_once(f"{type(self).__name__} leaves out {', '.join(frozen)}, {why}")

    def _joined(self, responses: Mapping[str, Tensor]) -> Tensor:
        """Put the responses of all layers side by side, (images, units); a layer without any gives zeros."""
        like = next(iter(responses.values()))
        each = (responses.get(layer.name, like.new_zeros(len(like), layer.units)) for layer in self._layers)
        return torch.cat(list(each), dim=1)

    def _weighed(self, indices: Tensor, live: Tensor) -> Tensor:
        """Return -alpha times the mean over layers of the mean over live units."""
        means, counted = mean_by_layer(indices, live, [layer.units for layer in self._layers])
        self._means = means.detach().masked_fill(~counted, torch.nan)
        return -self.alpha * (means * counted).sum() / counted.sum().clamp_min(1)
