import numpy as np
import pandas as pd
import pytest
import xarray as xr

from neuroprobe.results import ClassSelectivity, unit_index

NAN = np.nan


def result(images=(20, 30, 0), **columns):
    """Two layers of two units; the last of all is dead."""
    numbers = {
        "si": [0.4, 0.2, 0.1, NAN],
        "si_cv": [0.3, 0.1, 0.0, NAN],
        "si_null": [0.1, 0.1, 0.09, NAN],
        "preferred_class": pd.array([0, 1, 1, None], dtype="Int64"),
        "q_value": [0.01, 0.2, 0.5, NAN],
        "status": ["ok", "ok", "rectified", "dead"],
    } | columns
    index = unit_index({"early": 2, "late": 2})
    means = xr.DataArray(np.ones((2, 3)), dims=("unit", "class"), coords={"unit": [0, 1], "class": ["a", "b", "c"]})
    meta = {"model": "planted", "images_per_class": list(images)}
    return ClassSelectivity(pd.DataFrame(numbers, index=index), {"early": means, "late": means}, meta)


def test_the_summary_tells_si_from_what_chance_gives():
    summary = result().summary()
    assert summary.mean_si.tolist() == pytest.approx([0.3, 0.1])
    assert summary.mean_si_cv.tolist() == pytest.approx([0.2, 0.0])
    assert summary.mean_si_null.tolist() == pytest.approx([0.1, 0.09])
    assert summary.share_selective.tolist() == [0.5, 0]
    assert summary.images_per_class.tolist() == [20, 20]
    assert summary.dead.tolist() == [0, 1]
    assert summary.reading.tolist() == ["above chance", "largely chance"]


def test_layers_count_alike_however_wide():
    assert result().mean_si == pytest.approx((0.3 + 0.1) / 2)


def test_without_permutations_cross_validation_says_what_chance_gives():
    nothing = [NAN] * 4
    summary = result(si_null=nothing, q_value=nothing).summary()
    assert summary.mean_si_null.isna().all()
    assert summary.share_selective.isna().all()
    assert summary.reading.tolist() == ["above chance", "largely chance"]


def test_a_layer_without_numbers_says_so():
    nothing = [NAN] * 4
    for images, came in (((9, 8), "the largest has 9"), ((0, 200), "all images are of one")):
        table = result(images, si=nothing, si_cv=nothing, si_null=nothing, status=["too_few"] * 4)
        assert table.summary().reading.tolist() == ["no numbers", "no numbers"]
        assert table.caution == f"No unit has indices: they take two classes of 10 images; {came}."


def test_dead_units_that_a_preset_counts_in_count_in_every_mean():
    summary = result(si=[0.4, 0.2, 0.1, 0.0]).summary()
    assert summary.mean_si.tolist() == pytest.approx([0.3, 0.05])
    assert summary.mean_si_null.tolist() == pytest.approx([0.1, 0.045])
    unmeasured = result(si=[0.4, 0.2, 0.1, 0.0], si_null=[NAN] * 4).summary()
    assert unmeasured.mean_si_null.isna().all()


def test_the_caution_names_the_layers_and_stands_in_the_html_view():
    table = result()
    assert "With 20 images a class" in table.caution
    assert "1 of 2 layers (late)" in table.caution
    assert table.caution in table._repr_html_()
    assert "images_per_class" in table._repr_html_()
    safe = result(si_null=[0.01] * 3 + [NAN])
    assert safe.caution == ""
    assert "<b>" not in safe._repr_html_()


def test_a_tiny_class_among_others_is_a_caution():
    safe = {"si_null": [0.01] * 3 + [NAN]}
    assert result((9, 1500, 0), **safe).caution.startswith("The smallest class has 9 of the images, the largest 1,500:")
    assert "With 9 images a class" in result((9, 30, 0)).caution
    assert result((9, 30, 0)).caution.endswith("by chance more often.")
    assert [result(images, **safe).caution for images in [(10, 1500, 0), (5, 5, 0)]] == ["", ""]


def test_verdicts_sum_to_one():
    verdicts = result().verdicts()
    assert verdicts.sum(axis=1).tolist() == [1, 1]
    assert verdicts.selective.tolist() == [0.5, 0]
    assert verdicts.without_numbers.tolist() == [0, 0.5]
    assert result(q_value=[NAN] * 4).verdicts().untested.tolist() == [1, 0.5]


def test_top_goes_by_si():
    assert result().top("early", 1).index.tolist() == [("early", 0)]
    assert repr(result()) == "ClassSelectivity(planted, 4 units, 2 layers, median si 0.20)"
