import os

os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib, which the plots import

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from neuroprobe import plots
from neuroprobe.plots.style import as_img
from neuroprobe.results import ShiftInvariance, unit_index

SHIFTS = [-2, -1, 1, 2]
MOVES = pd.MultiIndex.from_product([["x", "y"], SHIFTS], names=["axis", "shift"])


def planted(names=("conv1", "layer1.0/relu:0", "fc"), units=6, *, labels=True, loss=0.05):
    """Layers that lose ``loss`` more of their correlation with each pixel and each layer; the last unit is dead."""
    curves = {}
    for depth, name in enumerate(names):
        values = np.tile(1 - loss * (depth + 1) * np.abs(SHIFTS), (units, 2, 1)).astype(float)
        values[-1] = np.nan
        coordinates = {"unit": range(units), "axis": ["x", "y"], "shift": SHIFTS}
        curves[name] = xr.DataArray(values, coordinates, tuple(coordinates), name=name)
    pearson = np.concatenate([curve.mean(("axis", "shift")) for curve in curves.values()])
    status = np.where(np.isnan(pearson), "dead", "ok")
    table = pd.DataFrame({"pearson": pearson, "status": status}, index=unit_index(dict.fromkeys(names, units)))
    rows = pd.MultiIndex.from_tuples([(name, *move) for name in names for move in MOVES], names=["layer", *MOVES.names])
    layers = pd.DataFrame({"cosine_map": 0.5, "cosine_aligned": 0.9}, index=rows)
    layers.loc[names[-1]] = np.nan
    consistency = 1 - 0.1 * np.abs(MOVES.get_level_values("shift"))
    accuracy = 0.8 * consistency if labels else np.nan
    network = pd.DataFrame({"accuracy": accuracy, "consistency": consistency}, index=MOVES)
    return ShiftInvariance(table, curves, {"model": "m", "accuracy": 0.8 if labels else None}, None, layers, network)


def labelled(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_pearson_by_shift_is_the_median_of_live_units_and_1_without_a_shift():
    axes = plots.pearson_by_shift(planted())
    for depth, line in enumerate(axes.get_lines(), start=1):
        assert line.get_xdata().tolist() == [-2, -1, 0, 1, 2]
        np.testing.assert_allclose(line.get_ydata(), 1 - 0.05 * depth * np.array([2, 1, 0, 1, 2]))
    assert axes.get_xlabel() == "Shift (pixels)"
    named = [text.get_text() for text in axes.figure.axes[1].get_yticklabels()]
    assert named == ["conv1", "…yer1.0/relu:0", "fc"]


def test_only_whole_pixels_are_marked():
    axes = plots.decisions_by_shift(planted())
    axes.figure.canvas.draw()
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_many_layers_are_numbered():
    axes = plots.pearson_by_shift(planted([f"layer{number}" for number in range(12)], loss=0.01))
    assert [text.get_text() for text in axes.figure.axes[1].get_yticklabels()] == ["1", "5", "10"]


def test_cosines_by_layer_are_means_over_shifts_and_gaps_where_there_are_none():
    lines = labelled(plots.cosines_by_layer(planted()))
    np.testing.assert_allclose(lines["Maps as they stand"].get_ydata(), [0.5, 0.5, np.nan])
    np.testing.assert_allclose(lines["Maps moved back"].get_ydata(), [0.9, 0.9, np.nan])


def test_a_layer_without_cosines_says_why():
    result = planted(["a_map", "b_strided", "c_vector", "d_silent"])
    result.layers.loc["b_strided", "cosine_aligned"] = np.nan
    result.layers.loc["c_vector"] = np.nan
    result.units.loc["d_silent", "status"] = "dead"
    said = {text.get_position()[0]: text.get_text() for text in plots.cosines_by_layer(result).texts}
    assert said == {1: "no shift of its stride", 2: "no maps", 3: "silent"}


@pytest.mark.parametrize(("lowest", "said"), [(0.93, []), (0.3, ["1 lower unit, down to 0.30"])])
def test_a_single_unit_far_below_the_others_does_not_set_the_axis(lowest, said):
    result = planted(units=40, loss=0.01)  # the others: 1 to 0.955
    result.units.loc[("conv1", 0), "pearson"] = lowest
    axes = plots.shift_overview(result).axes[0]
    assert axes.get_ylim()[0] == pytest.approx(0.945 if said else 1 - 1.1 * (1 - lowest), abs=0.006)
    assert legend(axes) == ["Median, quartiles", *said]


def test_decisions_by_shift_stand_beside_those_where_the_images_are():
    axes = plots.decisions_by_shift(planted())
    lines = labelled(axes)
    np.testing.assert_allclose(lines["Consistency, x"].get_ydata(), [0.8, 0.9, 1, 0.9, 0.8])
    np.testing.assert_allclose(lines["Accuracy, y"].get_ydata(), [0.64, 0.72, 0.8, 0.72, 0.64])
    assert legend(plots.decisions_by_shift(planted(labels=False))) == ["Consistency, x", "Consistency, y"]


def test_results_compared_go_with_their_accuracy_and_consistency():
    before, after = planted(), planted(loss=0.1, labels=False)
    axes = plots.shift_compared([("Intact", before), ("Ablated", after)])
    labels = ["Intact (accuracy 0.80, consistency 0.85)", "Ablated (consistency 0.85)"]
    assert legend(axes) == [*labels, "Median, quartiles"]
    medians = [labelled(axes)[label].get_ydata() for label in labels]
    np.testing.assert_allclose(medians, [1 - 1.5 * loss * np.arange(1, 4) for loss in (0.05, 0.1)])
    assert axes.get_ylim()[0] > 0.3  # what tells them apart lies near 1


def test_results_of_other_layers_are_compared_by_relative_depth():
    axes = plots.shift_compared({"a": planted(["fc"]), "b": planted(["fc1", "fc2"])})
    assert axes.get_xlabel() == "Relative depth (first layer 0, last 1)"
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.shift_compared({})


@pytest.mark.parametrize("layers", [1, 7, 40])
@pytest.mark.parametrize("labels", [False, True])
def test_the_overview_draws_networks_of_any_depth(layers, labels):
    result = planted([f"blocks.{number}.act" for number in range(layers)], labels=labels, loss=0.005)
    assert result.plot().get_size_inches().tolist() == [7, 5]
    assert as_img(result.plot()).startswith("<img")
    assert "<img" in result._repr_html_()


def test_a_network_without_decisions_or_live_units_can_be_drawn():
    live = planted(labels=False)
    dead = ShiftInvariance(
        live.units.assign(pearson=np.nan, status="dead"),
        {layer: curve * np.nan for layer, curve in live.curves.items()},
        live.meta,
        None,
        live.layers * np.nan,
        live.network * np.nan,
    )
    assert as_img(dead.plot()).startswith("<img")


def test_the_users_axes_are_drawn_on():
    for draw in (plots.pearson_by_shift, plots.cosines_by_layer, plots.decisions_by_shift):
        own = Figure().add_subplot()
        assert draw(planted(), ax=own) is own
