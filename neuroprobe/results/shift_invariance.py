"""The result of a measurement of shift invariance."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, ClassVar, Self

from neuroprobe.results.base import Result, by_layer, no_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from neuroprobe.packing import Contents


@dataclass(frozen=True, eq=False, repr=False)
class ShiftInvariance(Result):
    """What :func:`neuroprobe.shift_invariance` found: what stays the same when images move.

    ``curves[layer]`` has dims (unit, axis, shift): Pearson's r over images between the responses to the image
    and to the image moved, in pixels, to the right on x and down on y.

    Attributes:
        layers: One row a (``layer``, ``axis``, ``shift``): ``cosine_map`` and ``cosine_aligned``.
        network: One row an (``axis``, ``shift``): ``accuracy``, ``consistency``, ``p_top1_change``, ``mac``.
    """

    kind: ClassVar[str] = "shift_invariance"
    headline: ClassVar[str] = "pearson"

    layers: pd.DataFrame = field(default_factory=no_rows)
    network: pd.DataFrame = field(default_factory=no_rows)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The unit table, then those of the layers and of the network."""
        return super().tables | {"layers": self.layers, "network": self.network}

    @property
    def accuracy(self) -> float:
        """The accuracy of the network on the images where they are; NaN without labels."""
        known = self.meta.get("accuracy")
        return nan if known is None else float(known)

    def summary(self) -> pd.DataFrame:
        """Sum up each layer: status counts, pearson, the mean cosines over shifts.

        ``constant`` counts the units that have no number because their response is constant.
        """
        table = super().summary()
        constant = by_layer(self.units["status"].isin(["dead", "unresponsive"])).sum()
        table.insert(1, "constant", constant)  # always shown: none is news too
        means = self.layers.groupby(level="layer", sort=False).mean()
        return table.join(means.add_prefix("mean_"))

    def plot(self) -> Figure:
        """Draw the overview: units, layers and decisions against the shift."""
        from neuroprobe import plots

        return plots.shift_overview(self)

    @classmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""
        tables = contents.tables
        control = tables.get("control")
        return cls(tables["units"], contents.curves, contents.meta, control, tables["layers"], tables["network"])
