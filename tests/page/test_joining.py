"""Which results go together, and in which order their layers and kinds come."""

import json

import pytest
from planted_results import LAYERS, UNITS, class_selectivity, recording, shift_invariance, tuning, unit_impact

import neuroprobe
from neuroprobe.page.joining import Joined, grid_of
from neuroprobe.results import Ablation

CONV, FC = LAYERS


def test_one_result_and_many_are_joined_from_memory_and_from_disk(tmp_path):
    assert Joined.of(tuning()).layers == UNITS
    saved = class_selectivity().save(tmp_path / "classes.zarr")
    joined = Joined.of([tuning(), saved, str(unit_impact().save(tmp_path / "impact.zarr"))])
    assert [result.kind for result in joined.results] == ["orientation", "class_selectivity", "unit_impact"]


def test_kinds_come_in_the_order_of_the_page_whatever_order_they_are_given_in():
    kinds = ["orientation", "class_selectivity", "unit_impact", "shift_invariance", "recording"]
    results = [recording(), shift_invariance(), unit_impact(), class_selectivity(), tuning()]
    assert list(Joined.of(results).kinds) == kinds


def test_layers_are_those_of_any_result_each_ahead_of_what_it_runs_before():
    assert list(Joined.of([tuning([FC]), class_selectivity([CONV, FC])]).layers) == [CONV, FC]
    assert list(Joined.of([tuning([FC]), class_selectivity([CONV])]).layers) == [
        FC,
        CONV,
    ]  # nothing tells which is first


def test_the_network_tells_the_order_that_results_do_not():
    joined = Joined.of([tuning([FC]), class_selectivity([CONV])])
    assert list(joined.ordered(["x", CONV, "y", FC]).layers) == [CONV, FC]
    assert list(joined.ordered([]).layers) == [FC, CONV]


def test_results_of_one_kind_are_joined_where_they_are_of_different_layers():
    assert Joined.of([tuning([CONV]), tuning([FC])]).layers == UNITS
    with pytest.raises(ValueError, match=r"two orientation results both have gosi, .* of layer 'fc.relu'"):
        Joined.of([tuning(), tuning([FC])])


def test_the_grid_of_places_is_what_counts_neither_images_nor_units():
    assert (grid_of(tuning(), CONV), grid_of(tuning(), FC)) == ((8, 8), ())


def test_results_of_different_networks_are_an_error_that_names_both():
    with pytest.raises(
        ValueError, match=rf"planted \(orientation\) has weights {'a' * 32}; other \(class_sel.* {'b' * 32}"
    ):
        Joined.of([tuning(), class_selectivity(weights="b" * 32, model="other")])


def test_another_network_than_that_of_the_results_is_an_error():
    with pytest.raises(
        ValueError, match=rf"results are of planted with weights {'a' * 32}, and model is cnn7 with weights"
    ):
        Joined.of(tuning()).refuse_another(neuroprobe.load_network("cnn7"))


def test_what_has_no_units_or_no_digest_is_an_error():
    with pytest.raises(TypeError, match="row a unit; dict came"):
        Joined.of([{}])
    without = Ablation.__new__(Ablation)
    with pytest.raises(TypeError, match="row a unit; Ablation came"):
        Joined.of(without)
    with pytest.raises(ValueError, match="does not say which weights"):
        Joined.of(neuroprobe.results.Tuning(tuning().units, tuning().curves, {"model": "planted"}))


def test_no_result_at_all_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        Joined.of([])


def test_results_that_disagree_on_the_units_of_a_layer_are_an_error():
    classes = class_selectivity()
    fewer = type(classes)(classes.units.drop(index=(FC, 4)), classes.curves, classes.meta)
    with pytest.raises(
        ValueError, match=r"how many units layer 'fc.relu' has: 5 \(orientation\), 4 \(class_selectivity\)"
    ):
        Joined.of([tuning(), fewer])


def test_a_result_of_a_newer_version_is_an_error_that_says_so(tmp_path):
    place = tuning().save(tmp_path / "tuning.zarr")
    marks = json.loads((place / "zarr.json").read_text())
    marks["attributes"]["neuroprobe_format"] = 99
    (place / "zarr.json").write_text(json.dumps(marks))
    with pytest.raises(ValueError, match=r"has format 99, .* install a newer neuroprobe"):
        neuroprobe.atlas([tuning(), place], tmp_path / "atlas")
    assert not (tmp_path / "atlas").exists()
