"""How much noise do a layer's units bear? Loss and accuracy as noise on every unit grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from neuroprobe.addresses import Layer, choose
from neuroprobe.analysis.indices import Floats
from neuroprobe.analysis.sweeps import SCALE, Sweep
from neuroprobe.analysis.trial_runs import found_layers, measured
from neuroprobe.data import Data
from neuroprobe.distributed import together
from neuroprobe.holding import Holding
from neuroprobe.preparation import Preprocess, prepare
from neuroprobe.readout import whole_number
from neuroprobe.results import Ablation
from neuroprobe.trials import Trial

MORCOS_SCALES = tuple(float(scale) for scale in np.logspace(-1.5, 1, 11))


@together
def noise_curves(
    model: nn.Module,
    data: Data,
    layers: str | Sequence[str] | None = None,
    *,
    scales: Sequence[float] = MORCOS_SCALES,
    repeats: int = 10,
    per_layer: bool = True,
    seed: int = 0,
    input_size: int | tuple[int, ...] | None = None,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
    dtype: torch.dtype | None = None,
    memory: int | None = None,
) -> Ablation:
    """Add noise to every unit of a layer, more and more of it, and measure loss and accuracy.

    The noise is Gaussian of mean zero, drawn for each image, unit and place of the map; its standard deviation is
    ``scale`` times that of the unit's own responses over the data and the places of its map.

    Example:
        >>> import torch, neuroprobe
        >>> model = neuroprobe.load_network("cnn7")
        >>> data = torch.rand(8, 3, 32, 32), torch.arange(8)
        >>> curves = neuroprobe.noise_curves(model, data, "relu1", scales=[0.1, 1, 10], repeats=2)
        >>> dict(curves.curve().accuracy.sizes)
        {'order': 1, 'repeat': 2, 'scale': 4}

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W); it is run in eval mode and left as it was found.
        data: images in [0, 1] with labels: tensors, a Dataset, a DataLoader or a folder.
        layers: names, globs, or None for the outputs of all non-linearities.
        scales: in standard deviations of the unit; eleven over 10^-1.5 to 10 by default, evenly on a log axis.
        repeats: how many times noise is drawn; a repeat is the same noise at every scale.
        per_layer: a layer at a time; False adds noise to all layers at once.
        seed: of the noise and of the bootstrap.
        input_size: side, (H, W) or (C, H, W) in pixels, that a folder's photographs are scaled and cut to; None for
            the network's own where that is known, else they stay as they are.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images.
        batch_size: None for one that suits the image size and ``memory``.
        device: None for the network's own.
        progress: show a bar on a terminal.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        dtype: ``torch.bfloat16`` or ``torch.float16`` to run the network in lower precision.
        memory: bytes that a batch may keep; None for 1 GiB. Trials are cut to it whatever ``batch_size`` is.

    Returns:
        An ``Ablation`` with ``scale`` in place of ``fraction`` and ``noise`` as its one order; scale 0 is the intact
        network. ``auc`` is the mean height of accuracy over the logarithm of the scale.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit, or layers asked for on which the output
            does not depend; RuntimeError: if the forward pass raises.

    Source: Morcos et al. (2018).
    """
    levels = np.append(0.0, _checked_scales(scales))
    whole_number("repeats", repeats, least=1)
    whole_number("seed", seed)
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    images = prepared.open(data, batch_size=batch_size, memory=memory, input_size=input_size).shared()
    used = choose(found_layers(prepared, images, unit_axis), layers)
    trials = _trials(used, per_layer=per_layer)
    sweeps = [
        _sweep(name, trial, levels, repeats, place, len(trials)) for place, (name, trial) in enumerate(trials.items())
    ]
    passes = [
        (Holding(value="noise", scale=float(scale), seed=seed + repeat), list(trials.values()))
        for repeat in range(repeats)
        for scale in levels[1:]
    ]
    about = {"value": "noise", "site": "address", "per_layer": per_layer, "repeats": repeats}
    by_name = layers is not None
    how: dict[str, Any] = {"unit_axis": unit_axis, "memory": memory, "progress": progress, "by_name": by_name}
    return measured(prepared, images, used, sweeps, passes, about, seed=seed, **how)


def _trials(layers: Sequence[Layer], *, per_layer: bool) -> dict[str, Trial]:
    """Return all units of each layer, or of all of them at once."""
    units = {layer.name: range(layer.units) for layer in layers}
    return {name: {name: units[name]} for name in units} if per_layer else {"all": units}


def _sweep(name: str, trial: Trial, levels: Floats, repeats: int, place: int, trials: int) -> Sweep:
    """Lay out the rows of one trial, which each pass over the data (scale by scale, then the next repeat) runs once."""
    units = sum(len(held) for held in trial.values())
    passes = np.arange(repeats * (len(levels) - 1)).reshape(repeats, -1)
    rows = np.pad(1 + place + trials * passes, ((0, 0), (1, 0)))  # the intact network comes first, row 0
    sizes = np.where(levels > 0, units, 0)
    return Sweep(name, units, SCALE, levels, sizes, ("noise",), rows[None])


def _checked_scales(scales: Sequence[float]) -> Floats:
    try:
        values = np.asarray(scales, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.ndim != 1 or not len(values) or not ((values > 0) & np.isfinite(values)).all():
        raise ValueError(f"scales must be a sequence of numbers above 0, in standard deviations; {scales!r} came")
    return np.unique(values)
