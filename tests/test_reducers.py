from functools import partial, reduce
from operator import add

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from neuroprobe.reducers import ClassMoments, CoMoments, Moments, Observed, TopImages, named_reducers, observed

IMAGES, UNITS, CLASSES, GRID = 12, 3, 4, (2, 5)


def batch(numbers):
    """Observe some of twelve images: whole numbers from 0 to 3, so with ties, and labels without class 2."""
    random = np.random.default_rng(0)
    maps = torch.from_numpy(random.integers(0, 4, (IMAGES, UNITS, *GRID)).astype(np.float32))[numbers]
    labels = torch.from_numpy(random.choice([0, 1, 3], IMAGES))[numbers]
    return Observed(maps.amax((2, 3)), maps, torch.as_tensor(numbers), labels)


def total(seen):
    """Reduce in a way of one's own: anything with + will do."""
    return seen.responses.double().sum(0)


REDUCERS = {
    "moments": Moments.of,
    "class_moments": ClassMoments.of,
    "top_images": partial(TopImages.of, k=4),
    "all images": partial(TopImages.of, k=99),
    "co_moments": lambda seen: CoMoments.of(seen.responses, seen.maps.flatten(2)[..., 0]),
    "own": total,
}
family = pytest.mark.parametrize("reducer", REDUCERS.values(), ids=REDUCERS)


def fields(state):
    return [state] if isinstance(state, torch.Tensor) else [torch.as_tensor(value) for value in vars(state).values()]


def assert_same(left, right):
    for a, b in zip(fields(left), fields(right), strict=True):
        assert_close(a, b)


# The contract of the family


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


# Against NumPy on the whole


@pytest.fixture
def whole():
    seen = batch(np.arange(IMAGES))
    return seen.responses.double().numpy(), seen.labels.numpy()


def test_moments_are_those_of_numpy(whole):
    state, (values, _) = Moments.of(batch(np.arange(IMAGES))), whole
    for ours, theirs in [
        (state.mean, values.mean(0)),
        (state.variance, values.var(0, ddof=1)),
        (state.minimum, values.min(0)),
        (state.maximum, values.max(0)),
    ]:
        np.testing.assert_allclose(ours, theirs)
    assert state.count == IMAGES


def test_pearson_is_that_of_numpy():
    one, other = np.random.default_rng(0).random((2, IMAGES, UNITS))
    expected = [np.corrcoef(one[:, unit], other[:, unit])[0, 1] for unit in range(UNITS)]
    np.testing.assert_allclose(CoMoments.of(*map(torch.from_numpy, (one, other))).pearson, expected)


def test_pearson_stands_a_large_offset_in_batches_and_scale():
    one, other = torch.from_numpy(np.random.default_rng(0).random((2, IMAGES, UNITS)))
    plain = CoMoments.of(one, other).pearson
    far = [CoMoments.of(1e4 + a, 1e-9 * b) for a, b in zip(one.split(5), other.split(5), strict=True)]
    assert_close(reduce(add, far).pearson, plain)
    assert_close(CoMoments.of(one, -3 * one).pearson, -torch.ones(UNITS).double())


def test_a_constant_response_has_no_pearson():
    varied = torch.arange(6.0)[:, None]
    for value in (0.0, 1e-30, 0.1, 3e8):
        constant = torch.full((6, 1), value)
        constant[2] *= 1 + 1e-7  # rounding
        state = CoMoments.of(constant, varied)
        assert state.pearson.isnan().all()
        assert state.constant.tolist() == [[True], [False]]


def test_class_moments_are_those_of_numpy(whole):
    state, (values, labels) = ClassMoments.of(batch(np.arange(IMAGES))), whole
    assert state.count.tolist() == [(labels == label).sum() for label in range(CLASSES)]
    for label in (0, 1, 3):
        np.testing.assert_allclose(state.mean[label], values[labels == label].mean(0))
        np.testing.assert_allclose(state.variance[label], values[labels == label].var(0, ddof=1))


def test_top_images_are_those_of_numpy(whole):
    state, (values, _) = TopImages.of(batch(np.arange(IMAGES)), k=4), whole
    order = np.argsort(-values, axis=0, kind="stable")[:4].T
    np.testing.assert_array_equal(state.images, order)
    np.testing.assert_array_equal(state.values, np.take_along_axis(values.T, order, axis=1))


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


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 4, 1, 0, 3)])
def test_ties_go_to_the_lowest_image(order):
    values = torch.tensor([1.0, 2.0, 2.0, 2.0, 0.0])
    singles = [Observed(values[[i], None], values[[i], None], torch.tensor([i]), None) for i in order]
    state = reduce(add, [TopImages.of(seen, k=3) for seen in singles])
    assert state.images.tolist() == [[1, 2, 3]]


def test_the_place_of_the_maximum():
    maps = torch.zeros(2, 1, 3, 4)
    maps[0, 0, 2, 1] = 1
    maps[1, 0, 0, 3] = maps[1, 0, 1, 0] = 5  # the first of equal places
    state = TopImages.of(Observed(maps.mean((2, 3)), maps, torch.tensor([10, 11]), None))
    assert state.images.tolist() == [[11, 10]]
    assert state.places.tolist() == [[[0, 3], [2, 1]]]


def test_the_place_does_not_depend_on_the_memory_format():
    seen = batch(np.arange(IMAGES))
    last = Observed(seen.responses, seen.maps.to(memory_format=torch.channels_last), seen.images, None)
    assert torch.equal(last.places, seen.places)


def test_linear_layers_have_no_places():
    state = TopImages.of(observed([[1.0, 2.0]]))
    assert state.places.shape == (2, 1, 0)


def test_fewer_images_than_the_top_asks_for():
    assert TopImages.of(observed([[1.0], [3.0]]), k=9).values.tolist() == [[3, 1]]


@pytest.mark.parametrize("k", [0, -1])
def test_the_top_of_no_images_is_an_error(k):
    with pytest.raises(ValueError, match=f"at least 1; {k} came"):
        TopImages.of(observed([[1.0]]), k=k)


def test_tops_of_different_length_do_not_add_up():
    with pytest.raises(ValueError, match="the top 2 and the top 3 images do not add up"):
        TopImages.of(observed([[1.0]]), k=2) + TopImages.of(observed([[1.0]]), k=3)


# By name


@pytest.mark.parametrize("given", ["moments", ["moments"], {"moments": "moments"}, {"moments": Moments}])
def test_ways_to_name_a_reducer(given):
    assert named_reducers(given) == {"moments": Moments.of}


def test_an_unknown_reducer_lists_the_known():
    with pytest.raises(ValueError, match=r"\['median'\]; by name there are moments, class_moments, top_images"):
        named_reducers(["moments", "median"])


@pytest.mark.parametrize("reducer", [3, "median"])
def test_a_reducer_that_is_no_function(reducer):
    with pytest.raises(TypeError, match=f"reducer 'mine' must be a function .*; {reducer!r} came"):
        named_reducers({"mine": reducer})
