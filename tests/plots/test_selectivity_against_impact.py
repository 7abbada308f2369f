import numpy as np
import pandas as pd
import pytest

from neuroprobe import plots
from neuroprobe.results import UnitImpact

INDEX = pd.MultiIndex.from_product([["relu1", "relu2"], range(6)], names=["layer", "unit"])
SCORE = pd.Series([1.0, 2, 3, 4, 5, 6] * 2, INDEX, name="gosi")
ACTIVITY = pd.Series([1.0, 3, 2, 6, 5, 4] * 2, INDEX, name="mean")


def impact(estimated=False):
    """Impact rises with the score in relu1 and falls with it in relu2."""
    losses = [1.0, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6]
    return UnitImpact(pd.DataFrame({"delta_loss": losses, "estimated": estimated, "status": "ok"}, INDEX), {}, {})


def named(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_impact_stands_against_a_score_with_rho_of_each_layer():
    axes = plots.selectivity_against_impact(impact(), SCORE)
    assert named(axes)[:2] == ["relu1: +1.00", "relu2: \N{MINUS SIGN}1.00"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Selectivity (gOSI)", "Change in loss when ablated (nats)")
    assert axes.get_yscale() == "symlog"
    first = next(line for line in axes.get_lines() if line.get_label().startswith("relu1"))
    np.testing.assert_array_equal(first.get_xydata(), np.stack([np.arange(1, 7)] * 2, axis=1))
    axes.figure.canvas.draw()


def test_rho_at_equal_activity_stands_in_brackets():
    axes = plots.selectivity_against_impact(impact(), SCORE, ACTIVITY)
    assert named(axes)[0] == "relu1: +1.00 (+1.00)"
    assert axes.get_legend().get_title().get_text().endswith("(at equal activity)")


def test_estimates_are_neither_ranked_nor_drawn():
    estimated = np.arange(12) < 6
    axes = plots.selectivity_against_impact(impact(estimated), SCORE)
    assert named(axes) == ["relu2: \N{MINUS SIGN}1.00", "All units: \N{MINUS SIGN}1.00"]


@pytest.mark.parametrize(
    ("place", "name", "came"), [(0, "impact", SCORE), (1, "score", impact()), (2, "activity", [0.5])]
)
def test_a_table_is_no_column_and_a_column_no_result(place, name, came):
    arguments = [impact(), SCORE, ACTIVITY]
    arguments[place] = came
    with pytest.raises(TypeError, match=f"{name} must be .*; {type(came).__name__} came"):
        plots.selectivity_against_impact(*arguments)


def test_a_column_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="no column 'delta_los'; the nearest are 'delta_loss'"):
        plots.selectivity_against_impact(impact(), SCORE, effect="delta_los")
