"""What each unit of a network does alone: hold it, and see what becomes of loss, accuracy and classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuroprobe import store
from neuroprobe.addresses import Layer
from neuroprobe.analysis.class_correlation import ClassCorrelation
from neuroprobe.analysis.outcomes import Outcomes
from neuroprobe.analysis.screening import estimated_impact
from neuroprobe.data import Batch, Data, Images
from neuroprobe.holding import Holder, Holding
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.provenance import made_from
from neuroprobe.readout import Readout, Rectifier, Tokens, prefix_tokens
from neuroprobe.recording import observe
from neuroprobe.results import UnitImpact, unit_index
from neuroprobe.trials import run_trials

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


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
            along each unit's way. On ResNet20 8 rank the units of early layers with rho
            0.8 to 0.95 where 1 does with 0.2 to 0.9 (`benchmarks/results`).
        confirm: how many units a screen runs exactly; as many again are drawn at random for the sample.
        memory: bytes that a batch may keep; None for 1 GiB.
        out: where to save the result when it is whole.
        seed: of what is drawn: donors, noise, the sample.
        site: ``"address"`` or ``"post_norm"``: hold the layer's output or that of the normalisation after it.
        per_position: the mean of each place of a map, in place of one a unit.
        scale: of the noise, in standard deviations of the unit.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images.
        batch_size: None for one that suits the image size.
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
            small; FileExistsError: if ``out`` is taken; RuntimeError: if the forward pass raises.

    Source: single units as in Zhou, Sun, Bau and Torralba (2018); values as in Morcos et al. (2018).
    """
    if steps < 1 or confirm < 1:
        raise ValueError(f"steps and confirm count from 1; steps={steps} and confirm={confirm} came")
    if out is not None:
        store.refuse_to_clobber(Path(out).expanduser().resolve(), overwrite=False)
    holding = Holding(value=value, site=site, per_position=per_position, scale=scale, seed=seed)
    prepared = prepare(model, preprocess=preprocess, device=device, dtype=dtype)
    images = prepared.open(data, batch_size=batch_size)
    how: dict[str, Any] = {"unit_axis": unit_axis, "progress": progress}
    correlation, rectifier = ClassCorrelation(), Rectifier()
    readout = Readout("mean", tokens, prefix_tokens(prepared.model))
    found = observe(
        prepared, _labelled(images), layers, [correlation], readout, rectifier=rectifier, total=images.count,
        on_output=correlation.output, **how,
    )  # fmt: skip
    estimates = _estimated(prepared, images, found, holding, steps=steps, **how) if screen else None
    sample = Sample.drawn(sum(layer.units for layer in found), estimates, confirm, seed)
    outcomes = Outcomes(len(sample.exact))
    trials = [{layer: [unit]} for layer, unit in _addresses(found)[sample.exact]]
    run_trials(prepared, images, trials, outcomes, holding=holding, memory=memory, **how)
    signed = [layer.name for layer in found if rectifier.is_signed(layer)]
    table, class_deltas = _table(found, signed, correlation, outcomes, sample)
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
    impact = UnitImpact(table, _by_layer(found, class_deltas, images.classes), meta)
    if out is not None:
        impact.save(out)
    return impact


@dataclass(frozen=True, eq=False)
class Sample:
    """Which units are run exactly, by their place in the table: all, or the largest estimates and some at random."""

    exact: NDArray[np.int64]  # (units run,), ascending
    random: NDArray[np.int64]  # those that judge the estimates
    estimates: NDArray[np.float64] | None  # (units,), nats

    @classmethod
    def drawn(cls, units: int, estimates: NDArray[np.float64] | None, confirm: int, seed: int) -> Sample:
        """Choose the units; all of them where there are no estimates."""
        if estimates is None:
            return cls(np.arange(units), np.arange(0), None)
        largest = np.argsort(-np.abs(estimates), kind="stable")[:confirm]
        random = np.random.default_rng(seed).permutation(units)[:confirm]
        return cls(np.union1d(largest, random), random, estimates)

    def judged(self, table: pd.DataFrame) -> dict[str, Any]:
        """Say how well the estimates rank a random sample of units that were run exactly."""
        if self.estimates is None:
            return {}
        judged = table[["delta_loss"]].assign(estimate=self.estimates).iloc[self.random]
        correlation = float(judged.corr("spearman").to_numpy()[0, 1])  # NaN where all are alike
        return {"confirmed": len(self.exact), "sample": len(self.random), "rank_correlation": correlation}


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


def _addresses(found: Sequence[Layer]) -> NDArray[Any]:
    """Return (layer, unit) of every unit, in the order of the table."""
    pairs = np.empty((sum(layer.units for layer in found), 2), dtype=object)
    pairs[:] = [(layer.name, unit) for layer in found for unit in range(layer.units)]
    return pairs


def _table(
    found: Sequence[Layer],
    signed: Sequence[str],
    correlation: ClassCorrelation,
    outcomes: Outcomes,
    sample: Sample,
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Return the unit table, and the change of each class's accuracy (units, classes)."""
    import pandas as pd

    index = unit_index({layer.name: layer.units for layer in found})
    measured = {
        "delta_loss": outcomes.loss[1:] - outcomes.loss[0],
        "delta_accuracy": outcomes.accuracy[1:] - outcomes.accuracy[0],
    }
    class_deltas = outcomes.class_accuracy[1:] - outcomes.class_accuracy[0]
    worst = np.nanargmin(class_deltas, axis=1)
    measured |= {"worst_class": worst, "worst_class_delta": class_deltas[np.arange(len(worst)), worst]}
    table = pd.DataFrame(measured, index=index[sample.exact]).reindex(index).astype({"worst_class": "Int64"})
    if sample.estimates is not None:
        table["delta_loss"] = table["delta_loss"].fillna(pd.Series(sample.estimates, index))
    strongest, correlated = _strongest_correlation(found, correlation)
    read = np.concatenate([np.repeat("rectified" if layer.name in signed else "ok", layer.units) for layer in found])
    dead = ~torch.cat([correlation.responds(layer.name).cpu() for layer in found]).numpy()
    table = table.assign(
        class_correlation=strongest,
        correlated_class=pd.array(correlated, dtype="Int64"),
        estimated=~np.isin(np.arange(len(index)), sample.exact),
        status=np.where(dead, "dead", read).astype(object),
    )
    return table, pd.DataFrame(class_deltas, index=index[sample.exact]).reindex(index).to_numpy()


def _strongest_correlation(
    found: Sequence[Layer], correlation: ClassCorrelation
) -> tuple[NDArray[np.float64], list[int | None]]:
    """Return each unit's largest r over classes, and its class; NaN and none for units that do not vary."""
    by_class = torch.cat([correlation.pearson(layer.name).cpu() for layer in found])
    r, classes = by_class.nan_to_num(-torch.inf).max(1)
    varies = r.isfinite()
    best = [int(number) if known else None for number, known in zip(classes, varies, strict=True)]
    return torch.where(varies, r, torch.nan).numpy(), best


def _by_layer(
    found: Sequence[Layer], class_deltas: NDArray[np.float64], classes: Sequence[str] | None
) -> dict[str, xr.DataArray]:
    import xarray as xr

    outputs = class_deltas.shape[1]
    names = list(classes) if classes is not None and len(classes) == outputs else range(outputs)
    ends = np.cumsum([layer.units for layer in found])
    parts = np.split(class_deltas, ends[:-1])
    return {
        layer.name: xr.DataArray(
            part, dims=("unit", "class"), coords={"unit": range(layer.units), "class": names}, name=layer.name
        )
        for layer, part in zip(found, parts, strict=True)
    }
