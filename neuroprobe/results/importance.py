"""The result of a measurement of importance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroprobe.results.base import Result, by_layer

if TYPE_CHECKING:
    import pandas as pd


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

    def agreement(self, impact: pd.DataFrame) -> pd.DataFrame:
        """Rank-correlate each method with the exact effects of ablation: see ``analysis.rank_agreement``."""
        from neuroprobe.analysis.rank_agreement import rank_agreement

        return rank_agreement(self.units[self.methods], impact)
