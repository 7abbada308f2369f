"""The result of ablating units one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroprobe.results.base import Result, by_layer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class UnitImpact(Result):
    """What :func:`neuroprobe.unit_impact` found: what the network loses with each unit held, alone.

    ``curves[layer]`` (unit, class) is the change of each class's accuracy. After a screen, units that were not
    confirmed have an estimated ``delta_loss`` (``estimated`` is true) and no other causal number.
    """

    kind = "unit_impact"
    headline = "delta_loss"

    def summary(self) -> pd.DataFrame:
        """Sum up each layer: status counts, quartiles and largest change of the loss, the worst change of accuracy.

        With estimates among them, how many units were run exactly.
        """
        grouped = by_layer(self.units["delta_loss"])
        table = (
            super()
            .summary()
            .assign(
                max_delta_loss=grouped.max(),
                worst_delta_accuracy=by_layer(self.units["delta_accuracy"]).min(),
                worst_class_delta=by_layer(self.units["worst_class_delta"]).min(),
            )
        )
        if self.units["estimated"].any():
            table.insert(1, "exact", by_layer(~self.units["estimated"]).sum())
        return table

    def plot(self) -> Figure:
        """Draw the overview: each unit's change of the loss and of accuracy, and the classes hit most."""
        from neuroprobe import plots

        return plots.unit_impact_overview(self)

    def _picture(self) -> str:
        from neuroprobe.plots import unit_impact_by_layer
        from neuroprobe.plots.style import as_img, unseen_axes

        return as_img(unit_impact_by_layer(self, ax=unseen_axes(7, 2)).figure)
