"""Partial rank correlation: against the residuals of ranks, and where there is none."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from neuroprobe.analysis.rank_correlation import partial_spearman


def columns(*values, layers=("a",)):
    units = len(values[0]) // len(layers)
    index = pd.MultiIndex.from_product([layers, range(units)], names=["layer", "unit"])
    return [pd.Series(np.asarray(column, dtype=float), index) for column in values]


def test_it_is_the_correlation_of_what_ranks_leave_over():
    rng = np.random.default_rng(0)
    held = rng.random(60)
    score, effect = held + rng.random(60), 2 * held + rng.random(60)
    ranks = np.array([rankdata(column) for column in (score, effect, held)])
    rest = [ranks[i] - np.polyval(np.polyfit(ranks[2], ranks[i], 1), ranks[2]) for i in (0, 1)]
    (rho, pooled) = partial_spearman(*columns(score, effect, held))
    assert rho == pooled == pytest.approx(np.corrcoef(rest)[0, 1])


def test_layers_are_apart_and_pooled_in_order_of_execution():
    x = np.arange(8.0)
    held = np.tile([1.0, 3, 2, 4], 2)
    rho = partial_spearman(*columns(x, np.r_[x[:4], -x[4:]], held, layers=("z", "a")))
    assert rho.index.tolist() == ["z", "a", "all"]
    assert rho[["z", "a"]].tolist() == pytest.approx([1, -1])


@pytest.mark.parametrize(
    ("score", "effect"),
    [
        ([1, 2, 3, 4, 5], [5, 1, 4, 2, 3]),
        ([7, 7, 7, 7, 7], [5, 1, 4, 2, 3]),
        ([1, np.nan, np.nan, 4, 5], [1, 2, 3, 4, 5]),
    ],
)
def test_where_nothing_is_left_over_there_is_no_number(score, effect):
    assert partial_spearman(*columns(score, effect, [10, 20, 30, 40, 50])).isna().all()
