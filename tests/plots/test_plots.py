"""Pictures: the numbers they are handed are checked, the drawing itself only runs."""

import os
import warnings

os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib, which the plots import

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from planted_tuning import ORIENTATIONS, planted

from neuroprobe import plots
from neuroprobe.plots.style import as_img, new_axes, shorten, told_apart
from neuroprobe.results import Tuning
from neuroprobe.stimuli import gratings


@pytest.fixture
def tuning():
    return planted(["conv1", "layer1.0/relu:0", "fc"])


@pytest.fixture(autouse=True)
def the_users_style_is_left_alone():
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before


def line(axes, index):
    return axes.get_lines()[index].get_data()


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def draw(axes):
    axes.figure.canvas.draw()


def test_a_tuning_curve_is_the_data_closed_at_180_with_its_fit_and_its_blank(tuning):
    axes = plots.tuning_curves(tuning, "fc", 0)
    (x, data), (fit_x, fit), (_, blank) = (line(axes, i) for i in range(3))
    assert x.tolist() == [*ORIENTATIONS, 180]
    np.testing.assert_array_equal(data[:-1], tuning.curve("fc").sel(unit=0))
    assert data[-1] == data[0]
    row = tuning.units.loc[("fc", 0)]
    assert fit_x[-1] == 180
    assert fit.max() == pytest.approx(row["fit_trough"] + row["fit_amplitude"], rel=1e-3)
    np.testing.assert_array_equal(blank, row["blank_response"])
    assert labels(axes) == [f"unit 0, gOSI {row['gosi']:.2f}", "Blank"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Orientation (deg)", "Response (a.u.)")
    draw(axes)


def test_a_polar_curve_goes_round_twice_at_the_angle_of_the_orientation(tuning):
    axes = plots.tuning_curves(tuning, "fc", [0, 1], polar=True)
    angle, data = line(axes, 0)
    np.testing.assert_allclose(np.degrees(angle), [*ORIENTATIONS, *(ORIENTATIONS + 180), 0])
    np.testing.assert_array_equal(data[:12], data[12:24])
    draw(axes)


def test_by_default_the_most_selective_fitted_units_are_drawn(tuning):
    rows = tuning.units.loc["conv1"]
    best = (rows["gosi"] * rows["fit_r2"]).nlargest(4).index
    assert [text.split(",")[0] for text in labels(plots.tuning_curves(tuning, "conv1"))[:4]] == [
        f"unit {i}" for i in best
    ]


def test_a_slice_of_the_unit_table_says_which_units(tuning):
    chosen = pd.concat([tuning.top("conv1", 1), tuning.top("fc", 1)])
    assert [text.split(",")[0] for text in labels(plots.tuning_curves(tuning, units=chosen))[:2]] == ["conv1", "fc"]


def test_units_of_several_layers_and_those_chosen_by_default_are_drawn_in_units_of_their_peak(tuning):
    chosen = pd.concat([tuning.top("conv1", 1), tuning.top("fc", 1)])
    for axes, units in ((plots.tuning_curves(tuning, units=chosen), 2), (plots.tuning_curves(tuning, "fc"), 4)):
        assert axes.get_ylabel() == "Response (of the unit's peak)"
        assert [line(axes, 3 * unit)[1].max() for unit in range(units)] == [1] * units
    row = tuning.units.loc["fc"].loc[chosen.index[1][1]]
    blank, peak = line(plots.tuning_curves(tuning, units=chosen), 5)[1][0], tuning.curve("fc").sel(unit=row.name).max()
    assert blank == pytest.approx(row["blank_response"] / float(peak))


def test_a_unit_without_a_response_says_so(tuning):
    tuning.units.loc[("fc", 1), "gosi"] = np.nan
    axes = plots.tuning_curves(tuning, "fc", [5, 1], polar=True)
    assert labels(axes)[:2] == ["unit 5, no response", "unit 1, no gOSI"]
    assert axes.get_xlabel() == "Radius: response (a.u.)"


@pytest.mark.parametrize(("prefers", "beside"), [(22.5, 112.5), (112.5, 22.5)])
def test_the_numbers_along_a_radius_stand_where_no_curve_is(tuning, prefers, beside):
    curves = {"fc": tuning.curves["fc"].copy()}
    away = np.radians(ORIENTATIONS - prefers)
    curves["fc"][0] = (1 + np.cos(2 * away))[None, :, None]
    rows = tuning.units.loc[["fc"]].assign(fit_preferred=prefers)
    axes = plots.tuning_curves(Tuning(rows, curves, tuning.meta), "fc", [0], polar=True)
    assert axes.get_rlabel_position() == pytest.approx(beside)


def test_a_unit_without_a_fit_is_drawn_without_one(tuning):
    axes = plots.tuning_curves(tuning, "fc", 5)  # dead
    assert len(axes.get_lines()) == 3  # data, blank, the blank of the legend
    draw(axes)


def test_wrong_units_and_axes_are_refused(tuning):
    with pytest.raises(IndexError, match=r"'fc' has 24 units \(0 to 23\); unit 24"):
        plots.tuning_curves(tuning, "fc", 24)
    with pytest.raises(ValueError, match="which of the 3 layers"):
        plots.tuning_curves(tuning, units=3)
    with pytest.raises(ValueError, match="polar=True needs a polar Axes"):
        plots.tuning_curves(tuning, "fc", polar=True, ax=Figure().add_subplot())
    with pytest.raises(ValueError, match="conv1"):
        plots.tuning_curves(tuning, "conv")


def test_index_by_layer_shows_units_quartiles_and_the_controls_95th_percentile(tuning):
    axes = plots.index_by_layer(tuning)
    by_label = {item.get_label(): item for item in [*axes.get_lines(), *axes.collections]}
    gosi, control = (table["gosi"].groupby(level="layer", sort=False) for table in (tuning.units, tuning.control))
    np.testing.assert_allclose(by_label["Median, quartiles"].get_ydata(), gosi.median())
    np.testing.assert_allclose(by_label["Untrained: median"].get_ydata(), control.median())
    dashes = by_label["95th percentile"].get_segments()
    np.testing.assert_allclose([dash[0][1] for dash in dashes], control.quantile(0.95))
    assert [text.get_text() for text in axes.get_xticklabels()] == tuning.layer_names
    draw(axes)


def test_index_by_layer_draws_another_index_without_the_line_of_gosi():
    axes = plots.index_by_layer(planted(["a", "b"], control=False), "bandwidth")
    assert labels(axes) == ["Median, quartiles"]
    assert axes.get_ylabel() == "Bandwidth (deg)"
    with pytest.raises(ValueError, match="'bandwidth'"):
        plots.index_by_layer(planted(["a"]), "band")


def test_overview_shares_are_those_of_the_summary_in_bars_as_wide_as_units_have_a_verdict(tuning):
    figure = plots.overview(tuning)
    bars = [list(container) for container in figure.axes[1].containers]
    tuned, untuned, unresponsive = np.array([[bar.get_height() for bar in part] for part in bars])
    np.testing.assert_allclose(tuned, 100 * tuning.summary()["share_tuned"])
    np.testing.assert_allclose(tuned + untuned, 100)
    np.testing.assert_allclose(unresponsive, 100)
    widths = np.array([[bar.get_width() for bar in part] for part in bars]) / 0.85
    np.testing.assert_allclose(widths[2], tuning.verdicts()["unresponsive"])
    np.testing.assert_allclose(widths[0] + widths[2], 1)
    assert labels(figure.axes[1]) == ["Tuned", "Not tuned", "Unresponsive (width)"]
    assert figure.get_size_inches().tolist() == [7, 5]


def test_units_without_a_verdict_have_no_share():
    axes = plots.overview(planted(["a", "b"], verdicts=False)).axes[1]
    assert labels(axes) == ["No verdict (width)", "Unresponsive (width)"]


def test_an_example_is_named_by_its_layer_and_the_number_of_it(tuning):
    titles = [axes.get_title() for axes in plots.overview(tuning).axes if "gOSI" in axes.get_title()]
    assert [title.split(",")[0] for title in titles] == ["conv1\nlayer 1", "layer1.0/relu:0\nlayer 2", "fc\nlayer 3"]


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("control", [False, True])
@pytest.mark.parametrize("layers", [1, 7, 50])
def test_overview_draws_networks_of_any_depth(layers, control, compact):
    names = [f"blocks.{i}.$bn1$.act" for i in range(layers)]
    figure = plots.overview(planted(names, units=12, control=control, verdicts=control), compact=compact)
    assert as_img(figure).startswith("<img")


def test_overview_of_a_silent_network_draws_no_examples():
    one = planted(["fc"], units=6)
    silent = Tuning(one.units.iloc[[5]], {"fc": one.curves["fc"].isel(unit=[5])}, one.meta)
    assert as_img(plots.overview(silent)).startswith("<img")


def test_long_names_keep_their_end_and_dollars_open_no_formula():
    assert shorten("features.denseblock1.denselayer1.relu2") == "…1.denselayer1.relu2"
    assert shorten("features.3.squeeze_activation", 12) == "…activation"
    assert len(shorten("x" * 99)) == 20
    assert shorten("$a$") == r"\$a\$"


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["features.3.squeeze_activation", "features.12.expand_activation"], ["…3.squeeze…", "…12.expand…"]),
        (["layer1.0/relu:0", "/relu:0"], ["layer1.0/relu:0", "/relu:0"]),  # none is long
        (["features.3.squeeze_activation"], ["…squeeze_activation"]),
        (["a.relu", "a.denselayer1.denselayer2.relu"], ["a.relu", "…r1.denselayer2.relu"]),  # one would be empty
        (
            ["a.x1.very_long_name.relu", "a.x2.very_long_name.relu", "b.relu"],
            ["a.x1.very_long_name…", "a.x2.very_long_name…", "b…"],
        ),
    ],
)
def test_names_side_by_side_leave_out_what_they_share(names, short):
    assert told_apart(names) == short


def test_stimulus_sheet_shows_a_row_a_frequency_and_a_column_an_orientation():
    stimuli = gratings(16, orientations=4, frequencies=[0.1, 0.2], phases=3)
    axes = plots.stimulus_sheet(stimuli)
    table = stimuli.parameters
    first = np.flatnonzero(table["phase"] == 0)  # in C order: frequency, then orientation
    drawn = np.stack([image.get_array() for image in axes.get_images()])
    np.testing.assert_array_equal(drawn, stimuli.images(first).permute(0, 2, 3, 1))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "45", "90", "135"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0.1", "0.2"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Orientation (deg)", "Frequency (cycles/pixel)")
    draw(axes)


def test_figures_are_the_users_axes_or_known_to_nobody(tuning):
    own = Figure().add_subplot()
    assert plots.index_by_layer(tuning, ax=own) is own
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(25):
            new_axes(1, 1)
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []
