"""What cards show: curves, best stimuli, profiles, shifts, top images with their places."""

import numpy as np
import pytest
import torch
import xarray as xr
from planted_results import (
    CLASSES,
    LAYERS,
    STIMULI,
    class_selectivity,
    meta,
    recording,
    shift_invariance,
    tuning,
    unit_impact,
)

from neuroprobe.analysis.receptive_fields import ReceptiveFields
from neuroprobe.page.details import best_stimuli, layer_details
from neuroprobe.page.encoding import LEVELS
from neuroprobe.page.insight import Insight
from neuroprobe.page.joining import Joined
from neuroprobe.page.previews import image_previews, tuning_previews
from neuroprobe.reducers import Moments, TopImages, observed
from neuroprobe.results import Recording
from neuroprobe.stimuli import bars

CONV, FC = LAYERS


def details(layer, *results, insight=None):
    return layer_details(Joined.of(results), layer, insight or Insight())


def test_only_what_was_measured_is_there():
    assert set(details(CONV, tuning())) == {"tuning"}
    assert set(details(CONV, tuning([FC]), class_selectivity())) == {"classes"}
    all_parts = details(CONV, tuning(), class_selectivity(), unit_impact(), shift_invariance(), recording())
    assert set(all_parts) == {"tuning", "classes", "impact", "shifts", "images"}


def test_the_curve_is_the_preferred_row_of_the_plane():
    made = details(FC, tuning())["tuning"]
    plane = made["plane"]
    values = plane["low"][:, None, None] + plane["levels"] / LEVELS * (plane["high"] - plane["low"])[:, None, None]
    assert made["preferred"].tolist() == [0, 1, 0, 1, 0]
    np.testing.assert_allclose(values[range(5), made["preferred"]], made["curve"], atol=1e-3)
    assert (made["row"], made["pooled"]) == ("frequency", "mean over phase")
    assert made["axes"]["orientation"] == [0, 45, 90, 135]


def test_the_best_stimulus_is_the_planted_one_at_its_best_phase():
    numbers, responses = best_stimuli(tuning().curves[FC])
    shown = STIMULI.parameters.iloc[numbers[:4, 0]]
    assert shown.orientation.tolist() == [0, 45, 90, 135]
    assert shown.frequency.tolist() == [0.1, 0.2, 0.1, 0.2]
    assert set(shown.phase) == {180}
    assert responses[:4, 0].tolist() == [2, 3, 4, 5]


def test_no_two_best_stimuli_differ_in_what_is_pooled_alone():
    set_of_bars = bars(32, orientations=4, widths=[2, 4], positions=3)
    axes = set_of_bars.axes
    responses = np.random.default_rng(0).random((2, *set_of_bars.shape))
    cube = xr.DataArray(responses, {"unit": [0, 1], **axes}, ("unit", *axes))
    numbers, values = best_stimuli(cube, set_of_bars.pooled)
    rows = set_of_bars.parameters.iloc[numbers[0]]
    assert not rows[["orientation", "width", "length"]].duplicated().any()
    np.testing.assert_array_equal(values[0], responses[0].reshape(-1)[numbers[0]])
    assert values[0, 0] == responses[0].max()


def test_a_few_classes_are_all_there_and_of_many_the_strongest():
    few = details(FC, class_selectivity())["classes"]
    assert few["classes"] == CLASSES
    np.testing.assert_array_equal(few["values"], np.arange(15).reshape(5, 3))
    names = [f"class {i}" for i in range(500)]
    many = details(FC, class_selectivity(classes=names))["classes"]
    assert many["strongest"].shape == (5, 40)
    assert many["strongest"][0, 0] == 499
    assert many["values"][0, 0] == 499


def test_of_many_classes_those_that_lose_most_show_impact():
    impact = unit_impact()
    curves = {layer: -class_selectivity(classes=list(range(500))).curves[layer] for layer in LAYERS}
    made = details(FC, type(impact)(impact.units, curves, impact.meta))["impact"]
    assert made["strongest"][0, 0] == 499
    assert made["values"][0, 0] == -499


def test_shifts_are_laid_out_by_axis_then_shift():
    made = details(CONV, shift_invariance())["shifts"]
    assert made["axes"] == {"axis": ["x", "y"], "shift": [-1, 1]}
    assert made["values"].shape == (3, 2, 2)


def test_top_images_bring_their_places_where_a_map_has_any():
    made = details(CONV, recording())["images"]
    assert made["numbers"].tolist() == [[0, 1], [1, 2], [2, 3]]
    assert made["places"][2].tolist() == [[1, 2], [1, 2]]
    assert made["grid"] == [8, 8]
    assert "places" not in details(FC, recording())["images"]


def test_receptive_fields_come_along_where_the_network_tells_them():
    insight = Insight(fields={CONV: ReceptiveFields.shares((8, 8), (16, 16))})
    fields = details(CONV, recording(), insight=insight)["images"]["fields"]
    assert fields["rows"] == {"first_end": 2, "last_start": 14, "places": 8, "pixels": 16, "stride": 2}
    assert details(CONV, recording())["images"]["fields"] is None


def test_a_token_is_a_patch_of_a_square():
    top = TopImages(1, torch.ones(3, 1), torch.zeros(3, 1).long(), torch.tensor([[[0]], [[7]], [[15]]]))
    said = meta([CONV]) | {"layers": {CONV: {"kind": "GELU", "shape": [1, 17, 3]}}}  # a class token and 4 x 4 patches
    units = recording().units.loc[[CONV]]
    made = details(CONV, Recording(units, {}, said, reduced={"top": {CONV: top}}))["images"]
    assert made["grid"] == [4, 4]
    assert made["places"].reshape(3, 2).tolist() == [[0, 0], [1, 3], [3, 3]]


def test_all_responses_give_top_images_too_and_other_statistics_none():
    units, said = recording().units.loc[[CONV]], meta([CONV])
    responses = xr.DataArray(np.eye(3, dtype=np.float32), dims=("image", "unit"))
    made = details(CONV, Recording(units, {CONV: responses}, said))["images"]
    assert made["numbers"][:, 0].tolist() == [0, 1, 2]
    moments = {"moments": {CONV: Moments.of(observed(torch.eye(3)))}}
    assert "images" not in details(CONV, Recording(units, {}, said, reduced=moments))


def test_filters_are_shown_where_units_are_theirs():
    filters = np.zeros((3, 2, 2, 3), np.float32)
    assert details(CONV, tuning(), insight=Insight(filters={CONV: filters}))["filters"] is filters
    assert "filters" not in details(FC, tuning(), insight=Insight(filters={CONV: filters}))


def previews(*results):
    joined = Joined.of(results)
    return {layer: layer_details(joined, layer, Insight()) for layer in joined.layers}, joined.layers


def test_a_row_shows_a_curve_from_zero_to_its_peak_and_none_for_a_silent_unit():
    made = tuning_previews(*previews(tuning([FC]), class_selectivity()))
    assert made.shape == (8, 4)
    assert (made[:3] == 255).all()  # not measured
    assert (made[7] == 255).all()  # silent
    assert made[3:7].max(axis=1).tolist() == [254] * 4
    assert made[3].argmax() == 0
    assert tuning_previews(*previews(class_selectivity())) is None


@pytest.mark.parametrize(
    ("written", "expected"), [({0, 1, 2, 3, 4}, [0, 1, 2, 0, 1, 2, 3, 4]), ({1}, [-1, 1, -1, -1, 1, -1, -1, -1])]
)
def test_a_row_shows_the_first_image_where_it_was_written(written, expected):
    assert image_previews(*previews(recording()), written).tolist() == expected


def test_a_unit_that_no_image_drives_shows_none():
    made, layers = previews(recording())
    made[CONV]["images"]["responses"][1] = 0
    assert image_previews(made, layers, range(6)).tolist()[:3] == [0, -1, 2]
    assert image_previews(made, layers, {}) is None
