"""The result of a training: the network, what each epoch came to, and the folder that holds it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from neuroprobe.results.saved import Travels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import nn

    from neuroprobe.results.development import Development


@dataclass(frozen=True, eq=False, repr=False)
class TrainingRun(Travels):
    """What :func:`neuroprobe.train` made; its folder is where it is saved.

    Attributes:
        network: In eval mode, with size and normalisation noted; its weights are those of the best validation epoch
            where there was a validation set, else of the last.
        history: One row an epoch, from 1: ``train_loss`` (without penalties) and ``val_loss``, nats; ``val_accuracy``,
            ``si``, ``gosi`` (means over the epoch's batches, where a penalty measured them), ``alpha`` and
            ``orientation_alpha`` (0 without the penalty), ``lr``.
        test: ``loss`` and ``accuracy`` on the test photographs, looked at once.
        meta: What it was made from: data, recipe, options, versions; ``epoch`` is the one that the weights are of.
        folder: Where it lies.
        development: What a :class:`neuroprobe.UnitTracker` found; None without one.
    """

    network: nn.Module
    history: pd.DataFrame
    test: Mapping[str, float]
    meta: Mapping[str, Any]
    folder: Path
    development: Development | None = None

    def __post_init__(self) -> None:
        """Make the mappings read-only."""
        object.__setattr__(self, "test", MappingProxyType(dict(self.test)))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    def summary(self) -> pd.DataFrame:
        """Sum up the first epoch, the one that the weights are of, and the last."""
        rows = dict.fromkeys([1, self.meta["epoch"], len(self.history)])
        return self.history.loc[list(rows)]

    def plot(self) -> Figure:
        """Draw loss, accuracy and what the penalties measured, epoch by epoch."""
        from neuroprobe import plots

        return plots.training_history(self)

    def __repr__(self) -> str:
        epochs = f"{len(self.history)} epochs" if len(self.history) > 1 else "1 epoch"
        return (
            f"TrainingRun({self.meta['network']}, {epochs}, test accuracy {self.test['accuracy']:.1%}, {self.folder})"
        )

    def _repr_html_(self) -> str:
        """Show the summary in Jupyter."""
        return f"<p>{escape(repr(self))}</p>{self.summary().to_html(float_format='{:.3g}'.format, border=0)}"
