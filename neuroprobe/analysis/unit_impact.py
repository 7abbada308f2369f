"""What each unit of a network does alone: hold it, and see what becomes of loss, accuracy and classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuroprobe import store
from neuroprobe.addresses import Layer
from neuroprobe.analysis.class_correlation import ClassCorrelation
from neuroprobe.analysis.impact_table import Sample, addresses, class_curves, unit_table
from neuroprobe.analysis.outcomes import Outcomes
from neuroprobe.analysis.screening import estimated_impact
from neuroprobe.data import Batch, Data, Images
from neuroprobe.distributed import together
from neuroprobe.holding import Holder, Holding
from neuroprobe.observing import observe
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.provenance import made_from
from neuroprobe.readout import Readout, Rectifier, Tokens, whole_number
from neuroprobe.results import UnitImpact
from neuroprobe.trials import run_trials


@together
def unit_impact(
    model: nn.Module,
    data: Data,
    layers: str | Sequence[str] | None = None,
    *,
    value: str | float = "zero",
    screen: bool = False,
    steps: int = 1,
    confirm: int = 100,
    memory: int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    site: Literal["address", "post_norm"] = "address",
    per_position: bool = False,
    scale: float = 1.0,
    input_size: int | tuple[int, ...] | None = None,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
    tokens: Tokens = "patch",
    dtype: torch.dtype | None = None,
) -> UnitImpact:
    """Hold every unit of every chosen layer at a value, alone, and measure what the network loses.

    All units are run over the same batches: what lies before a layer is computed once, and what lies behind it once a
    unit. ``screen=True`` estimates all units from gradients instead, and runs the ``confirm`` largest exactly.

    Example:
        >>> import torch, neuroprobe
        >>> model = neuroprobe.load_network("cnn7")
        >>> images, labels = torch.rand(8, 3, 32, 32), torch.arange(8)
        >>> impact = neuroprobe.unit_impact(model, (images, labels), ["relu5", "relu6"])
        >>> len(impact.units), bool(impact.units.delta_loss.notna().all())
        (256, True)

    Args:
        model: any classifier that takes images (N, C, H, W); it is run in eval mode and left as it was found.
        data: images in [0, 1] with labels.
        layers: names, globs, or None for the outputs of all non-linearities.
        value: ``"zero"``, ``"mean"``, ``"resample"``, ``"noise"`` (all measured from ``data``), or a number.
        screen: estimate first, and run only the units with the largest estimates, and a random sample to judge them by.
        steps: passes a layer of the screen: 1 for gradient x activation (all layers in one pass), more to integrate it
            along each unit's way. Over ResNet20's first stage 8 rank units with rho 0.82 to
            0.97 where 1 does with 0.02 to 0.45 (`benchmarks/results`).
        confirm: how many units a screen runs exactly; as many again are drawn at random for the sample.
        memory: bytes that a batch may keep; None for 1 GiB. Trials are cut to it whatever ``batch_size`` is.
        out: where to save the result when it is whole.
        seed: of what is drawn: donors, noise, the sample.
        site: ``"address"`` or ``"post_norm"``: hold the layer's output or that of the normalisation after it.
        per_position: the mean of each place of a map, in place of one a unit.
        scale: of the noise, in standard deviations of the unit.
        input_size: side, (H, W) or (C, H, W) in pixels, that a folder's photographs are scaled and cut to; None for
            the network's own where that is known, else they stay as they are.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images.
        batch_size: None for one that suits the image size and ``memory``.
        device: None for the network's own.
        progress: show a bar on a terminal.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens' mean is the response in ``class_correlation``; units are held at all of them.
        dtype: ``torch.bfloat16`` or ``torch.float16`` to run the network in lower precision.

    Returns:
        A ``UnitImpact``: ``.units`` with ``delta_loss`` (nats), ``delta_accuracy``, ``worst_class`` and
        ``worst_class_delta`` (change of the accuracy of the class that loses most), ``class_correlation`` (largest
        over classes of Pearson's r between response and predicted probability), ``correlated_class``, ``estimated``;
        every delta is ablated minus intact. ``.curves[layer]`` (unit, class): change of each class's accuracy.

    Raises:
        UnknownLayerError, ValueError, TypeError: for input that does not fit, labels that are missing, a memory too
            small, layers asked for on which the output does not depend; FileExistsError: if ``out`` is taken;
            RuntimeError: if the forward pass raises.

    Source: single units as in Zhou, Sun, Bau and Torralba (2018); values as in Morcos et al. (2018).
    """
    whole_number("steps", steps, least=1)
    whole_number("confirm", confirm, least=1)
    whole_number("seed", seed)
    if out is not None:
        store.refuse_to_clobber(Path(out).expanduser().resolve(), overwrite=False)
    holding = Holding(value=value, site=site, per_position=per_position, scale=scale, seed=seed)
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    images = prepared.open(data, batch_size=batch_size, memory=memory, input_size=input_size).shared()
    how: dict[str, Any] = {"unit_axis": unit_axis, "progress": progress}
    correlation, rectifier = ClassCorrelation(), Rectifier()
    readout = Readout("mean", tokens)
    found = observe(
        prepared, _labelled(images), layers, [correlation], readout, rectifier=rectifier, total=images.count,
        on_output=correlation.output, maps=False, **how,
    )  # fmt: skip
    correlation, rectifier = images.pooled((correlation, rectifier))
    estimates = _estimated(prepared, images, found, holding, steps=steps, **how) if screen else None
    sample = Sample.drawn(sum(layer.units for layer in found), estimates, confirm, seed)
    outcomes = Outcomes(len(sample.exact))
    trials = [{layer: [unit]} for layer, unit in addresses(found)[sample.exact]]
    by_name = layers is not None
    run_trials(prepared, images, trials, outcomes, holding=holding, memory=memory, by_name=by_name, **how)
    outcomes = images.pooled(outcomes)
    signed = [layer.name for layer in found if rectifier.is_signed(layer)]
    table, class_deltas = unit_table(found, signed, correlation, outcomes, sample)
    meta = made_from(prepared.model, found) | {
        "data": images.source,
        "classes": images.classes,
        "images": int(outcomes.images.sum()),
        "loss": float(outcomes.loss[0]),
        "accuracy": float(outcomes.accuracy[0]),
        "value": value,
        "site": site,
        "seed": seed,
        "screen": {"steps": steps, **sample.judged(table)} if screen else None,
        "definitions": {"delta": "ablated minus intact", "delta_loss": "mean cross-entropy, nats"},
    }
    impact = UnitImpact(table, class_curves(found, class_deltas, images.classes), meta)
    if out is not None:
        impact.save(out)
    return impact


def _labelled(images: Images) -> Iterator[Batch]:
    for batch in images:
        if batch.labels is None:
            raise ValueError("impact needs labels: give data as (images, labels) or a folder with one for each class")
        yield batch


def _estimated(
    prepared: Preparation, images: Images, found: Sequence[Layer], holding: Holding, *, steps: int, **how: Any
) -> NDArray[np.float64]:
    """Estimate the change of the loss for every unit, (units,)."""
    if holding.site != "address":
        raise ValueError("a screen follows gradients at the layers' own outputs: site='address' is wanted for it")
    with prepared.at_rest():
        holder = Holder.measured(holding, prepared, images, [layer.name for layer in found], **how)
        by_layer = estimated_impact(prepared, images, found, holder, steps=steps, progress=how["progress"])
    return torch.cat([by_layer[layer.name] for layer in found]).numpy()
