import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from neuroprobe.analysis.rank_agreement import rank_agreement


@pytest.fixture
def index():
    return pd.MultiIndex.from_product([["b", "a"], range(6)], names=["layer", "unit"])


@pytest.fixture
def scores(index):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"one": rng.normal(size=12).round(1), "other": rng.normal(size=12)}, index)


@pytest.fixture
def impact(index):
    return pd.DataFrame({"delta_loss": np.random.default_rng(1).normal(size=12), "delta_accuracy": 0.0}, index)


def test_it_is_spearmans_of_each_layer_and_of_all(scores, impact):
    table = rank_agreement(scores, impact)
    assert table.index.tolist() == [(layer, method) for layer in ("b", "a", "all") for method in ("one", "other")]
    for (layer, method), row in table.iterrows():
        chosen = slice(None) if layer == "all" else scores.index.get_level_values("layer") == layer
        expected = spearmanr(scores[method][chosen], impact.delta_loss[chosen]).statistic
        assert row.spearman == pytest.approx(expected)
    assert table.units.tolist() == [6, 6, 6, 6, 12, 12]


def test_the_order_of_the_rows_does_not_matter(scores, impact):
    pd.testing.assert_frame_equal(rank_agreement(scores, impact[::-1]), rank_agreement(scores, impact))


def test_units_of_one_table_are_left_out(scores, impact):
    table = rank_agreement(scores, impact.drop(index=[("a", 0), ("b", 3)]))
    assert table.units.tolist() == [5, 5, 5, 5, 10, 10]


def test_a_constant_has_no_rank(scores, impact):
    assert rank_agreement(scores, impact, "delta_accuracy").spearman.isna().all()


def test_wrong_tables(scores, impact):
    with pytest.raises(ValueError, match="no column of effects 'delta_los'; the nearest are 'delta_loss'"):
        rank_agreement(scores, impact, "delta_los")
    other = impact.rename(index={"a": "c", "b": "d"})
    with pytest.raises(ValueError, match=r"scores begin with \('b', 0\), impact with \('d', 0\)"):
        rank_agreement(scores, other)
