"""From the outcomes of many trials to curves and rows of a table.

What grows along a curve is a sweep: in an ablation the fraction of units that are held, in a noise curve its scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuroprobe.analysis.bootstrap import Bootstrap, interval
from neuroprobe.analysis.indices import Floats
from neuroprobe.analysis.outcomes import Outcomes

if TYPE_CHECKING:
    import xarray as xr

ENOUGH_FOR_P = 199  # random sets: p can then reach 0.01
_TIE = 1e-12  # areas nearer than this are equal but for rounding


@dataclass(frozen=True)
class Axis:
    """What grows along a curve."""

    name: str
    usual: float  # the level at which the table gives the impact, or the nearest to it
    logarithmic: bool = False  # then the intact network, at 0, has no place under the curve

    def area(self, values: Floats, levels: Floats) -> Floats:
        """Return the area under curves (..., levels), divided by the length of the axis: the mean height.

        Example:
            >>> Axis("fraction", usual=0.5).area([1.0, 0.5, 0.0], [0, 0.5, 1.0]).item()
            0.5
        """
        values, levels = np.asarray(values), np.asarray(levels)
        if self.logarithmic:
            values, levels = values[..., 1:], np.log10(levels[1:])
        if len(levels) == 1:
            return values[..., 0]
        widths, heights = np.diff(levels), (values[..., 1:] + values[..., :-1]) / 2
        return heights @ widths / widths.sum()

    def usual_level(self, levels: Floats) -> int:
        """Return the place of the level at which the table gives the impact."""
        return 1 + int(np.abs(levels[1:] - self.usual).argmin())


FRACTION = Axis("fraction", usual=0.5)
SCALE = Axis("scale", usual=1.0, logarithmic=True)


@dataclass(frozen=True, eq=False)
class Ranking:
    """In which order the units of a sweep go, for a result to say which were held."""

    layers: NDArray[np.object_]  # (units,)
    units: NDArray[np.intp]  # (units,), their numbers in the layer
    places: NDArray[np.intp]  # (orders, repeats, units) in the two above; -1 where an order has no more sets

    def coordinates(self) -> dict[str, Any]:
        """Return what goes into a dataset beside the curves."""
        return {
            "ranking": (("order", "repeat", "rank"), self.places),
            "ranked_layer": ("rank", self.layers.astype(str)),
            "ranked_unit": ("rank", self.units),
        }


@dataclass(frozen=True, eq=False)
class Sweep:
    """The trials behind the curves of one layer, or of several that are pooled."""

    name: str  # of the layer, or "all"
    units: int  # of which a fraction is held
    axis: Axis
    levels: Floats  # (levels,), ascending; the first, 0, is the intact network
    sizes: NDArray[np.intp]  # (levels,), units held
    orders: tuple[str, ...]
    rows: NDArray[np.intp]  # (orders, repeats, levels) of the outcomes; -1 where an order has no more sets
    ranking: Ranking | None = None  # None where the same units are held at every level

    def groups(self) -> list[list[int]]:
        """Return the rows that the bootstrap is to average, order by order and level by level."""
        return [at[at >= 0].tolist() for sets in self.rows for at in sets.T]

    def laid_out(self, values: Floats) -> Floats:
        """Return values of the outcomes' rows as (orders, repeats, levels, ...), NaN where there is no set."""
        there = self.rows >= 0
        return np.where(there.reshape(*there.shape, *(1,) * (values.ndim - 1)), values[self.rows], np.nan)


@dataclass(frozen=True, eq=False)
class Curves:
    """A sweep's numbers, and what the bootstrap made of their means over sets."""

    sweep: Sweep
    loss: Floats  # (orders, repeats, levels), nats
    accuracy: Floats  # the same
    class_accuracy: Floats  # (orders, repeats, levels, classes)
    drawn_loss: Floats  # (orders, levels, replicates)
    drawn_accuracy: Floats  # the same

    def dataset(self, classes: Sequence[Any]) -> xr.Dataset:
        """Return the labelled curves of a result."""
        import xarray as xr

        sweep, level = self.sweep, self.sweep.axis.name
        dims = ("order", "repeat", level)
        coords = {
            "order": list(sweep.orders),
            "repeat": range(sweep.rows.shape[1]),
            level: sweep.levels,
            "class": list(classes),
            "units": (level, sweep.sizes),
            **(sweep.ranking.coordinates() if sweep.ranking is not None else {}),
        }
        values = {
            "loss": (dims, self.loss, {"unit": "nats"}),
            "accuracy": (dims, self.accuracy),
            "class_accuracy": ((*dims, "class"), self.class_accuracy),
        }
        changes = {name: (("order", level), change) for name, change in self.changes().items()}
        return xr.Dataset({**values, **changes}, coords, attrs={"layer": sweep.name})

    def changes(self) -> dict[str, Floats]:
        """Return the impact on loss and accuracy with its interval, (orders, levels) each: means over sets."""
        pairs = {"loss": (self.loss, self.drawn_loss), "accuracy": (self.accuracy, self.drawn_accuracy)}
        changes: dict[str, Floats] = {}
        for name, (values, drawn) in pairs.items():
            mean = np.nanmean(values, axis=1)
            low, high = interval(drawn - drawn[:, :1])
            changes |= {f"delta_{name}": mean - mean[:, :1], f"delta_{name}_low": low, f"delta_{name}_high": high}
        return changes

    def table_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the row of each order."""
        sweep = self.sweep
        areas = sweep.axis.area(self.accuracy, sweep.levels)
        low, high = interval(sweep.axis.area(np.moveaxis(self.drawn_accuracy, 1, -1), sweep.levels))
        at, changes = sweep.axis.usual_level(sweep.levels), self.changes()
        for number, order in enumerate(sweep.orders):
            yield {
                "layer": sweep.name,
                "order": order,
                "units": sweep.units,
                "auc": np.nanmean(areas[number]),
                "ci_low": low[number],
                "ci_high": high[number],
                **self._among_chance(order, areas),
                sweep.axis.name: sweep.levels[at],
                **{name: values[number, at] for name, values in changes.items()},
            }

    def _among_chance(self, order: str, areas: Floats) -> dict[str, float]:
        """Say where an order's one set stands among the random ones, and top's among those matched to it."""
        by_order = dict(zip(self.sweep.orders, areas, strict=True))
        standing: dict[str, float] = {}
        for chance, rivals, suffix in (("random", ("top", "bottom"), ""), ("matched", ("top",), "_matched")):
            if chance in by_order:
                known = order in rivals
                percentile, p = among(by_order[order][0], by_order[chance]) if known else (np.nan, np.nan)
                standing |= {f"percentile{suffix}": percentile, f"p_value{suffix}": p}
        return {"percentile": np.nan, "p_value": np.nan} | standing


def among(area: float, others: Floats) -> tuple[float, float]:
    """Return the percentile of an area among those of sets drawn by chance, and p, two-sided, where there are enough.

    Equal areas count half to the percentile. p = 2 (b + 1) / (n + 1), at most 1, where b others are as far out; NaN
    with fewer than 199 others.

    Example:
        >>> among(0.2, np.linspace(0.3, 0.5, 199))
        (0.0, 0.01)
        >>> among(0.4, np.array([0.3, 0.4, 0.5]))
        (50.0, nan)
    """
    below, above = (others < area - _TIE).sum(), (others > area + _TIE).sum()
    percentile = 50 * (1 + (below - above) / len(others))
    b = len(others) - max(below, above)
    p = min(1.0, 2 * (b + 1) / (len(others) + 1)) if len(others) >= ENOUGH_FOR_P else np.nan
    return float(percentile), float(p)


def all_curves(sweeps: Sequence[Sweep], outcomes: Outcomes, bootstrap: Bootstrap) -> list[Curves]:
    """Lay out what was measured, sweep by sweep."""
    loss, accuracy, class_accuracy = outcomes.loss, outcomes.accuracy, outcomes.class_accuracy
    drawn_loss, drawn_accuracy = bootstrap.loss, bootstrap.accuracy
    curves, start = [], 0
    for sweep in sweeps:
        shape = (len(sweep.orders), len(sweep.levels), -1)
        end = start + shape[0] * shape[1]
        drawn = (values[start:end].reshape(shape) for values in (drawn_loss, drawn_accuracy))
        curves.append(Curves(sweep, *map(sweep.laid_out, (loss, accuracy, class_accuracy)), *drawn))
        start = end
    return curves
