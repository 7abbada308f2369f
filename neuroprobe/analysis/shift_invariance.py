"""What a network is invariant to: its units, layers and decisions when images move by a few pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import nn

from neuroprobe.addresses import Layer, choose
from neuroprobe.analysis.agreement import Decisions
from neuroprobe.analysis.comparison import Comparison
from neuroprobe.analysis.shifting import AXES, STILL, Border, Move, Mover, moves
from neuroprobe.analysis.total_stride import total_strides
from neuroprobe.data import Data, open_images
from neuroprobe.distributed import together
from neuroprobe.networks.expected import image_shape
from neuroprobe.observing import first_image, observe
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.provenance import made_from
from neuroprobe.readout import Readout, Rectifier, Tokens
from neuroprobe.results import ShiftInvariance, unit_index

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@together
def shift_invariance(
    model: nn.Module,
    data: Data,
    layers: str | Sequence[str] | None = None,
    *,
    shifts: Sequence[int] = (-4, -3, -2, -1, 1, 2, 3, 4),
    border: Border = "reflect",
    input_size: int | tuple[int, ...] | None = None,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
    tokens: Tokens = "patch",
    dtype: torch.dtype | None = None,
) -> ShiftInvariance:
    """Measure how units, layers and decisions change when images move by whole pixels along x and along y.

    Each batch is read once: a forward pass where it is, then one for each shift on each axis. Images move in [0, 1],
    before preprocessing. Only sums are kept, so memory does not grow with the number of images. Inside
    ``with neuroprobe.ablate(...)`` it measures the ablated network.

    Example:
        >>> import torch, neuroprobe
        >>> model, images = neuroprobe.load_network("cnn7"), torch.rand(8, 3, 32, 32)
        >>> shift = neuroprobe.shift_invariance(model, images, ["relu1", "relu2"], shifts=(-2, 2), border="circular")
        >>> shift.curves["relu1"].sizes
        Frozen({'unit': 32, 'axis': 2, 'shift': 2})
        >>> list(shift.network.columns)
        ['accuracy', 'consistency', 'p_top1_change', 'mac']

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W); it is run in eval mode and left as it was found.
        data: images in [0, 1], with or without labels: tensors, a Dataset, a DataLoader or a folder. Without labels
            the accuracy is NaN; all else needs none.
        layers: names, globs, or None for the outputs of all non-linearities. Signed ones are rectified.
        shifts: whole pixels other than 0; to the right and down where positive.
        border: what enters where the image leaves: ``"reflect"`` its mirror image, ``"zero"`` black (0), ``"circular"``
            what left on the other side. ``"crop"`` cuts a moving window of the input size from larger images, which
            photographs of a folder must then be as they are.
        input_size: side, (H, W) or (C, H, W) in pixels: what ``"crop"`` cuts to and a folder's photographs are scaled
            to; None where the network's own is known.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images.
        batch_size: None for one that suits the image size. The maps of one batch are held while it is moved.
        device: None for the network's own.
        progress: show a bar on a terminal.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens of a token layer are read: ``"patch"``, ``"cls"``, ``"all"``.
        dtype: ``torch.bfloat16`` or ``torch.float16`` to run the network in lower precision.

    Returns:
        A ``ShiftInvariance``: ``.units`` with ``pearson`` (-1 to 1), over images, of the response to the image and to
        the image moved, mean over shifts; ``.curves[layer]`` (unit, axis, shift) for each shift; ``.layers`` with
        ``cosine_map``, ``cosine_aligned``; ``.network`` with ``accuracy``, ``consistency``, ``p_top1_change``,
        ``mac`` (0 to 1); ``.accuracy`` of the images where they are.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit; RuntimeError: if the forward pass raises.

    Source: consistency as in Zhang (2019), p_top1_change and mac as in Azulay and Weiss (2019), with our shifts; the
    measures of units and layers are our own.
    """
    wanted = moves(shifts)
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    mover, shape = _geometry(prepared, border, input_size)
    images = open_images(data, batch_size=batch_size, shape=shape, any_range=prepared.any_range).shared()
    readout, rectifier = Readout("mean", tokens), Rectifier()
    with prepared.at_rest():
        sample, batches = first_image(images)
        mover.check(sample, wanted)
        still = mover(sample, STILL)
        strides = total_strides(prepared, choose(prepared.layers(still, unit_axis), layers), still)
        comparison = Comparison(mover, wanted, strides)
        found = observe(
            prepared,
            comparison.shown(batches),
            layers,
            [comparison.see],
            readout,
            unit_axis=unit_axis,
            rectifier=rectifier,
            total=None if images.count is None else images.count * (1 + len(wanted)),
            progress=progress,
            on_output=comparison.decide,
        )
    comparison.layers, comparison.network, rectifier = images.pooled((comparison.layers, comparison.network, rectifier))
    signed = {layer.name for layer in found if rectifier.is_signed(layer)}
    reference = comparison.network[STILL]
    meta = made_from(prepared.model, found) | {
        "data": images.source,
        "classes": images.classes,
        "images": reference.images,
        "image_size": list(still.shape[1:]),
        "shifts": sorted({move.pixels for move in wanted}),
        "border": border,
        "tokens": tokens,
        "signed": "rectify",
        "signed_layers": [layer.name for layer in found if layer.name in signed],
        "total_strides": strides,
        "accuracy": None if np.isnan(reference.accuracy) else reference.accuracy,
        "definitions": _definitions(reference),
    }
    return ShiftInvariance(
        _unit_table(comparison, found, signed),
        {layer.name: _curves(comparison, layer, wanted) for layer in found},
        meta,
        layers=_layer_table(comparison, found, wanted),
        network=_network_table(comparison, wanted),
    )


def _geometry(
    prepared: Preparation, border: Border, input_size: int | tuple[int, ...] | None
) -> tuple[Mover, tuple[int, int, int] | None]:
    """Return how images are moved, and the shape that a folder's photographs are scaled to."""
    known = input_size is not None or prepared.expected is not None
    shape = image_shape(input_size, prepared.expected, prepared.model) if known or border == "crop" else None
    if border == "crop" and shape is not None:
        return Mover(border, shape[1:]), None
    return Mover(border, None if input_size is None or shape is None else shape[1:]), shape


def _unit_table(comparison: Comparison, found: Sequence[Layer], signed: set[str]) -> pd.DataFrame:
    import pandas as pd

    columns = {
        "pearson": np.concatenate([comparison.pearson(layer).mean(1) for layer in found]),
        "status": np.concatenate([comparison.status(layer, signed=layer.name in signed) for layer in found]),
    }
    return pd.DataFrame(columns, index=unit_index({layer.name: layer.units for layer in found}))


def _curves(comparison: Comparison, layer: Layer, wanted: Sequence[Move]) -> xr.DataArray:
    import xarray as xr

    shifts = sorted({move.pixels for move in wanted})
    values = comparison.pearson(layer).reshape(-1, len(AXES), len(shifts))
    coordinates = {"unit": range(layer.units), "axis": list(AXES), "shift": shifts}
    return xr.DataArray(values, coordinates, tuple(coordinates), name=layer.name)


def _layer_table(comparison: Comparison, found: Sequence[Layer], wanted: Sequence[Move]) -> pd.DataFrame:
    import pandas as pd

    places = [(layer.name, move) for layer in found for move in wanted]
    states = [comparison.layers[place] for place in places]
    columns = {
        "cosine_map": [float(state.cosine_map.mean.nanmean()) for state in states],
        "cosine_aligned": [float(state.cosine_aligned.mean.nanmean()) for state in states],
    }
    rows = [(name, *move) for name, move in places]
    return pd.DataFrame(columns, index=pd.MultiIndex.from_tuples(rows, names=["layer", "axis", "shift"]))


def _network_table(comparison: Comparison, wanted: Sequence[Move]) -> pd.DataFrame:
    import pandas as pd

    states = [comparison.network[move] for move in wanted]
    columns = {
        "accuracy": [state.accuracy for state in states],
        "consistency": [state.consistency for state in states],
        "p_top1_change": [1 - state.consistency for state in states],
        "mac": [state.mac for state in states],
    }
    return pd.DataFrame(columns, index=pd.MultiIndex.from_tuples(wanted, names=["axis", "shift"]))


def _definitions(reference: Decisions) -> dict[str, str]:
    nothing = "NaN: the network gives no logits (images, classes)" if np.isnan(reference.consistency) else None
    unlabelled = "NaN: the data have no labels" if np.isnan(reference.accuracy) else None
    return {
        "shift": "pixels, to the right on x and down on y; 0 is the reference and in no mean",
        "pearson": "over images, of the response to the image and to the image moved; mean over shifts, NaN where the "
        "response is constant at any",
        "cosine_map": "between a unit's maps as they stand, 0 for an image where one of them is silent; mean over "
        "images but those where both are, then over units; NaN for single places",
        "cosine_aligned": "between a unit's maps, the moved one moved back, where they overlap; NaN where the shift is "
        "no multiple of the layer's total stride",
        "accuracy": nothing or unlabelled or "share of images given their label; in meta, of the images where they are",
        "consistency": nothing or "share of images given the class they have where they are",
        "p_top1_change": nothing or "1 - consistency",
        "mac": nothing or "mean size of the change of the probability (softmax) of the class first given",
    }
