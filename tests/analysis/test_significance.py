import numpy as np
import pytest

from neuroprobe.analysis import significance
from neuroprobe.analysis.indices import gosi
from neuroprobe.analysis.significance import false_discovery, permutation_p

THETA = np.arange(0, 180, 30.0)


def by_a_loop(responses, pool, permutations, seed):
    """The null of METHODS 10.7, one unit, one permutation and one phase at a time."""
    places = significance._places(permutations, *responses.shape[1:], seed=seed)
    pooled = {"mean": np.mean, "max": np.max}[pool]
    p = []
    for unit in responses:
        observed, reached = gosi([pooled(unit, axis=1)], THETA)[0], 0
        for place in places:
            permuted = np.empty_like(unit)
            for phase in range(unit.shape[1]):
                permuted[place[:, phase], phase] = unit[:, phase]
            reached += gosi([pooled(permuted, axis=1)], THETA)[0] >= observed - 1e-9
        p.append((reached + 1) / (permutations + 1))
    return np.array(p)


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("offset", [0, -1], ids=["positive", "signed"])
def test_p_is_that_of_a_loop(pool, offset):
    responses = np.random.default_rng(0).exponential(size=(7, 6, 4)) + offset
    expected = by_a_loop(responses, pool, permutations=60, seed=3)
    np.testing.assert_allclose(permutation_p(responses, THETA, pool=pool, permutations=60, seed=3), expected)


def test_orientations_are_permuted_within_each_phase_apart():
    places = significance._places(50, 6, 4, seed=0)
    np.testing.assert_array_equal(np.sort(places, axis=1), np.broadcast_to(np.arange(6)[:, None], (50, 6, 4)))
    assert (places[:, :, 0] != places[:, :, 1]).any()
    assert not np.array_equal(places[0], places[1])


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_blocks_do_not_change_the_answer(pool, monkeypatch):
    responses = np.random.default_rng(1).exponential(size=(23, 6, 4))
    whole = permutation_p(responses, THETA, pool=pool, permutations=50)
    monkeypatch.setattr(significance, "_BLOCK_BYTES", 1)
    np.testing.assert_array_equal(permutation_p(responses, THETA, pool=pool, permutations=50), whole)
    one_by_one = [permutation_p(unit[None], THETA, pool=pool, permutations=50)[0] for unit in responses]
    np.testing.assert_array_equal(one_by_one, whole)


def test_the_seed_decides():
    responses = np.random.default_rng(1).exponential(size=(40, 6, 4))
    first, again, other = (
        permutation_p(responses, THETA, pool="mean", permutations=50, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_p_is_uniform_where_order_means_nothing(pool):
    responses = np.random.default_rng(2).exponential(size=(2000, 6, 4))
    p = permutation_p(responses, THETA, pool=pool, permutations=199)
    assert np.quantile(p, [0.05, 0.25, 0.5, 0.75, 0.95]) == pytest.approx([0.05, 0.25, 0.5, 0.75, 0.95], abs=0.04)


def test_a_tuned_unit_has_the_smallest_p():
    tuned = np.cos(np.deg2rad(THETA)) ** 2
    responses = np.stack([tuned] * 4, axis=1)[None]
    assert permutation_p(responses, THETA, pool="mean", permutations=99) == pytest.approx(0.01)


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("scale", [1e-9, 1, 1e9])
def test_ties_count_as_reached(pool, scale):
    flat = np.full((1, 6, 4), 0.1) * scale
    assert permutation_p(flat, THETA, pool=pool, permutations=50) == 1
    one_larger = np.full((1, 6, 1), 0.1) * scale
    one_larger[0, 2] *= 3  # as selective wherever it is put, but for rounding
    assert permutation_p(one_larger, THETA, pool=pool, permutations=50) == 1


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_units_that_cannot_be_tested_are_nan_and_alone(pool):
    responses = np.random.default_rng(3).exponential(size=(5, 6, 4))
    good = responses[4:]
    responses[0] = 0
    responses[1] = np.eye(6, 4) * [[1], [1], [0], [0], [0], [0]]  # two responses
    responses[2, 0, 0] = np.nan
    responses[3] = np.eye(6, 4) * [[1], [1], [1], [0], [0], [0]]  # three
    p = permutation_p(responses, THETA, pool=pool, permutations=50)
    np.testing.assert_array_equal(np.isnan(p), [True, True, True, False, False])
    assert p[4] == permutation_p(good, THETA, pool=pool, permutations=50)[0]


def test_without_permutations_there_is_no_p():
    assert np.isnan(permutation_p(np.ones((2, 6, 4)), THETA, pool="mean", permutations=0)).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pool": "median"}, "pool is 'mean' or 'max'; 'median' came"),
        ({"permutations": -1}, "permutations must be 0 or more; -1 came"),
    ],
)
def test_wrong_arguments_are_refused_by_their_value(given, message):
    with pytest.raises(ValueError, match=message):
        permutation_p(np.ones((2, 6, 4)), THETA, **{"pool": "mean"} | given)


def test_q_by_hand():
    # sorted .01 .02 .03 .5, four of them: p x 4 / rank = .04 .04 .04 .5
    q = false_discovery([0.5, 0.03, np.nan, 0.01, 0.02])
    np.testing.assert_allclose(q, [0.5, 0.04, np.nan, 0.04, 0.04])


def test_q_of_nothing_is_nothing():
    assert np.isnan(false_discovery([np.nan, np.nan])).all()
    assert false_discovery([]).size == 0
