import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from planted_tuning import planted

from neuroprobe import plots
from neuroprobe.results import ClassSelectivity, Tuning, unit_index


def by_label(axes):
    return {item.get_label(): item for item in [*axes.patches, *axes.collections]}


def of_classes(si, null):
    table = pd.DataFrame({"si": si, "si_null": null, "status": "ok"}, unit_index({"fc": len(si)}))
    return ClassSelectivity(table, {}, {})


def test_units_and_control_are_shares_in_the_same_bins_the_higher_as_high_as_its_row():
    tuning = planted(["a", "b"])
    units, _, control = plots.index_distribution(tuning).patches[:3]
    for patch, table in ((units, tuning.units), (control, tuning.control)):
        values, edges, _ = patch.get_data()
        counts = np.histogram(table.loc["a", "gosi"].dropna(), np.linspace(0, 1, 26))[0]
        heights = -values  # rows go down: the first stands on 0
        np.testing.assert_allclose(heights / heights.sum(), counts / counts.sum(), atol=1e-12)
        np.testing.assert_allclose(edges, np.linspace(0, 1, 26))
    assert -min(units.get_data()[0].min(), control.get_data()[0].min()) == pytest.approx(0.85)
    assert by_label(plots.index_distribution(tuning)).keys() >= {"Units", "Untrained"}


def test_layers_are_named_down_the_side_with_the_share_of_tuned_units():
    tuning = planted(["a", "b"])
    axes = plots.index_distribution(tuning)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    shares = tuning.summary()["share_tuned"]
    assert [text.get_text() for text in axes.texts] == [f"{share:.0%}" for share in shares] + ["Tuned"]


def test_the_threshold_of_tuned_is_marked_in_each_layer():
    plain = planted(["a", "b"])
    meta = {**plain.meta, "definitions": {"tuned_thresholds": {"a": 0.4, "b": 0.6}}}
    axes = plots.index_distribution(Tuning(plain.units, plain.curves, meta, plain.control))
    marks = by_label(axes)["Threshold of tuned"].get_segments()
    assert [mark[0][0] for mark in marks] == [0.4, 0.6]


def test_class_selectivity_stands_against_permuted_labels():
    axes = plots.index_distribution(of_classes([0.5, 0.6, 0.9], [0.1, 0.1, 0.15]))
    assert "Permuted labels" in by_label(axes)
    assert axes.get_xlabel() == "Class selectivity (SI)"


def test_an_index_without_a_control_and_beyond_0_to_1_has_its_own_range():
    axes = plots.index_distribution(planted(["a"], control=False), "bandwidth")
    _, edges, _ = axes.patches[0].get_data()
    bandwidth = planted(["a"], control=False).units["bandwidth"]
    assert (edges[0], edges[-1]) == (bandwidth.min(), bandwidth.max())
    assert len(axes.patches) == 2
    _, edges, _ = plots.index_distribution(of_classes([0.01, 0.2], [0.0, 0.1])).patches[0].get_data()
    assert (edges[0], edges[-1]) == (0, 0.2)


def test_layers_without_numbers_are_empty_and_a_network_without_any_says_so():
    tuning = planted(["a", "b"], control=False)
    tuning.units.loc["a", "gosi"] = np.nan
    assert not plots.index_distribution(tuning).patches[0].get_data()[0].any()
    tuning.units["gosi"] = np.nan
    said = [text.get_text() for text in plots.index_distribution(tuning).texts]
    assert said[0] == "No unit has a number in gosi"


@pytest.mark.parametrize(("layers", "units"), [(1, 1), (1, 512), (50, 12)])
def test_networks_of_any_depth_and_width_can_be_drawn_at_column_width(layers, units):
    own = Figure((3.35, 2.4), layout="constrained").add_subplot()
    axes = plots.index_distribution(planted([f"features.{i}.relu" for i in range(layers)], units), ax=own)
    assert axes is own
    axes.figure.canvas.draw()


def test_a_name_that_is_no_column_is_an_error():
    with pytest.raises(ValueError, match="no column 'gossip'; the nearest are 'gosi'"):
        plots.index_distribution(planted(["a"]), "gossip")
