"""The result of a measurement of importance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroprobe.results.base import Result, by_layer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class Importance(Result):
    """What :func:`neuroprobe.importance` found: how much each unit adds to the logit of the target class.

    ``units`` has a column a method. There are no curves.
    """

    kind = "importance"

    @property
    def headline(self) -> str:  # type: ignore[override]
        """The first of the methods."""
        return self.methods[0]

    @property
    def methods(self) -> list[str]:
        """The methods, each a column of ``units``."""
        return list(self.meta["methods"])

    def summary(self) -> pd.DataFrame:
        """Sum up each layer: status counts, quartiles of the first method, and each method's sum over units.

        A layer's conductances add up to the change of the logit from baseline to image, where every way leads
        through the layer.
        """
        sums = {f"sum_{method}": by_layer(self.units[method]).sum() for method in self.methods}
        return super().summary().assign(**sums)

    def agreement(self, impact: Result | pd.DataFrame) -> pd.DataFrame:
        """Return Spearman's rho of each method with the exact effect of ablation on the loss.

        Args:
            impact: what :func:`neuroprobe.unit_impact` found, or any unit table with a column ``delta_loss``.

        Returns:
            A DataFrame, a row a (``layer``, ``method``), the last layer ``all``: ``spearman``, ``units``.
        """
        from neuroprobe.analysis.rank_agreement import rank_agreement

        table = impact.units if isinstance(impact, Result) else impact
        return rank_agreement(self.units[self.methods], table)

    def plot(self) -> Figure:
        """Draw every unit's importance layer by layer, a panel a method."""
        from neuroprobe import plots

        return plots.importance_overview(self)

    def _picture(self) -> str:
        from neuroprobe.plots.style import as_img

        return as_img(self.plot())
