"""Pictures of ablation: the numbers they are handed are checked, the drawing itself only runs."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuroprobe import plots
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.results import Ablation

ORDERS = ("top", "bottom", "random")


def planted(layers=("relu1", "layer1.0/relu:0"), *, orders=ORDERS, axis="fraction", classes=3, sets=4):
    levels = np.array([0, 0.25, 0.5, 1])
    rng = np.random.default_rng(0)
    curves = {}
    for layer in layers:
        accuracy = 0.9 - 0.8 * levels * rng.uniform(0.5, 1, (len(orders), sets, 1))
        accuracy[[order in ("top", "bottom") for order in orders], 1:] = np.nan
        dims = ("order", "repeat", axis)
        mean = np.nanmean(accuracy, axis=1)
        delta = mean - mean[:, :1]
        data = {"accuracy": (dims, accuracy), "loss": (dims, -np.log(accuracy))}
        spread = np.linspace(-0.1, 0.1, classes)
        data["class_accuracy"] = ((*dims, "class"), accuracy[..., None] + spread * levels[:, None])
        loss = np.nanmean(-np.log(accuracy), axis=1)
        for name, values in (("delta_accuracy", delta), ("delta_loss", loss - loss[:, :1])):
            data |= {name: ((dims[0], axis), values), f"{name}_low": ((dims[0], axis), values - 0.1)}
            data[f"{name}_high"] = ((dims[0], axis), values + 0.1)
        coords = {
            "order": list(orders),
            "repeat": range(sets),
            axis: levels,
            "class": [f"c{i}" for i in range(classes)],
        }
        curves[layer] = xr.Dataset(data, coords)
    index = pd.MultiIndex.from_product([layers, orders], names=["layer", "order"])
    table = pd.DataFrame({"units": 8, "auc": 0.5, axis: 0.5, "delta_loss": 0.3}, index)
    return Ablation(table, curves, {"model": "planted", "scores": "gosi" if axis == "fraction" else None})


def named(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def draw(axes):
    axes.figure.canvas.draw()


def line(axes, label):
    return next(line for line in axes.get_lines() if line.get_label() == label)


def test_a_curve_is_the_mean_over_sets_against_the_fraction():
    result = planted()
    axes = plots.ablation_curves(result, "relu1")
    assert named(axes) == ["Top", "Bottom", "Random (mean, range of 4 draws)", "95% interval over images"]
    assert axes.get_title() == "planted: relu1, ranked by gosi"
    x, y = line(axes, "Random (mean, range of 4 draws)").get_data()
    assert list(x) == [0, 0.25, 0.5, 1]
    np.testing.assert_allclose(y, result.curve("relu1").accuracy.sel(order="random").mean("repeat"))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Fraction of units ablated", "Accuracy")
    draw(axes)


def test_intervals_of_single_sets_stand_beside_one_another():
    axes = plots.ablation_curves(planted(), "relu1")
    top, bottom, random = (
        line(axes, name).get_xdata() for name in ("Top", "Bottom", "Random (mean, range of 4 draws)")
    )
    np.testing.assert_allclose(bottom - top, 0.18 * 0.25)
    np.testing.assert_allclose((bottom + top) / 2, random)


@pytest.mark.parametrize(("sets", "words", "quantiles"), [(4, "range", (0, 1)), (40, "95%", (0.025, 0.975))])
def test_a_band_of_few_sets_is_their_range(sets, words, quantiles):
    result = planted(sets=sets)
    axes = plots.ablation_curves(result, "relu1")
    assert f"Random (mean, {words} of {sets} draws)" in named(axes)
    band = next(item for item in axes.collections if item.get_alpha() == 0.25).get_paths()[0].vertices
    last = result.curve("relu1").accuracy.sel(order="random").isel(fraction=-1).quantile(quantiles)
    at_last = band[band[:, 0] == 1, 1]
    np.testing.assert_allclose([at_last.min(), at_last.max()], last)


def test_noise_has_a_logarithmic_axis_and_the_intact_network_as_a_line():
    axes = plots.ablation_curves(planted(["relu1"], orders=("noise",), axis="scale"), measure="loss")
    assert (axes.get_xscale(), axes.get_ylabel()) == ("log", "Loss (nats)")
    assert axes.get_title() == "planted: relu1"
    assert line(axes, "Intact").get_ydata()[0] == pytest.approx(-np.log(0.9))
    assert list(line(axes, "Noise (mean, range of 4 draws)").get_xdata()) == [0.25, 0.5, 1]
    draw(axes)


@pytest.mark.parametrize(("level", "title"), [(None, "50% of units ablated"), (0.2, "25% of units ablated")])
def test_impact_stands_layer_by_layer_at_a_level(level, title):
    result = planted()
    axes = plots.impact_by_layer(result, "accuracy", level)
    assert axes.get_title(loc="left") == f"planted: {title}, ranked by gosi"
    at = 0.5 if level is None else 0.25
    expected = [curves.delta_accuracy.sel(order="top", fraction=at).item() for curves in result.curves.values()]
    assert line(axes, "Top").get_ydata() == pytest.approx(expected)
    assert axes.get_ylabel() == "Change in accuracy"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["relu1", "layer1.0/relu:0"]
    draw(axes)


def test_classes_are_sorted_by_what_the_top_set_does_and_the_rest_left_out():
    axes = plots.class_damage(planted(["relu1"], classes=30), level=1)
    shown = [tick.get_text() for tick in axes.get_yticklabels()]
    assert shown == [f"c{i}" for i in range(20)]
    assert axes.get_title(loc="left") == "planted: relu1, 100% of units ablated, ranked by gosi"
    draw(axes)


def test_a_result_draws_what_it_holds():
    for layers in (["relu1"], ["relu1", "relu2"]):
        result = planted(layers)
        draw(result.plot().axes[0])
        assert "<img" in result._repr_html_()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda result: plots.ablation_curves(result), ValueError, "which of the 2 layers is meant"),
        (lambda result: plots.ablation_curves(result, "relu9"), UnknownLayerError, "nearest: relu1"),
        (lambda result: plots.impact_by_layer(result, "speed"), ValueError, "no measure 'speed'"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(call, error, message):
    with pytest.raises(error, match=message):
        call(planted())
