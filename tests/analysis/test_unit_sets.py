"""Sets of units: sizes, nesting, ties, and what a matched set has in common with the top one."""

import numpy as np
import pytest

from neuroprobe.analysis.unit_sets import activity_strata, checked_fractions, rankings, set_sizes

SCORES = np.random.default_rng(0).random(40).round(1)  # many ties


@pytest.mark.parametrize("order", ["top", "bottom", "random", "matched"])
def test_an_order_holds_every_unit_once(order):
    ranks = rankings(order, SCORES, repeats=6, strata=np.arange(40) // 5)
    assert len(ranks) == (6 if order in ("random", "matched") else 1)
    assert (np.sort(ranks, axis=1) == np.arange(40)).all()


def test_top_falls_and_bottom_is_its_reverse():
    (top,), (bottom,) = rankings("top", SCORES), rankings("bottom", SCORES)
    assert (np.diff(SCORES[top]) <= 0).all()
    assert not set(top[:20]) & set(bottom[:20])


def test_ties_are_shuffled_by_the_seed():
    flat = np.zeros(40)
    one, same, other = (rankings("top", flat, seed=(seed,))[0].tolist() for seed in (1, 1, 2))
    assert one == same != other
    assert one != sorted(one)


@pytest.mark.parametrize("order", ["random", "matched"])
def test_a_repeat_is_the_same_however_many_there_are(order):
    few, many = (rankings(order, SCORES, repeats=n, strata=np.arange(40) // 5) for n in (3, 30))
    assert (many[:3] == few).all()
    assert len(np.unique(many, axis=0)) == 30


def test_a_matched_set_has_as_many_units_of_a_stratum_as_the_top_set():
    strata = np.random.default_rng(1).permutation(np.arange(40) // 5)
    (top,), matched = rankings("top", SCORES), rankings("matched", SCORES, strata=strata, repeats=50)
    assert (strata[matched] == strata[top]).all()
    assert (matched != top).any()


def test_matched_sets_keep_the_mean_activity_where_random_sets_lose_it():
    activity = np.random.default_rng(2).gamma(1, 1, 100)
    scores = activity + 0.1 * np.random.default_rng(3).random(100)  # the top set is the active one
    strata = activity_strata(activity, ["a"] * 100)
    (top,) = rankings("top", scores)
    means = {
        order: activity[rankings(order, scores, strata=strata, repeats=50)[:, :20]].mean(axis=1)
        for order in ("random", "matched")
    }
    assert means["matched"] == pytest.approx(activity[top[:20]].mean(), rel=0.05)
    assert means["random"].mean() < 0.7 * activity[top[:20]].mean()


def test_strata_stay_within_a_layer():
    layers = np.array(["b"] * 7 + ["a"] * 12 + ["c"] * 2)
    strata = activity_strata(np.random.default_rng(0).random(21), layers)
    assert all(len(set(layers[strata == stratum])) == 1 for stratum in strata)
    assert sorted(np.bincount(strata).tolist()) == [2, 6, 6, 7]


@pytest.mark.parametrize(
    ("fraction", "units", "size"),
    [(0, 9, 0), (1, 9, 9), (0.5, 9, 4), (0.5, 8, 4), (0.3, 5, 1), (0.7, 5, 3), (0.1, 16, 2), (0.01, 16, 0), (1, 1, 1)],
)
def test_sizes_by_hand(fraction, units, size):
    assert set_sizes([fraction], units).tolist() == [size]


@pytest.mark.parametrize("units", range(1, 30))
def test_halves_never_overlap(units):
    (size,) = set_sizes([0.5], units)
    assert units - 1 <= 2 * size <= units


def test_fractions_are_a_count_or_a_sequence():
    assert checked_fractions(11).tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert checked_fractions((0.9, 0.25, 0.9)).tolist() == [0, 0.25, 0.9]


@pytest.mark.parametrize("wrong", [1, 0, -3, True, 0.5, [], [0], [1.1], [-0.1], [np.nan], [[0.5]], "half", None])
def test_other_fractions_are_an_error_that_says_what_came(wrong):
    with pytest.raises(ValueError, match="a count from 2, or a sequence of numbers") as error:
        checked_fractions(wrong)
    assert f"{wrong!r} came" in str(error.value)
