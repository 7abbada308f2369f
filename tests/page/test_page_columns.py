"""Columns of several results side by side: names that are theirs alone, what is missing, what is a word."""

import base64

import numpy as np
import pandas as pd
import pytest
from planted_results import CLASSES, LAYERS, class_selectivity, index, recording, tuning, unit_impact

from neuroprobe.page.catalogue import entry, place, title
from neuroprobe.page.columns import class_names, columns
from neuroprobe.page.joining import Joined
from neuroprobe.results import KINDS, Tuning

CONV, FC = LAYERS


def by_id(*results):
    return {column["id"]: column for column in columns(Joined.of(results))}


def test_names_that_every_kind_has_are_told_apart_whichever_results_are_there():
    alone, joined = by_id(tuning()), by_id(tuning(), class_selectivity())
    assert {"gosi", "orientation.status"} <= set(alone) <= set(joined)
    assert "class_selectivity.status" in joined
    assert "status" not in joined


def test_a_unit_that_was_not_measured_has_no_number_and_no_word():
    made = by_id(tuning([CONV]), class_selectivity([CONV, FC]))
    np.testing.assert_array_equal(made["gosi"]["values"], [0, 0.25, np.nan, *[np.nan] * 5])
    assert made["tuned"]["values"].tolist() == [0, 0, -1, *[-1] * 5]
    assert made["tuned"]["categories"] == ["no", "yes"]
    assert made["orientation.status"]["values"].tolist() == [0, 0, 1, *[-1] * 5]


def test_results_of_one_kind_fill_one_column_each_its_own_layers():
    apart, together = by_id(tuning([CONV]), tuning([FC])), by_id(tuning())
    np.testing.assert_array_equal(apart["gosi"]["values"], together["gosi"]["values"])


def test_classes_go_by_name():
    made = by_id(class_selectivity(), unit_impact())
    assert made["preferred_class"]["categories"] == CLASSES
    assert made["preferred_class"]["values"].tolist() == [-1, 1, 2, 0, 1, 2, 0, 1]
    assert made["worst_class"]["values"].tolist() == [1] * 8


def test_classes_without_names_go_by_number():
    assert class_names({}, 3) == ["0", "1", "2"]
    assert class_names({"classes": ["a"]}, 3) == ["a", "1", "2"]


def test_every_column_that_results_have_is_in_the_catalogue_with_a_meaning():
    for kind, names in {
        "orientation": ["gosi", "bandwidth", "fit_r2", "q_value"],
        "class_selectivity": ["si", "d_prime", "auroc", "status"],
        "unit_impact": ["delta_loss", "class_correlation", "estimated"],
        "shift_invariance": ["pearson"],
        "importance": ["conductance", "deeplift"],
        "recording": list(recording().units),
    }.items():
        for name in names:
            assert entry(kind, name).meaning != entry(kind, "no_such_column").meaning
        assert kind in KINDS
        assert title(kind)


def test_an_index_of_a_users_own_goes_by_its_name_and_comes_last():
    table = tuning().units.assign(**{"<b>my index</b>": np.arange(8.0)})
    made = by_id(Tuning(table, tuning().curves, tuning().meta))["<b>my index</b>"]
    assert (made["label"], made["type"], made["shown"]) == ("<b>my index</b>", "number", True)
    assert place("of_my_own") > place("recording")
    assert title("of_my_own") == "Of my own"


@pytest.mark.parametrize("values", [np.full(8, np.nan), np.arange(8), pd.array([1, None] * 4, dtype="Int64")])
def test_numbers_stay_numbers_even_where_all_are_missing(values):
    table = tuning().units.assign(other=values)
    made = by_id(Tuning(table, tuning().curves, tuning().meta))["other"]
    assert (made["type"], made["values"].dtype) == ("number", np.float32)


def test_what_is_written_is_small():
    made = by_id(tuning())["gosi"]["values"]
    assert len(base64.b64encode(made.tobytes())) <= 4 / 3 * 4 * len(index()) + 4
