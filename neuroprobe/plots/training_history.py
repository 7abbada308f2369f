"""A training epoch by epoch: loss, accuracy, and the selectivity that penalties measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroprobe.plots.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    VERMILION,
    legend_above,
    new_figure,
    panel_letter,
    plain_numbers,
    shorten,
    styled,
    widen_narrow,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neuroprobe.results import TrainingRun

_LINES = {
    "train_loss": ("Training", BLUE),
    "val_loss": ("Validation", VERMILION),
    "val_accuracy": ("Validation", VERMILION),
    "si": ("Class (SI)", GREEN),
    "gosi": ("Orientation (gOSI)", ORANGE),
}


@styled
def training_history(run: TrainingRun) -> Figure:
    """Draw loss and accuracy against the epoch, and selectivity on the batches where a penalty measured it.

    A star stands for the test photographs, at the epoch whose weights are kept. Axes span 5 points of accuracy and
    0.1 nats at least.

    Returns:
        The figure, 2.3 inches a panel.
    """
    panels = {"Loss (nats)": ("train_loss", "val_loss"), "Accuracy": ("val_accuracy",)}
    if run.history[["si", "gosi"]].notna().any(axis=None):
        panels["Selectivity on batches"] = ("si", "gosi")
    figure = new_figure(2.3 * len(panels), 2.2)
    drawn = figure.subplots(1, len(panels))
    for axes, letter, (label, columns) in zip(drawn, "ABC", panels.items(), strict=False):
        for column in columns:
            _line(axes, run, column)
        if label != "Selectivity on batches":
            reached = run.test["loss" if "train_loss" in columns else "accuracy"]
            axes.plot(run.meta["epoch"], reached, "*", color=INK, ms=6, label="Test", clip_on=False)
        widen_narrow(axes, columns[0])
        axes.set(xlabel="Epoch", ylabel=label, xlim=(0.5, len(run.history) + 0.5))
        plain_numbers(axes.xaxis, 5, whole=True)
        plain_numbers(axes.yaxis, 5)
        legend_above(axes, 2)
        panel_letter(axes, letter)
    figure.suptitle(f"{shorten(str(run.meta['network']), 40)} · test accuracy {run.test['accuracy']:.1%}", fontsize=8)
    return figure


def _line(axes: Axes, run: TrainingRun, column: str) -> None:
    values, (label, colour) = run.history[column], _LINES[column]
    if values.notna().any():
        axes.plot(values.index, values, "o-", color=colour, ms=2.2, label=label)
