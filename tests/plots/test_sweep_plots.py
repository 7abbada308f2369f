from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from planted_training import sweep

from neuroprobe import plots
from neuroprobe.plots.style import BLUE, INK, VERMILION


def dots(axes, marker):
    """Where the marks of one kind are, a mark or group of marks each, with their colours."""
    lines = [line for line in axes.get_lines() if line.get_marker() == marker and len(line.get_xdata())]
    return [(np.array(line.get_xdata()), np.array(line.get_ydata()), to_hex(line.get_color())) for line in lines]


def test_points_are_seeds_and_dots_their_means():
    swept = sweep()
    axes = plots.by_alpha(swept)
    for alpha, (x, y, colour) in zip(swept.alphas, dots(axes, "."), strict=True):
        assert x.tolist() == [alpha] * 3
        np.testing.assert_allclose(y, swept.table.accuracy[alpha])
        assert colour == (BLUE if alpha < 0 else VERMILION if alpha else INK).lower()
    means = [(float(x[0]), float(y[0])) for x, y, _ in dots(axes, "o")]
    np.testing.assert_allclose(means, list(swept.summary().accuracy.items()))


def test_bars_are_the_intervals():
    swept = sweep()
    bars = [bar.get_segments()[0][:, 1] for bar in plots.by_alpha(swept, "si").collections]
    np.testing.assert_allclose(bars, swept.summary()[["si_low", "si_high"]])


def test_alpha_0_is_marked_where_there_is_one():
    dashed = [line for line in plots.by_alpha(sweep()).get_lines() if line.get_linestyle() == "--"]
    assert dashed[0].get_ydata()[0] == pytest.approx(0.81)
    assert not [line for line in plots.by_alpha(sweep((1.0, 2.0))).get_lines() if line.get_linestyle() == "--"]


@pytest.mark.parametrize(
    ("alphas", "scale"), [((-2.0, 0.0, 2.0), "linear"), ((-20.0, -0.1, 0.0, 0.1, 1.0), "symlog"), ((0.0,), "linear")]
)
def test_alphas_that_span_decades_have_a_logarithmic_scale(alphas, scale):
    axes = plots.by_alpha(sweep(alphas))
    assert axes.get_xscale() == scale
    axes.figure.canvas.draw()


def test_accuracy_against_what_was_pushed():
    axes = plots.accuracy_against_selectivity(sweep(penalty="orientation"))
    assert axes.get_xlabel() == "Orientation selectivity (mean gOSI)"
    assert [text.get_text() for text in axes.texts] == [
        f"$\\alpha$ = {alpha}" for alpha in ("\N{MINUS SIGN}2", "0", "1")
    ]
    summary = sweep().summary()
    means = [(float(x[0]), float(y[0])) for x, y, _ in dots(axes, "o")]
    np.testing.assert_allclose(means, summary[["gosi", "accuracy"]])


@pytest.mark.parametrize("penalty", ["class", "orientation"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_overview_draws_any_number_of_seeds(penalty, seeds):
    figure = sweep(seeds=seeds, penalty=penalty).plot()
    assert figure.get_size_inches().tolist() == [7, 2.5]
    legend = figure.axes[0].get_legend()
    shown = [text.get_text() for text in legend.get_texts()] if legend else []
    assert shown == (["One seed", "Mean, 95% interval"] if seeds > 1 else [])
    figure.canvas.draw()


def test_nearly_equal_accuracies_do_not_fill_the_axes():
    swept = sweep(seeds=1)
    table = swept.table.assign(
        accuracy=0.155 + swept.table.accuracy / 1000, si=0.3, loss=1 + swept.table.accuracy / 100
    )
    alike = replace(swept, table=table)
    for axes in (plots.by_alpha(alike), plots.accuracy_against_selectivity(alike)):
        assert np.ptp(axes.get_ylim()) == pytest.approx(0.05)
        assert np.mean(axes.get_ylim()) == pytest.approx(0.156, abs=0.001)
    assert np.ptp(axes.get_xlim()) == pytest.approx(0.05)
    assert np.ptp(plots.by_alpha(alike, "loss").get_ylim()) == pytest.approx(0.1)


def test_a_column_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no column 'si_liv'; the nearest are 'si_live'"):
        plots.by_alpha(sweep(), "si_liv")
