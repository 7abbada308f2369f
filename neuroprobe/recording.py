"""Recording: one forward pass over the data serves every layer and every statistic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from neuroprobe import store
from neuroprobe.alterations import alterations
from neuroprobe.checkpoints import Checkpoints
from neuroprobe.data import Data, Images
from neuroprobe.distributed import by_first, together
from neuroprobe.fingerprints import fingerprinted
from neuroprobe.identity import recording_identity
from neuroprobe.models import unwrap
from neuroprobe.observing import Kept, Summed, observe
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.provenance import made_from, noted
from neuroprobe.readout import Readout, Reduce, Tokens
from neuroprobe.reducers import Landmarks, Moments, Observed, Reducer, named_reducers
from neuroprobe.responses import labelled, unit_table
from neuroprobe.results import Recording
from neuroprobe.streaming import Streamed, load_if_same, load_recording

if TYPE_CHECKING:
    import xarray as xr

_OF_UNITS, _OF_IMAGES = "", "/images"  # the reducers behind the unit table and the meta, which nobody has named


@together
def record(
    model: nn.Module,
    data: Data,
    layers: str | Sequence[str] | None = None,
    *,
    reduce: Reduce = "mean",
    reducers: Mapping[str, Any] | str | Sequence[str] | None = None,
    out: str | Path | None = None,
    input_size: int | tuple[int, ...] | None = None,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
    tokens: Tokens = "patch",
    dtype: torch.dtype | None = None,
) -> Recording:
    """Record the responses of every unit to every image, or streaming statistics of them, in one pass.

    Example:
        >>> import torch, neuroprobe
        >>> model = neuroprobe.load_network("cnn7")
        >>> recording = neuroprobe.record(model, torch.rand(8, 3, 32, 32), ["relu1"])
        >>> recording.curves["relu1"].shape
        (8, 32)
        >>> recording = neuroprobe.record(model, torch.rand(8, 3, 32, 32), reducers=["moments"])
        >>> recording.reduced["moments"]["relu7"].mean.shape
        torch.Size([512])

    Args:
        model: any ``nn.Module`` that takes images (N, C, H, W); it is run in eval mode and left as it was found.
        data: images in [0, 1], with or without labels: tensors, a Dataset, a DataLoader or a folder.
        layers: names, globs, or None for the outputs of all non-linearities.
        reduce: ``"mean"``, ``"max"`` or ``"center"`` of a map, or ``"none"`` for whole maps (memory grows fast).
        reducers: names (``"moments"``, ``"class_moments"``, ``"top_images"``) or a mapping from names to functions of
            ``neuroprobe.reducers.Observed``. With them no single response is kept, and memory does not grow.
        out: a Zarr store to stream to; then memory does not grow either. Where it is cut short, the same call goes on,
            and the result is the same to the last bit; where it is whole, it is loaded. Its responses stay on disk:
            take the units or the images that are wanted, ``.curves[layer].sel(unit=3)``.
        input_size: side, (H, W) or (C, H, W) in pixels, that a folder's photographs are scaled and cut to; None for
            the network's own where that is known, else they stay as they are.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images.
        batch_size: None for one that suits the image size.
        device: None for the network's own.
        progress: show a bar on a terminal.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens of a token layer are read: ``"patch"``, ``"cls"``, ``"all"``.
        dtype: ``torch.bfloat16`` or ``torch.float16`` to run the network in lower precision.

    Returns:
        A ``Recording``: ``.units`` with ``mean``, ``std``, ``minimum``, ``maximum`` over images, in response units;
        ``.curves[layer]`` (image, unit), or with reducers ``.reduced[name][layer]``.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit; RuntimeError: if the forward pass raises.
        FileExistsError: if ``out`` holds anything else, even a recording of other weights, data or options: the error
            names what differs. BlockingIOError: if another process is writing it. OSError: if the disk takes no more.
    """
    if reducers is not None and reduce == "none":
        raise ValueError("reducers take one response a unit: reduce must be 'mean', 'max' or 'center', not 'none'")
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    images = prepared.open(data, batch_size=batch_size, input_size=input_size)
    readout = Readout(reduce, tokens)
    asked_for = {_OF_IMAGES: Landmarks.of} if reducers is None else named_reducers(reducers)
    summing = {**asked_for, _OF_UNITS: _moments_over_images}
    how: dict[str, Any] = {"unit_axis": unit_axis, "progress": progress}
    if out is not None:
        asked = {"layers": layers, "unit_axis": unit_axis, "preprocess": preprocess, "reducers": reducers}
        asked["ablated"] = alterations(unwrap(model))
        # folding rounds differently, and is left where somebody else's hooks watch: bits would depend on who looks on
        prepared, place = replace(prepared, may_fold=False), Path(out).expanduser().resolve()
        how["total"] = images.count
        stream = partial(_on_disk, place, prepared, images, readout, summing, asked, **how)
        return by_first(stream, partial(load_recording, place))
    images = images.shared()
    summed, kept, how["total"] = Summed(summing), Kept(images.count), images.count
    observers: list[Any] = [summed, kept] if reducers is None else [summed]
    how["maps"] = reducers is not None or reduce == "none"
    found = observe(prepared, fingerprinted(images), layers, observers, readout, **how)
    summed.states, kept = images.pooled((summed.states, kept))
    curves = {layer.name: labelled(layer.name, kept.responses(layer)) for layer in found} if reducers is None else {}
    return _recording(prepared, images, noted(found), readout, summed, curves)


def _on_disk(
    place: Path,
    prepared: Preparation,
    images: Images,
    readout: Readout,
    reducers: Mapping[str, Reducer],
    asked: Mapping[str, Any],
    **how: Any,
) -> Recording:
    """Record to a store, go on with one that was cut short, or load one that is whole."""
    with prepared.at_rest():  # a data set may draw random numbers when it is looked at
        identity = recording_identity(prepared, images, readout, asked)
        if store.is_whole(place):
            return load_if_same(place, identity, images, progress=how["progress"])
        with Checkpoints(place, identity, images.count) as checkpoints:
            streamed = Streamed(checkpoints, responses=asked["reducers"] is None)
            summed = Summed(reducers, checkpoints.states)
            if rest := checkpoints.remaining(images, progress=how["progress"]):
                how |= {"done": checkpoints.done.images, "on_output": lambda _: streamed.batch_done(summed.states)}
                observe(prepared, fingerprinted(rest), asked["layers"], [streamed, summed], readout, **how)
                streamed.save(summed.states)
            known = {"identity": checkpoints.identity}
            curves = streamed.placeholders()
            streamed.finish(_recording(prepared, images, streamed.layers, readout, summed, curves, **known))
        return load_recording(place)


def _recording(
    prepared: Preparation,
    images: Images,
    layers: Mapping[str, Any],
    readout: Readout,
    summed: Summed,
    curves: Mapping[str, xr.DataArray],
    **known: Any,
) -> Recording:
    """Put together what was found."""
    meta = made_from(prepared.model, ()) | {
        "layers": layers,
        "data": images.source,
        "classes": images.classes,
        "input_size": images.shape,
        "reduce": readout.reduce,
        "tokens": readout.tokens,
    }
    reduced = dict(summed.states)
    moments, landmarks = reduced.pop(_OF_UNITS), next(iter(reduced.pop(_OF_IMAGES, {}).values()), None)
    units = unit_table({layer: moments[layer] for layer in layers})
    seen = {"images": next(iter(moments.values())).count, "fingerprints": landmarks.known if landmarks else {}}
    return Recording(units, curves, meta | seen | known, reduced=reduced)


def _moments_over_images(seen: Observed) -> Moments:
    """Return the moments of each unit's response, a map's mean where whole maps are kept."""
    responses = seen.responses
    return Moments.of(replace(seen, responses=responses.flatten(2).mean(2) if responses.ndim > 2 else responses))
