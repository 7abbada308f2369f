"""A user's scores: what is taken, in which order, and what is said of what cannot be."""

import numpy as np
import pandas as pd
import pytest

from neuroprobe.addresses import Layer, UnknownLayerError
from neuroprobe.analysis.scores import scored_units
from neuroprobe.calls import Call

FOUND = [
    Layer(name, "ReLU", Call(name, None, 0), (), (1, 3, 2, 2), 1, True) for name in ("relu1", "relu2", "act/relu:0")
]


def column(layers=("relu2", "relu1"), units=3, values=None, dtype=float):
    index = pd.MultiIndex.from_product([layers, range(units)], names=["layer", "unit"])
    return pd.Series(range(len(index)) if values is None else values, index, dtype=dtype, name="gosi")


def test_layers_come_in_order_of_execution_and_units_without_a_score_are_left_out():
    scored = scored_units(column(values=[3, np.nan, 5, 0, 1, 2]), FOUND, None)
    assert scored.index.tolist() == [("relu1", 0), ("relu1", 1), ("relu1", 2), ("relu2", 0), ("relu2", 2)]
    assert scored.tolist() == [0, 1, 2, 3, 5]


def test_wanted_layers_alone_are_looked_at():
    scores = column(("relu1", "elsewhere"))
    assert scored_units(scores, FOUND, ["relu1"]).index.unique("layer").tolist() == ["relu1"]
    assert scored_units(column(("relu1", "relu2", "act/relu:0")), FOUND, "relu*").index.unique("layer").size == 2


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([True, None, False], "boolean"), ([1, None, 0], "Int64"), ([1, np.nan, 0], "float32"), ([2, 0, 1], "int64")],
)
def test_numbers_of_any_kind_will_do(values, dtype):
    scored = scored_units(column(("relu1",), values=values, dtype=dtype), FOUND, None)
    assert scored.dtype == float
    assert len(scored) == pd.Series(values).notna().sum()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (column().to_frame(), "must be a column of a unit table .*; DataFrame came"),
        ([0.1, 0.2], "list came"),
        (column().reset_index(drop=True), r"an index of \[None\] came"),
        (column().map(str), "numbers indexed by layer and unit; (object|str) came"),
    ],
)
def test_what_is_no_column_of_a_unit_table_is_an_error(scores, message):
    with pytest.raises(TypeError, match=message):
        scored_units(scores, FOUND, None)


@pytest.mark.parametrize(
    ("scores", "wanted", "message"),
    [
        (pd.concat([column(), column()]), None, r"one number a unit; \('relu2', 0\) came twice"),
        (column(values=[0, 1, 2, 3, np.inf, 5]), None, r"\('relu1', 1\) is infinite"),
        (column(values=[np.nan] * 6), None, "all 6 are NaN"),
        (column(units=4), None, r"'relu2' has 3 units \(0 to 2\); scores have one for unit 3"),
        (column(), ["act/relu:0"], "no unit of layer 'act/relu:0' has a score; scores are of 'relu2', 'relu1'"),
        (column(values=[np.nan] * 3 + [0, 1, 2]), ["relu2"], "no unit of layer 'relu2' has a score"),
    ],
)
def test_wrong_scores_are_an_error_that_says_which(scores, wanted, message):
    with pytest.raises(ValueError, match=message):
        scored_units(scores, FOUND, wanted)


@pytest.mark.parametrize("wanted", [None, ["relu9"]])
def test_a_layer_that_is_not_there_is_an_error_with_the_nearest(wanted):
    with pytest.raises(UnknownLayerError, match="no layer 'relu9' in this network; nearest: relu"):
        scored_units(column(("relu9", "relu1")), FOUND, wanted)
