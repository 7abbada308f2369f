"""From what trials answered to the table of units: which units were run, what they did, what was only estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuroprobe.addresses import Layer
from neuroprobe.analysis.class_correlation import ClassCorrelation
from neuroprobe.analysis.outcomes import Outcomes
from neuroprobe.results import unit_index

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


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


def addresses(found: Sequence[Layer]) -> NDArray[Any]:
    """Return (layer, unit) of every unit, in the order of the table."""
    pairs = np.empty((sum(layer.units for layer in found), 2), dtype=object)
    pairs[:] = [(layer.name, unit) for layer in found for unit in range(layer.units)]
    return pairs


def unit_table(
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
    silent = ~torch.cat([correlation.responds(layer.name).cpu() for layer in found]).numpy()
    table = table.assign(
        class_correlation=strongest,
        correlated_class=pd.array(correlated, dtype="Int64"),
        estimated=~np.isin(np.arange(len(index)), sample.exact),
        # rectified responses may be silent where the unit speaks below zero
        status=np.where(silent & (read == "ok"), "dead", read).astype(object),
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


def class_curves(
    found: Sequence[Layer], class_deltas: NDArray[np.float64], classes: Sequence[str] | None
) -> dict[str, xr.DataArray]:
    """Return the change of each class's accuracy (unit, class), layer by layer."""
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
