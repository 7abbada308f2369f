"""Orientation selectivity as a term of the loss: pushed up, or down, by a few gratings shown now and then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from neuroprobe.addresses import Layer, choose
from neuroprobe.analysis.orientation import Stimuli, stimuli_for
from neuroprobe.distributed import alone
from neuroprobe.interrupts import entered
from neuroprobe.models import device_of, left_as_found
from neuroprobe.preparation import Preprocess, prepare
from neuroprobe.probe import tapping
from neuroprobe.readout import whole_number
from neuroprobe.stimuli import StimulusSet, gratings
from neuroprobe.training.alpha import Alpha
from neuroprobe.training.penalty import Penalty, own_pass
from neuroprobe.training.soft_indices import orientation_selectivity

_MOST, _AT_ONCE = 48, 8  # images
_SMALL = 2**16  # pixels of all images together
_FEW = partial(gratings, orientations=8, frequencies=3, phases=2)


class OrientationPenalty(Penalty):
    """Push orientation selectivity up (alpha > 0) or down (alpha < 0): -alpha x the mean gosi, for your loss.

    Gratings are shown in one call of ``every``, from the first on; the calls between give 0, so that over many steps
    the strength is alpha / every. They pass in eval mode, by the running statistics of normalisation layers, and update
    none. The mean is over layers, of the mean over each layer's units that respond. In processes that learn together
    each shows all gratings.

    Example:
        >>> import torch, neuroprobe
        >>> model = neuroprobe.load_network("cnn7").train()
        >>> images, labels = torch.rand(8, 3, 32, 32), torch.arange(8) % 4
        >>> with neuroprobe.OrientationPenalty(model, alpha=-1, layers=["relu1", "relu2"]) as penalty:
        ...     loss = torch.nn.functional.cross_entropy(model(images), labels) + penalty()
        ...     loss.backward()
        >>> {layer: round(gosi, 1) for layer, gosi in penalty.by_layer.items()}
        {'relu1': 0.2, 'relu2': 0.6}

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W), wrapped or not.
        alpha: a number; or one for each epoch, as a sequence, the last of which holds on, or a function of the epoch:
            then call ``penalty.set_epoch(epoch)``, which begins to count calls anew.
        layers: names, globs, or None for the outputs of all non-linearities.
        stimuli: at most 48 from ``neuroprobe.stimuli`` that vary in orientation, or a function that makes them of a
            size (C, H, W); None for gratings of 8 orientations, 3 frequencies and 2 phases.
        every: in one of how many calls they are shown.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images in [0, 1].
        input_size: side, (H, W) or (C, H, W) in pixels; None where the network's own is known.
        unit_axis: the axis that counts the units, for layers where it is found wrong.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit, where nothing is shown yet on entry;
            ValueError: from ``penalty()`` if nothing in the layers learns. RuntimeError: outside the block.

    Source: gosi as in Ringach et al., J. Neurosci. 22 (2002) 5639-5651; the penalty is ours.
    """

    index = "gosi"

    def __init__(
        self,
        model: nn.Module,
        alpha: Alpha,
        layers: str | Sequence[str] | None = None,
        *,
        stimuli: Stimuli | None = None,
        every: int = 10,
        preprocess: Literal["auto"] | Preprocess | None = "auto",
        input_size: int | tuple[int, ...] | None = None,
        unit_axis: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(model, alpha, layers, unit_axis)
        whole_number("every", every, least=1)
        self._every, self._calls = every, 0
        with alone():  # what processes train need not be the same yet
            self._prepared = prepare(self._model, preprocess=preprocess)
        self._stimuli = _few(stimuli_for(self._prepared, _FEW if stimuli is None else stimuli, input_size))
        self._images = torch.zeros(0)  # drawn on entry

    @property
    def gosi(self) -> Tensor:
        """The mean gosi when gratings were last shown, a number without gradient."""
        return self._mean

    def set_epoch(self, epoch: int) -> None:
        """Take the strength of an epoch, counted from 0, and show gratings in its first call."""
        super().set_epoch(epoch)
        self._calls = 0

    def __enter__(self) -> OrientationPenalty:
        self._begin()
        prepared = replace(self._prepared, device=device_of(self._model))  # it may have moved since
        with prepared.at_rest():
            self._images = prepared.prepared(self._stimuli.images(range(len(self._stimuli)), prepared.device))
            self._layers = choose(prepared.layers(self._stimuli.blank[None], self._unit_axis), self._wanted)
        self._entered = True
        return self

    def __exit__(self, *exception: Any) -> None:
        self._entered, self._calls = False, 0

    def __call__(self, _labels: Tensor | None = None) -> Tensor:
        """Return the penalty; labels are not looked at, so that penalties are called alike."""
        self._refuse_outside()
        due = self._calls % self._every == 0
        self._calls += 1
        if not due:
            return torch.zeros((), device=device_of(self._model))
        responses = self._shown()
        with torch.autocast(responses.device.type, enabled=False):
            orientations = torch.as_tensor(self._stimuli.axes["orientation"])
            return self._weighed(*orientation_selectivity(_cube(responses, self._stimuli), orientations))

    def _shown(self) -> Tensor:
        """Show the images, and return what all units gave (images, units)."""
        # a copy: the next batch changes the statistics before the gradient has come back to them
        statistics = {name: buffer.clone() for name, buffer in self._model.named_buffers()}
        show = partial(checkpoint, self._responses, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([show(images, statistics) for images in self._images.split(_at_once(self._images))])

    def _responses(self, images: Tensor, statistics: dict[str, Tensor]) -> Tensor:
        """Show some images; this is done once more as the gradient comes back, so that little is kept until then."""
        responses: dict[str, Tensor] = {}

        def keep(layer: Layer, output: Tensor) -> None:
            if output.requires_grad or not torch.is_grad_enabled():
                responses[layer.name] = self._response(layer, output)

        images = images.to(device_of(self._model), copy=True)  # the network may write into its input
        reading = tapping(self._model, self._layers, keep)
        with entered(left_as_found(self._model), own_pass(), reading):
            self._model.eval()
            functional_call(self._model, statistics, (images,))
        self._refuse_frozen(responses)
        return self._joined(responses)


def _few(stimuli: StimulusSet) -> StimulusSet:
    if len(stimuli) > _MOST:
        raise ValueError(
            f"OrientationPenalty shows at most {_MOST} images at a time; {stimuli!r} came: make fewer, as "
            "gratings(size, orientations=8, frequencies=3, phases=2) does"
        )
    return stimuli


def _at_once(images: Tensor) -> int:
    """Return how many images pass together: a few keep memory low, but on a GPU few small ones take as long as many."""
    return max(_AT_ONCE, _SMALL // images[0, 0].numel()) if images.is_cuda else _AT_ONCE


def _cube(responses: Tensor, stimuli: StimulusSet) -> Tensor:
    """Lay responses (images, units) out as (conditions, orientations, repeats, units)."""
    axes, (searched, pooled) = list(stimuli.axes), (stimuli.searched, stimuli.pooled)
    order = [axes.index(name) for name in (*searched, "orientation", *pooled)]
    lengths = [prod(stimuli.axes[name].size for name in names) for names in (searched, ("orientation",), pooled)]
    return responses.unflatten(0, stimuli.shape).permute(*order, -1).reshape(*lengths, -1)
