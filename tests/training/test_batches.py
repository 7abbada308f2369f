import pytest
import torch
from planted_photographs import small_sets

from neuroprobe.training import batches
from neuroprobe.training.batches import AugmentedBatches, PlainBatches
from neuroprobe.training.photographs import Photographs, read_photographs
from neuroprobe.training.recipes import Recipe

STILL = Recipe("any", epochs=1, batch_size=16, lr=0.1)  # nothing moves
MOVING = Recipe("any", epochs=1, batch_size=16, lr=0.1, max_shift=2, flip=True)


@pytest.fixture
def photographs():
    images = read_photographs(small_sets())["train"].images
    return Photographs(images, torch.arange(60), tuple(map(str, range(60))))  # labels are numbers


def epoch(loader, number):
    loader.sampler.set_epoch(number)
    return [(images, labels.tolist()) for images, labels in loader]


def test_an_epoch_shows_each_photograph_once_but_for_what_is_left_over(photographs):
    seen = [label for _, labels in epoch(AugmentedBatches(photographs, STILL, seed=0), 0) for label in labels]
    assert len(seen) == len(set(seen)) == 48
    assert seen != sorted(seen)


def test_photographs_come_with_their_labels(photographs):
    for images, labels in epoch(AugmentedBatches(photographs, STILL, seed=0), 3):
        assert torch.equal(images, photographs.images[labels])


def test_the_order_is_that_of_the_epoch_whatever_came_before(photographs):
    loader = AugmentedBatches(photographs, MOVING, seed=0)
    first, later = epoch(loader, 0), epoch(loader, 5)
    torch.rand(3)
    again = epoch(AugmentedBatches(photographs, MOVING, seed=0), 5)
    assert [labels for _, labels in first] != [labels for _, labels in later]
    for (images, labels), (same, known) in zip(later, again, strict=True):
        assert labels == known
        assert torch.equal(images, same)


def test_processes_share_each_batch(photographs, monkeypatch):
    alone = epoch(AugmentedBatches(photographs, MOVING, seed=0), 1)
    shares = []
    for process in range(2):
        monkeypatch.setattr(batches, "processes", lambda process=process: (process, 2))
        shares.append(epoch(AugmentedBatches(photographs, MOVING, seed=0), 1))
    for (images, labels), one, other in zip(alone, *shares, strict=True):
        assert labels[::2] == one[1]
        assert labels[1::2] == other[1]
        assert torch.equal(images[1::2], other[0])


def test_a_batch_that_cannot_be_shared(photographs, monkeypatch):
    monkeypatch.setattr(batches, "processes", lambda: (0, 3))
    with pytest.raises(ValueError, match="a multiple of the 3 processes; 16 came"):
        AugmentedBatches(photographs, MOVING, seed=0)


def test_fewer_photographs_than_a_batch(photographs):
    few = photographs.at(torch.arange(5))
    assert [len(labels) for _, labels in epoch(AugmentedBatches(few, STILL, seed=0), 0)] == [5]


def test_plain_batches_are_all_in_order(photographs, monkeypatch):
    monkeypatch.setattr(batches, "_MOST", 25)
    assert [labels.tolist() for _, labels in PlainBatches(photographs)] == [
        list(range(25)), list(range(25, 50)), list(range(50, 60)),
    ]  # fmt: skip
