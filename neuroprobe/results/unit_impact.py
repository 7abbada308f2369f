"""The result of ablating units one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuroprobe.results.base import Result, by_layer, named

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

    def against(
        self, score: pd.Series[Any], activity: pd.Series[Any] | None = None, effect: str = "delta_loss"
    ) -> pd.DataFrame:
        """Return Spearman's rho of a score of units with what holding them does, layer by layer and pooled.

        Args:
            score: a column of a unit table, such as ``tuning.units.gosi``; units in both tables are ranked, estimates
                left out.
            activity: a column of another, such as ``recording.units["mean"]``, to be held: active units may have more
                both of the score and of the impact.
            effect: which column of ``units`` says what holding does.

        Returns:
            A DataFrame, a row a ``layer``, the last one ``all``: ``spearman``, ``units`` (how many were ranked), and
            with activity ``at_equal_activity``, the partial correlation at equal ranks of it.

        Raises:
            TypeError, ValueError: if score or activity is no column of numbers, one a unit.
        """
        from neuroprobe.analysis.rank_agreement import rank_agreement
        from neuroprobe.analysis.rank_correlation import partial_spearman
        from neuroprobe.analysis.scores import checked_scores

        effects, score = self.units[[named("column", effect, self.units), "estimated"]], checked_scores(score)
        agreement = rank_agreement(score.rename("score").to_frame(), effects, effect).droplevel("method")
        if activity is None:
            return agreement
        exact = effects[effect][~effects["estimated"]].astype(float)
        return agreement.assign(at_equal_activity=partial_spearman(score, exact, checked_scores(activity)))

    def plot(self) -> Figure:
        """Draw the overview: each unit's change of the loss and of accuracy, and the classes hit most."""
        from neuroprobe import plots

        return plots.unit_impact_overview(self)

    def _picture(self) -> str:
        from neuroprobe.plots import unit_impact_by_layer
        from neuroprobe.plots.style import as_img, unseen_axes

        return as_img(unit_impact_by_layer(self, ax=unseen_axes(7, 2)).figure)
