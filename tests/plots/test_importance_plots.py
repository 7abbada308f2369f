"""Importance by layer, and its agreement with ablation: the numbers that are drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from neuroprobe import plots
from neuroprobe.plots.style import as_img
from neuroprobe.results import Importance

METHODS = ["conductance", "internal_influence"]


@pytest.fixture
def scores():
    index = pd.MultiIndex.from_product([["relu1", "layer1.0/relu:0"], range(20)], names=["layer", "unit"])
    values = np.random.default_rng(0).normal(size=(40, 2))
    return Importance(
        pd.DataFrame(values, index, METHODS).assign(status="ok"),
        {},
        {"model": "planted", "methods": METHODS, "of": "log_probability"},
    )


@pytest.fixture
def impact(scores):
    return pd.DataFrame({"delta_loss": np.exp(scores.units.conductance)})


def test_agreement_is_drawn_layer_by_layer_and_pooled(scores, impact):
    axes = plots.importance_agreement(scores, impact)
    rho = scores.agreement(impact).spearman.unstack("method")
    drawn = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    assert drawn["Conductance"].tolist() == pytest.approx([1, 1])
    assert drawn["Internal influence"].tolist() == rho.internal_influence[["relu1", "layer1.0/relu:0"]].tolist()
    pooled = [line.get_ydata()[0] for line in axes.get_lines() if line.get_marker() == "D"]
    assert pooled == rho.loc["all", METHODS].tolist()
    assert [text.get_text() for text in axes.get_xticklabels()] == ["relu1", "layer1.0/relu:0", "all units"]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([2 * 1.96 / 19**0.5] * 2 + [2 * 1.96 / 39**0.5])
    axes.figure.canvas.draw()


def test_estimated_effects_are_left_out(scores, impact):
    impact = impact.assign(estimated=np.arange(40) % 2 == 0)
    assert scores.agreement(impact)["units"].tolist() == [10, 10, 10, 10, 20, 20]


def test_every_unit_is_drawn_in_its_units(scores):
    axes = plots.importance_by_layer(scores)
    assert axes.get_ylabel() == "Conductance (nats)"
    assert plots.importance_by_layer(scores, "internal_influence").get_ylabel() == "Internal influence (nats/response)"
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), scores.units.conductance)


def test_the_overview_has_a_panel_a_method(scores):
    figure = scores.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["Conductance (nats)", "Internal influence (nats/response)"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "Layer"]
    assert figure.get_suptitle() == "planted · 40 units · 0 images"
    assert as_img(figure).startswith("<img")
    assert "<img" in scores._repr_html_()


def test_an_unknown_method_names_those_there_are(scores):
    with pytest.raises(ValueError, match="no column 'conductanc'; the nearest are 'conductance'"):
        plots.importance_by_layer(scores, "conductanc")


def test_on_axes_of_the_users_own(scores, impact):
    own = Figure().add_subplot()
    assert plots.importance_agreement(scores, impact, ax=own) is own
    assert plots.importance_by_layer(scores, ax=own) is own
