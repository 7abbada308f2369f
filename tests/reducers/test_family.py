"""The contract that every reducer keeps."""

from functools import partial, reduce
from operator import add

import numpy as np
import pytest
from small_batches import IMAGES, assert_same, batch, fields
from torch.testing import assert_close

from neuroprobe.reducers import ClassMoments, CoMoments, Covariance, Landmarks, Moments, Quantiles, TopImages


def total(seen):
    """Reduce in a way of one's own: anything with + will do."""
    return seen.responses.double().sum(0)


REDUCERS = {
    "moments": Moments.of,
    "class_moments": ClassMoments.of,
    "top_images": partial(TopImages.of, k=4),
    "all images": partial(TopImages.of, k=99),
    "co_moments": lambda seen: CoMoments.of(seen.responses, seen.maps.flatten(2)[..., 0]),
    "quantiles": Quantiles.of,
    "covariance": Covariance.of,
    "covariance of some": partial(Covariance.of, units=[2, 0]),
    "landmarks": Landmarks.of,
    "own": total,
}
family = pytest.mark.parametrize("reducer", REDUCERS.values(), ids=REDUCERS)


@family
@pytest.mark.parametrize("sizes", [(5, 7), (1,) * IMAGES, (3, 4, 5)])
def test_batching_does_not_change_the_answer(reducer, sizes):
    cut = np.split(np.arange(IMAGES), np.cumsum(sizes)[:-1])
    assert_same(reduce(add, [reducer(batch(numbers)) for numbers in cut]), reducer(batch(np.arange(IMAGES))))


@family
def test_order_does_not_change_the_answer(reducer):
    mixed = np.random.default_rng(1).permutation(IMAGES)
    parts = [reducer(batch(numbers)) for numbers in np.split(mixed, [2, 3, 9])]
    assert_same(reduce(add, parts), reducer(batch(np.arange(IMAGES))))


@family
def test_the_merge_law_is_associative_and_commutative(reducer):
    a, b, c = (reducer(batch(numbers)) for numbers in np.split(np.arange(IMAGES), [4, 5]))
    assert_same((a + b) + c, a + (b + c))
    assert_same(a + b, b + a)


@family
def test_adding_changes_neither_side(reducer):
    a, b = reducer(batch(np.arange(4))), reducer(batch(np.arange(4, 12)))
    before = [field.clone() for field in (*fields(a), *fields(b))]
    a + b
    assert_close([*fields(a), *fields(b)], before, rtol=0, atol=0)


@family
def test_what_was_observed_may_be_overwritten_later(reducer):
    seen = batch(np.arange(IMAGES))
    expected, state = reducer(batch(np.arange(IMAGES))), reducer(seen)
    seen.maps.fill_(-1)
    assert_same(state, expected)
