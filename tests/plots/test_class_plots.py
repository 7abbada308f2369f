import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuroprobe import plots
from neuroprobe.plots.style import as_img
from neuroprobe.results import ClassSelectivity, unit_index


def planted(layers=3, classes=4, units=6, *, tested=True, names=True):
    """Units that prefer one class each, in turn; the last of a layer is dead."""
    tables, curves = [], {}
    labels = [f"class {number}" for number in range(classes)] if names else list(range(classes))
    for layer in range(layers):
        preferred = np.arange(units) % classes
        means = np.full((units, classes), 1.0)
        means[np.arange(units), preferred] = 2 + layer + 0.1 * np.arange(units)
        means[-1] = 0
        top = means.max(1)
        dead = np.arange(units) == units - 1
        si = np.where(dead, np.nan, (top - 1) / (top + 1))
        null = np.where(dead, np.nan, 0.05) if tested else np.full(units, np.nan)
        tables.append(
            pd.DataFrame(
                {
                    "si": si,
                    "si_cv": si - 0.01,
                    "si_null": null,
                    "preferred_class": pd.array(np.where(dead, None, preferred), dtype="Int64"),
                    "q_value": np.where(si > 0.3, 0.01, 0.5) * np.where(np.isnan(null), np.nan, 1),
                    "status": np.where(dead, "dead", "ok"),
                }
            )
        )
        coords = {"unit": np.arange(units), "class": np.array(labels)}
        curves[f"layer{layer}"] = xr.DataArray(means, coords, dims=("unit", "class"))
    table = pd.concat(tables).set_index(unit_index(dict.fromkeys(curves, units)))
    return ClassSelectivity(table, curves, {"model": "planted", "images_per_class": [50] * classes})


def test_a_profile_is_the_class_means_with_the_preferred_class_marked():
    axes = plots.class_profile(planted(), "layer1", 2)
    line, mark = axes.get_lines()
    assert line.get_ydata().tolist() == pytest.approx([1, 1, 3.2, 1])
    assert (mark.get_xdata().item(), mark.get_ydata().item()) == (2, pytest.approx(3.2))
    assert [text.get_text() for text in axes.get_xticklabels()] == [f"class {number}" for number in range(4)]
    assert axes.get_legend().get_texts()[0].get_text() == "unit 2, SI 0.52"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Class", "Mean response (a.u.)")


def test_by_default_the_most_selective_units_are_drawn():
    axes = plots.class_profile(planted())
    assert axes.get_title() == "layer2"
    texts = [text.get_text().split(",")[0] for text in axes.get_legend().get_texts()]
    assert texts == ["unit 4", "unit 3", "unit 2", "unit 1"]


def test_units_of_several_layers_are_drawn_in_units_of_their_peak():
    result = planted()
    axes = plots.class_profile(result, units=result.units.loc[[("layer0", 0), ("layer2", 1)]])
    first, _, second, _ = axes.get_lines()
    assert first.get_ydata().tolist() == pytest.approx([1, 1 / 2, 1 / 2, 1 / 2])
    assert second.get_ydata().tolist() == pytest.approx([1 / 4.1, 1, 1 / 4.1, 1 / 4.1])
    assert axes.get_ylabel() == "Mean response (of the unit's peak)"


def test_many_classes_are_ordered_by_response_and_not_named():
    axes = plots.class_profile(planted(classes=50), "layer0", [0, 1])
    drawn = axes.get_lines()[0].get_ydata()
    assert (np.diff(drawn) <= 0).all()
    assert axes.get_xlabel() == "Class, in each unit's own order"


def test_wrong_units_are_refused():
    with pytest.raises(IndexError, match=r"'layer0' has 6 units \(0 to 5\); unit 6"):
        plots.class_profile(planted(), "layer0", 6)
    with pytest.raises(ValueError, match="which of the 3 layers"):
        plots.class_profile(planted(), units=2)


def test_preferred_classes_are_shares_of_the_units_that_have_one():
    axes = plots.preferred_classes(planted(layers=1))  # classes 0, 1, 2, 3, 0, and one dead
    assert [bar.get_width() for bar in axes.patches] == [40, 20, 20, 20]
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"class {number}" for number in range(4)]
    assert len(plots.preferred_classes(planted(classes=50, units=60)).patches) == 12


def test_the_overview_shows_what_permuted_labels_give():
    result = planted()
    axes = plots.class_overview(result).axes[0]
    null = next(line for line in axes.get_lines() if line.get_label() == "Permuted labels")
    assert null.get_ydata().tolist() == pytest.approx([0.05] * 3)
    assert axes.get_ylabel() == "Class selectivity (SI)"
    titles = [panel.get_title() for panel in plots.class_overview(result).axes if "unit" in panel.get_title()]
    assert titles[0] == "layer0\nlayer 1, unit 4\nSI 0.41"
    untested = plots.class_overview(planted(tested=False)).axes[0]
    assert "Permuted labels" not in [line.get_label() for line in untested.get_lines()]


def test_the_overviews_shares_are_those_of_the_summary():
    result = planted(layers=2)
    result.units.loc[("layer0", 0), "q_value"] = 0.5
    axes = plots.class_overview(result).axes[1]
    selective, _, silent = (list(container) for container in axes.containers)
    shares = 100 * result.summary()["share_selective"]
    assert [bar.get_height() for bar in selective] == pytest.approx(shares.to_numpy())
    assert [bar.get_width() for bar in silent] == pytest.approx([0.85 / 6] * 2)
    assert axes.get_ylabel() == "Tested units\n(%)"


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(("layers", "classes", "names"), [(1, 2, True), (7, 10, False), (50, 100, True)])
def test_overview_draws_networks_of_any_depth(layers, classes, names, compact):
    assert as_img(plots.class_overview(planted(layers, classes, names=names), compact=compact)).startswith("<img")


def test_overview_of_a_silent_network_draws_no_profiles():
    one = planted(layers=1)
    silent = ClassSelectivity(one.units.iloc[[5]], {"layer0": one.curves["layer0"].isel(unit=[5])}, one.meta)
    assert as_img(plots.class_overview(silent)).startswith("<img")
    with pytest.raises(ValueError, match="the network has no unit with a class selectivity"):
        plots.class_profile(silent)
