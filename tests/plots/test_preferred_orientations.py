import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from planted_tuning import planted

from neuroprobe import plots
from neuroprobe.plots.preferred_orientations import rose_shares
from neuroprobe.results import Tuning, unit_index


def preferring(**angles):
    """Tuned units with some preferred orientations, layer by layer."""
    index = unit_index({layer: len(of_layer) for layer, of_layer in angles.items()})
    preferred = np.concatenate([np.asarray(of_layer, float) for of_layer in angles.values()])
    table = pd.DataFrame({"preferred_orientation": preferred, "gosi": 0.9, "status": "ok"}, index)
    return Tuning(table.assign(tuned=pd.array([True] * len(table), dtype="boolean")), {}, {})


def notes(axes):
    return [text.get_text() for text in axes.texts]


def test_the_rose_counts_0_and_180_as_one_orientation():
    shares = rose_shares(np.array([0.0, 2.0, 179.0, 90.0]))
    assert (shares[0], shares[6], shares.sum()) == (75, 25, 100)


def test_a_layer_of_many_units_is_shaded_by_their_shares_and_one_of_few_has_a_dot_a_unit():
    axes = plots.preferred_orientations(preferring(many=[0] * 20 + [178] * 10 + [90] * 10, few=[45, 135]))
    (image,) = axes.get_images()
    shares = image.get_array()
    assert shares.shape == (13, 2)
    assert (shares[0, 0], shares[6, 0], shares[12, 0], shares[:12, 0].sum()) == (75, 25, 75, 100)
    assert not shares[:, 1].any()
    (dots,) = axes.get_lines()
    np.testing.assert_array_equal(dots.get_xydata(), [[1, 45], [1, 135]])
    assert notes(axes) == ["40", "2", "Tuned units"]


def test_units_that_are_not_tuned_are_left_out():
    tuning = preferring(relu=[0] * 30 + [90] * 30)
    tuning.units.loc[("relu", 0) : ("relu", 29), "tuned"] = False
    assert plots.preferred_orientations(tuning).get_images()[0].get_array()[:, 0].argmax() == 6


def test_without_verdicts_units_above_a_third_are_drawn():
    axes = plots.preferred_orientations(planted(["a", "b"], verdicts=False))
    assert notes(axes)[2] == "Units, gOSI > 0.33"


def test_where_nothing_is_tuned_the_picture_says_so():
    tuning = preferring(relu=[0, 90])
    tuning.units["tuned"] = pd.array([False, False], dtype="boolean")
    assert "No tuned units" in notes(plots.preferred_orientations(tuning))


@pytest.mark.parametrize(("layers", "units"), [(1, 1), (1, 512), (50, 30)])
def test_networks_of_any_depth_and_width_can_be_drawn_at_column_width(layers, units):
    own = Figure((3.35, 2.4), layout="constrained").add_subplot()
    axes = plots.preferred_orientations(planted([f"features.{i}.relu" for i in range(layers)], units), ax=own)
    assert axes is own
    axes.figure.canvas.draw()


def test_the_trained_network_has_more_cardinal_units_than_uniform(trained_tuning):
    shares = plots.preferred_orientations(trained_tuning).get_images()[0].get_array()[:, -1]
    assert shares[0] + shares[6] > 2 * 100 / 6
