"""Impact of single units, drawn: by layer, by class, estimates apart."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuroprobe import plots
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.plots.style import BLUE, GREY, SKY
from neuroprobe.results import UnitImpact

LAYERS = ("relu1", "layer1.0/relu:0")
UNITS = 12


def planted(*, estimated=None, classes=10):
    """Later layers matter ten times less; unit 3 of relu1 costs class 7 most; every other unit of a screen is held."""
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([LAYERS, range(UNITS)], names=["layer", "unit"])
    screened = np.zeros(len(index), bool) if estimated is None else np.asarray(estimated)
    losses = rng.normal(0.1, 0.05, len(index)) * np.repeat([1, 0.1], UNITS)
    changes = rng.uniform(-0.1, 0.02, (len(index), classes))
    changes[3, 7] = -0.4
    changes[screened] = np.nan
    measured = {
        "delta_accuracy": changes.mean(1),
        "worst_class": pd.array(np.where(screened, None, changes.argmin(1)), dtype="Int64"),
        "worst_class_delta": changes.min(1),
    }
    table = pd.DataFrame({"delta_loss": losses, **measured, "estimated": screened, "status": "ok"}, index)
    coords = {"unit": range(UNITS), "class": [f"c{number}" for number in range(classes)]}
    curves = {
        layer: xr.DataArray(part, coords, dims=("unit", "class"), name=layer)
        for layer, part in zip(LAYERS, np.split(changes, 2), strict=True)
    }
    return UnitImpact(table, curves, {"model": "planted", "images": 400})


HALF = np.arange(2 * UNITS) % 2 == 1


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def dots(axes, colour):
    return next(line for line in axes.get_lines() if line.get_color() == colour and line.get_markersize() == 1.5)


def named(ticks):
    return [text.get_text() for text in ticks]


def test_every_unit_and_the_medians_of_its_layer_stand_on_a_symmetric_log_scale():
    impact = planted()
    axes = plots.unit_impact_by_layer(impact)
    np.testing.assert_array_equal(dots(axes, SKY).get_ydata(), impact.units.delta_loss)
    medians = impact.units.delta_loss.groupby("layer", sort=False).median()
    assert lines(axes)["Median, quartiles"].get_ydata() == pytest.approx(medians.to_numpy())
    assert (axes.get_yscale(), axes.get_ylabel()) == ("symlog", "Change in loss when ablated (nats)")
    assert named(axes.get_xticklabels()) == list(LAYERS)
    assert named(axes.get_legend().get_texts()) == ["Median, quartiles"]
    axes.figure.canvas.draw()
    assert "0.01" in named(axes.get_yticklabels())


def test_estimates_are_marked_apart_where_they_are():
    impact = planted(estimated=HALF)
    axes = plots.unit_impact_by_layer(impact)
    np.testing.assert_array_equal(np.isfinite(dots(axes, GREY).get_ydata()), HALF)
    np.testing.assert_array_equal(np.isfinite(dots(axes, BLUE).get_ydata()), ~HALF)
    assert named(axes.get_legend().get_texts()) == ["Estimated", "Held", "Median, quartiles of both"]
    overview = impact.plot()
    assert overview.get_suptitle() == "planted · 24 units, 12 of them held one by one, the rest estimated · 400 images"


def test_a_network_that_needs_no_unit_can_be_drawn():
    impact = planted()
    impact = UnitImpact(impact.units.assign(delta_loss=0.0), impact.curves, impact.meta)
    plots.unit_impact_by_layer(impact).figure.canvas.draw()


def test_accuracy_goes_beside_that_of_the_class_hit_most():
    impact = planted(estimated=HALF)
    axes = plots.unit_accuracy_by_layer(impact)
    labels = {"delta_accuracy": "All classes (median, quartiles, range)", "worst_class_delta": "Class hit most"}
    for column, label in labels.items():
        medians = impact.units[column].groupby("layer", sort=False).median()
        assert lines(axes)[label].get_ydata() == pytest.approx(medians.to_numpy())
    axes.figure.canvas.draw()


def test_the_units_that_cost_a_class_most_come_first():
    impact = planted()
    axes = plots.class_damage_by_unit(impact)
    rows = named(axes.get_yticklabels())
    assert (rows[0], len(rows)) == ("relu1 · 3", 18)
    assert named(axes.get_xticklabels()) == [f"c{number}" for number in range(10)]
    drawn = axes.get_images()[0]
    np.testing.assert_array_equal(drawn.get_array()[0], impact.curves["relu1"][3])
    assert drawn.get_clim() == pytest.approx((-0.4, 0.4))  # white is no change
    axes.figure.canvas.draw()


def test_units_asked_for_are_drawn_in_their_order():
    impact = planted(estimated=HALF)
    of_a_layer = plots.class_damage_by_unit(impact, "layer1.0/relu:0", [4, 0])
    assert named(of_a_layer.get_yticklabels()) == ["layer1.0/relu:0 · 4", "layer1.0/relu:0 · 0"]
    of_a_table = plots.class_damage_by_unit(impact, units=impact.units.iloc[[2]])
    assert named(of_a_table.get_yticklabels()) == ["relu1 · 2"]
    assert len(named(plots.class_damage_by_unit(impact, "relu1").get_yticklabels())) == UNITS // 2


def test_of_many_classes_those_hit_most_are_drawn_in_their_own_order():
    axes = plots.class_damage_by_unit(planted(classes=100), "relu1", [3])
    shown = [int(name[1:]) for name in named(axes.get_xticklabels())]
    assert len(shown) == 20
    assert 7 in shown
    assert shown == sorted(shown)


@pytest.mark.parametrize("estimated", [None, HALF])
def test_a_result_draws_itself(estimated):
    impact = planted(estimated=estimated)
    figure = impact.plot()
    assert [text.get_text() for axes in figure.axes for text in axes.texts if text.get_weight() == "bold"] == [*"ABC"]
    figure.canvas.draw()
    assert "<img" in impact._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("relu9",), UnknownLayerError, "nearest: relu1"),
        ((None, [3]), ValueError, r"which of the 2 layers units \[3\] belong to"),
        (("relu1", [12]), IndexError, r"12 units \(0 to 11\); unit 12 was asked for"),
        (("relu1", [2, 1]), ValueError, r"estimated units .* units\[~units.estimated\]"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(arguments, error, message):
    with pytest.raises(error, match=message):
        plots.class_damage_by_unit(planted(estimated=HALF), *arguments)


def test_a_layer_of_estimates_alone_has_no_damage_to_draw():
    with pytest.raises(ValueError, match="relu1 has no unit that was held"):
        plots.class_damage_by_unit(planted(estimated=np.repeat([True, False], UNITS)), "relu1")
