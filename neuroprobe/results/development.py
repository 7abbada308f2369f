"""The result of following units over training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from neuroprobe.results.base import Result, no_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from neuroprobe.packing import Contents


@dataclass(frozen=True, eq=False, repr=False)
class Development(Result):
    """What :class:`neuroprobe.UnitTracker` and :func:`neuroprobe.track_units` found: every unit, epoch by epoch.

    Epoch n is the network after n epochs of training, 0 the untrained one. ``units`` are those of the last epoch.
    ``curves[layer]`` has its columns, each (epoch, unit): ``development.curves["relu1"].gosi``; ``status`` is a
    coordinate. A unit has one status: what is wrong with it on the photographs, else on the stimuli.

    Attributes:
        layers: One row an (``epoch``, ``layer``): ``units``, ``mean_si``, ``dead`` (units without a response to any
            photograph), ``mean_gosi``, ``median_gosi``, ``unresponsive`` (units without one to the stimuli). Units
            without an index are in no mean.
        epochs: One row an ``epoch``: ``accuracy`` and ``loss`` (nats) on the photographs.
    """

    kind: ClassVar[str] = "development"

    layers: pd.DataFrame = field(default_factory=no_rows)
    epochs: pd.DataFrame = field(default_factory=no_rows)

    @property
    def headline(self) -> str:  # type: ignore[override]
        """Class selectivity where it was measured, else that of orientation."""
        return "si" if "si" in self.units else "gosi"

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The unit table, then those of the layers and of the epochs."""
        return super().tables | {"layers": self.layers, "epochs": self.epochs}

    def summary(self) -> pd.DataFrame:
        """Sum up each layer at the last epoch, and what its indices were at the first and at the last."""
        table = super().summary()
        first, last = (self.layers.loc[epoch] for epoch in self.epochs.index[[0, -1]])
        for name in [name for name in ("mean_si", "median_gosi") if name in self.layers]:
            table[f"{name}_first"], table[f"{name}_last"] = first[name], last[name]
        return table

    def plot(self) -> Figure:
        """Draw the overview: indices of each layer over epochs, the accuracy beside them."""
        from neuroprobe import plots

        return plots.development_overview(self)

    @classmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""
        tables = contents.tables
        return cls(tables["units"], contents.curves, contents.meta, None, tables["layers"], tables["epochs"])

    def __repr__(self) -> str:
        epochs = self.epochs.index
        return f"{super().__repr__()[:-1]}, {len(epochs)} epochs from {epochs[0]} to {epochs[-1]})"

    def _picture(self) -> str:
        from neuroprobe.plots import development_overview
        from neuroprobe.plots.style import as_img

        return as_img(development_overview(self))
