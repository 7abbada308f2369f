import numpy as np
import pytest
from planted_tuning import FREQUENCIES, planted

from neuroprobe import plots
from neuroprobe.results import Tuning


@pytest.fixture
def tuning():
    return planted(["conv1", "fc"])


def test_the_map_is_the_mean_over_phase_a_row_a_frequency_with_its_best_ringed(tuning):
    axes = plots.frequency_by_orientation(tuning, "fc", 3)
    (image,) = axes.get_images()
    expected = tuning.curves["fc"].sel(unit=3).mean("phase")
    np.testing.assert_allclose(image.get_array(), expected, rtol=1e-6)
    best = expected.where(expected == expected.max(), drop=True)
    (ring,) = axes.get_lines()
    assert ring.get_xdata() == best["orientation"]
    assert FREQUENCIES[int(ring.get_ydata()[0])] == best["frequency"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0.025", "0.04", "0.063", "0.1", "0.16", "0.25"]
    assert axes.get_title() == "fc, unit 3"
    axes.figure.canvas.draw()


def test_the_best_row_is_the_tuning_curve(tuning):
    image = plots.frequency_by_orientation(tuning, "conv1", 0).get_images()[0].get_array()
    np.testing.assert_allclose(image[image.max(1).argmax()], tuning.curve("conv1").sel(unit=0), rtol=1e-6)


def test_the_blank_is_a_line_on_the_colour_bar(tuning):
    bar = plots.frequency_by_orientation(tuning, "fc", 0).figure.axes[1]
    assert bar.get_lines()[0].get_ydata()[0] == tuning.units.loc[("fc", 0), "blank_response"]


def test_by_default_the_best_fitted_most_selective_unit_is_drawn(tuning):
    rows = tuning.units.loc["fc"]
    unit = (rows["gosi"] * rows["fit_r2"]).idxmax()
    assert plots.frequency_by_orientation(tuning, "fc").get_title() == f"fc, unit {unit}"


def test_units_without_responses_or_numbers_say_so(tuning):
    said = plots.frequency_by_orientation(tuning, "fc", 5).texts  # dead
    assert [text.get_text() for text in said] == ["No response"]
    nothing = Tuning(tuning.units, {"fc": tuning.curves["fc"] * np.nan}, tuning.meta)
    assert [text.get_text() for text in plots.frequency_by_orientation(nothing, "fc", 5).texts] == ["No numbers"]


def test_without_frequencies_the_next_parameter_stands_on_y_at_the_best_of_the_others(tuning):
    cube = tuning.curves["fc"].rename(frequency="width", phase="position").transpose("unit", "orientation", ...)
    bars = Tuning(tuning.units, {"fc": cube}, tuning.meta)
    axes = plots.frequency_by_orientation(bars, "fc", 2)
    of_unit = cube.sel(unit=2)
    best = of_unit.sel(position=of_unit.max("orientation").idxmax("position"))
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), best.transpose("width", "orientation"))
    assert axes.get_ylabel() == "Width (pixels)"


def test_orientation_alone_is_no_map(tuning):
    cube = tuning.curves["fc"].isel(frequency=0, phase=0, drop=True)
    with pytest.raises(ValueError, match="vary in orientation alone"):
        plots.frequency_by_orientation(Tuning(tuning.units, {"fc": cube}, tuning.meta), "fc", 0)


def test_many_frequencies_are_thinned_out():
    tuning = planted(["fc"])
    finer = tuning.curves["fc"].interp(frequency=np.geomspace(0.025, 0.25, 57))
    axes = plots.frequency_by_orientation(Tuning(tuning.units, {"fc": finer}, tuning.meta), "fc", 0)
    assert len(axes.get_yticks()) == 7
