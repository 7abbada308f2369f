"""The result of training a grid of strengths and seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from neuroprobe.results.saved import Saved

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from neuroprobe.packing import Contents

_UPPER = 0.975  # quantile: 95% lie between it and the lower one
_INDICES = {"class": "si", "orientation": "gosi"}  # by penalty


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Saved):
    """What :func:`neuroprobe.sweep` found: accuracy and selectivity of networks trained with a penalty, or without.

    ``curves[layer]`` has ``si``, ``gosi`` and more of every unit, each (alpha, seed, unit); ``status`` is a coordinate.

    Attributes:
        table: One row an (``alpha``, ``seed``): ``accuracy``, ``loss`` (nats); means over layers of ``si`` (dead units
            as 0), ``si_live`` (without them) and ``gosi``; ``dead``, the share of all units.
        layers: One row an (``alpha``, ``seed``, ``layer``): the same of a layer, and its ``units``.
        meta: What the numbers were made from.
    """

    kind: ClassVar[str] = "sweep"

    table: pd.DataFrame
    layers: pd.DataFrame
    meta: Mapping[str, Any]
    curves: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what can be checked."""
        for name, levels in (("table", ["alpha", "seed"]), ("layers", ["alpha", "seed", "layer"])):
            if (came := list(getattr(self, name).index.names)) != levels:
                raise ValueError(f"{name} must be indexed by {', '.join(levels)}; {came} came")
        super().__post_init__()

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The table of the runs, then that of their layers."""
        return {"table": self.table, "layers": self.layers}

    @property
    def alphas(self) -> list[float]:
        """The strengths of the penalty, ascending."""
        return sorted(self.table.index.unique("alpha"))

    @property
    def index(self) -> str:
        """Which index the penalty pushes: ``si`` or ``gosi``."""
        return _INDICES[self.meta["penalty"]]

    def summary(self) -> pd.DataFrame:
        """Sum up each alpha: means over seeds with 95% intervals, and the change of accuracy against alpha = 0.

        Intervals are Student's t, ``accuracy_low`` to ``accuracy_high``; NaN of a single seed. ``accuracy_change`` is
        paired by seed, NaN without alpha = 0.
        """
        import pandas as pd

        measured = self.table.assign(accuracy_change=self._change("accuracy"))
        columns: dict[str, pd.Series[Any]] = {"seeds": self.table.groupby(level="alpha").size()}
        for name in measured:
            columns |= _with_interval(measured[name])
        return pd.DataFrame(columns)

    def _change(self, column: str) -> pd.Series[float]:
        """Return what each run has more than that of the same seed without a penalty."""
        values = self.table[column]
        without = values[values.index.get_level_values("alpha") == 0].droplevel("alpha")
        return values - without.reindex(values.index.get_level_values("seed")).to_numpy()

    def plot(self) -> Figure:
        """Draw Leavitt's figure: accuracy and selectivity against alpha, and against one another."""
        from neuroprobe import plots

        return plots.sweep_overview(self)

    @classmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""
        return cls(contents.tables["table"], contents.tables["layers"], contents.meta, contents.curves)

    def __repr__(self) -> str:
        first, last = self.alphas[0], self.alphas[-1]
        runs = f"{len(self.alphas)} alphas from {first:g} to {last:g}, {self.table.index.unique('seed').size} seeds"
        return f"{type(self).__name__}({self.meta['model']}, {self.meta['penalty']} penalty, {runs})"

    def _picture(self) -> str:
        from neuroprobe.plots.style import as_img

        return as_img(self.plot())


def _with_interval(values: pd.Series[float]) -> dict[str, pd.Series[float]]:
    """Return a column's mean over seeds at each alpha, and the ends of its 95% interval."""
    from scipy.special import stdtrit

    grouped = values.groupby(level="alpha")
    mean, count = grouped.mean(), grouped.count()
    half = stdtrit(count - 1, _UPPER) * grouped.sem()
    return {str(values.name): mean, f"{values.name}_low": mean - half, f"{values.name}_high": mean + half}
