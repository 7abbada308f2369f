from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from neuroprobe.analysis.class_halves import ClassTally, Halves, Labelling
from neuroprobe.data import Batch
from neuroprobe.reducers import ClassMoments, observed


def batches(labels, size):
    labels = torch.as_tensor(labels)
    for first, part in enumerate(labels.split(size)):
        yield Batch(torch.zeros(len(part), 1, 1, 1), part, first * size + torch.arange(len(part)))


@pytest.mark.parametrize("size", [1, 3, 100])
def test_each_class_alternates_between_the_halves(size):
    labelling = Labelling()
    labels = [0, 0, 3, 0, 3, 3, 1]
    groups = torch.cat([labelling.with_halves(batch).labels for batch in batches(labels, size)])
    assert (groups // 2).tolist() == labels
    assert (groups % 2).tolist() == [0, 1, 0, 0, 1, 0, 0]
    assert labelling.labels.tolist() == labels


def test_classes_that_alternate_are_in_both_halves():
    labelling = Labelling()
    groups = torch.cat([labelling.with_halves(batch).labels for batch in batches(np.arange(40) % 2, 7)])
    assert torch.bincount(groups).tolist() == [10, 10, 10, 10]


def test_labels_are_asked_for():
    with pytest.raises(ValueError, match=r"class selectivity needs labels: give data as \(images, labels\)"):
        Labelling().with_halves(Batch(torch.zeros(1, 1, 1, 1), None, torch.arange(1)))


@pytest.fixture
def seen():
    random = np.random.default_rng(0)
    labels = random.integers(0, 9, 60)
    labels[:20] %= 2  # the higher classes come later
    return torch.from_numpy(random.exponential(size=(60, 4)).astype(np.float32)), torch.from_numpy(labels)


@pytest.mark.parametrize("size", [1, 7, 60])
def test_the_tally_is_the_sum_of_the_batches(seen, size):
    responses, labels = seen
    parts = [observed(r, lab) for r, lab in zip(responses.split(size), labels.split(size), strict=True)]
    tally = ClassTally()
    for part in parts:
        tally(part)
    wanted = reduce(add, map(ClassMoments.of, parts))
    for name in ("count", "mean", "sum_sq_dev"):
        assert_close(getattr(tally.state, name), getattr(wanted, name))


def test_an_empty_tally_has_no_state():
    with pytest.raises(ValueError, match="no batch"):
        _ = ClassTally().state


def test_the_halves_add_up_to_the_whole(seen):
    responses, labels = seen
    tally, labelling = ClassTally(), Labelling()
    batch = labelling.with_halves(Batch(torch.zeros(60, 1, 1, 1), labels, torch.arange(60)))
    tally(observed(responses, batch.labels))
    halves, whole = Halves.of(tally.state), ClassMoments.of(observed(responses, labels))
    np.testing.assert_allclose(halves.means, whole.mean)
    np.testing.assert_allclose(halves.variances, whole.variance)
    np.testing.assert_array_equal(halves.images, whole.count)
    assert (halves.even.count - halves.odd.count).abs().max() <= 1


def test_absent_classes_are_left_out_and_single_images_of_the_halves():
    tally, labelling = ClassTally(), Labelling()
    batch = labelling.with_halves(Batch(torch.zeros(5, 1, 1, 1), torch.tensor([1, 1, 4, 4, 6]), torch.arange(5)))
    tally(observed(torch.arange(5.0)[:, None], batch.labels))
    halves = Halves.of(tally.state)
    assert halves.present.tolist() == [1, 4, 6]
    assert halves.images.tolist() == [0, 2, 0, 0, 2, 0, 1]
    even, odd = halves.apart()
    assert (even.ravel().tolist(), odd.ravel().tolist()) == ([0, 2], [1, 3])


@pytest.mark.parametrize("cuts", [(20, 40), (7, 1, 52), (1,) * 60])
def test_halves_of_images_that_follow_one_another_add_up(seen, cuts):
    responses, labels = seen

    def halves(part, of_labels):
        tally = ClassTally()
        batch = Labelling().with_halves(Batch(torch.zeros(len(part), 1, 1, 1), of_labels, torch.arange(len(part))))
        tally(observed(part, batch.labels))
        return Halves.of(tally.state)

    both = reduce(add, map(halves, responses.split(cuts), labels.split(cuts)))
    whole = halves(responses, labels)
    for half in ("even", "odd"):
        np.testing.assert_array_equal(trimmed(getattr(both, half)).count, trimmed(getattr(whole, half)).count)
        assert_close(vars(trimmed(getattr(both, half))), vars(trimmed(getattr(whole, half))))


def trimmed(moments):
    """Leave out the classes behind the last with an image: how many of those there are hangs on the cuts."""
    last = int(moments.count.nonzero().max()) + 1
    return ClassMoments(moments.count[:last], moments.mean[:last], moments.sum_sq_dev[:last])
