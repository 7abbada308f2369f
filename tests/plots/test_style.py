import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from neuroprobe.plots.style import legend_above, spread, styled, symmetric_log


@pytest.fixture
def axes():
    return Figure((3.35, 2)).add_subplot()


@pytest.mark.parametrize(
    ("labels", "columns"), [(["a", "b", "c"], 3), (["a fairly long label"] * 3, 2), (["x" * 60] * 2, 1)]
)
def test_a_legend_has_as_many_columns_as_fit(axes, labels, columns):
    for label in labels:
        axes.plot([], [], label=label)
    legend_above(axes)
    assert axes.get_legend()._ncols == columns


def test_nothing_labelled_has_no_legend(axes):
    legend_above(axes)
    assert axes.get_legend() is None


def test_the_users_axes_take_our_look_and_the_users_settings_stay(axes):
    axes.set_xlabel("x")
    size = styled(lambda ax=None: ax.xaxis.label.get_size())(ax=axes)
    assert size == 7
    assert axes.xaxis.get_ticklabels()[0].get_size() == 6.5
    assert not axes.spines["top"].get_visible()
    assert Figure().add_subplot().xaxis.label.get_size() == 10


def test_polar_axes_take_it_too():
    polar = Figure().add_subplot(projection="polar")
    assert styled(lambda ax: ax)(polar) is polar


def test_few_are_all_taken_and_many_spread_from_first_to_last():
    assert spread(3, 7).tolist() == [0, 1, 2]
    assert spread(57, 3).tolist() == [0, 28, 56]


@pytest.mark.parametrize(("values", "linear"), [([0.02, -0.03, 5, 0], 0.01), ([0.0, 0.0], 1.0)])
def test_a_symmetric_scale_is_linear_below_the_median_size(axes, values, linear):
    axes.plot(values)
    symmetric_log(axes, pd.Series(values))
    assert axes.yaxis.get_transform().linthresh == pytest.approx(linear)
    assert np.isfinite(axes.get_ylim()).all()
