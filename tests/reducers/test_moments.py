from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from small_batches import CLASSES, IMAGES, batch, whole
from torch.testing import assert_close

from neuroprobe.reducers import ClassMoments, Moments, observed

# Against NumPy on the whole


def test_moments_are_those_of_numpy():
    state, (values, _) = Moments.of(batch(np.arange(IMAGES))), whole()
    for ours, theirs in [
        (state.mean, values.mean(0)),
        (state.variance, values.var(0, ddof=1)),
        (state.minimum, values.min(0)),
        (state.maximum, values.max(0)),
    ]:
        np.testing.assert_allclose(ours, theirs)
    assert state.count == IMAGES


def test_class_moments_are_those_of_numpy():
    state, (values, labels) = ClassMoments.of(batch(np.arange(IMAGES))), whole()
    assert state.count.tolist() == [(labels == label).sum() for label in range(CLASSES)]
    for label in (0, 1, 3):
        np.testing.assert_allclose(state.mean[label], values[labels == label].mean(0))
        np.testing.assert_allclose(state.variance[label], values[labels == label].var(0, ddof=1))


# By hand


def test_moments_by_hand():
    state = Moments.of(observed([[0.0], [2.0]])) + Moments.of(observed([[4.0]]))
    assert [float(x) for x in (state.count, state.mean, state.variance, state.minimum, state.maximum)] == [
        3,
        2,
        4,
        0,
        4,
    ]


def test_one_image_has_no_variance():
    state = Moments.of(observed([[7.0, 1.0]]))
    assert state.mean.tolist() == [7, 1]
    assert state.variance.isnan().all()


def test_a_large_offset_costs_no_precision():
    values = 1e6 + torch.tensor([[0.0], [1.0], [2.0]])  # float32; the square of 1e6 is beyond its digits
    state = reduce(add, [Moments.of(observed(value[None])) for value in values])
    assert state.variance.item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("reducer", [Moments.of, lambda seen: ClassMoments.of(observed(seen.responses, [0, 1]))])
def test_what_grows_is_float64(reducer):
    state = reducer(observed(torch.ones(2, 3)))
    assert (state.mean.dtype, state.sum_sq_dev.dtype) == (torch.float64, torch.float64)


def test_class_moments_by_hand():
    state = ClassMoments.of(observed([[1.0], [3.0], [5.0]], [2, 2, 0]))
    assert state.count.tolist() == [1, 0, 2]
    assert state.mean.tolist() == [[5], [0], [2]]
    assert_close(state.variance, torch.tensor([[torch.nan], [torch.nan], [2]]).double(), equal_nan=True)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_classes_first_seen_in_a_later_batch(order):
    parts = [ClassMoments.of(observed([[1.0], [3.0]], [0, 0])), ClassMoments.of(observed([[4.0]], [3]))]
    state = parts[order[0]] + parts[order[1]]
    assert state.count.tolist() == [2, 0, 0, 1]
    assert state.mean.tolist() == [[2], [0], [0], [4]]
    assert state.sum_sq_dev.tolist() == [[2], [0], [0], [0]]


def test_class_moments_want_labels():
    with pytest.raises(ValueError, match=r"class moments need labels: give data as \(images, labels\)"):
        ClassMoments.of(observed([[1.0]]))
