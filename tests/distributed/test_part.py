"""The share of each process: together they have all batches, once and in order, as one process would."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset, WeightedRandomSampler

from neuroprobe import data as data_module
from neuroprobe.data import open_images
from neuroprobe.distributed import part as part_module
from neuroprobe.distributed.part import Part
from neuroprobe.reducers import observed
from neuroprobe.spool import Spool


@pytest.fixture
def among(monkeypatch):
    """Take the place of one of several processes."""

    def take(rank, size):
        for module in (data_module, part_module):
            monkeypatch.setattr(module, "processes", lambda: (rank, size))

    return take


@pytest.mark.parametrize(("batches", "size"), [(7, 2), (8, 3), (3, 3), (100, 7)])
def test_batches_are_shared_out_in_order(among, batches, size):
    shares = []
    for rank in range(size):
        among(rank, size)
        shares.append(Part.of(batches))
    assert [number for share in shares for number in share.batches] == list(range(batches))
    assert max(len(share.batches) for share in shares) - min(len(share.batches) for share in shares) <= 1
    assert all(share.counts for share in shares)


def test_where_there_are_fewer_batches_than_processes_some_do_not_count(among):
    shares = []
    for rank in range(5):
        among(rank, 5)
        shares.append(Part.of(2))
    assert [number for share in shares if share.counts for number in share.batches] == [0, 1]
    assert all(share.batches == range(1) for share in shares if not share.counts)


def test_what_does_not_count_is_left_out(monkeypatch, among):
    among(0, 3)
    monkeypatch.setattr(part_module, "exchange", lambda own: [own, ([1], True), ([2], True)])
    assert Part.of(2).pooled([0]) == [1, 2]


def grey(count):
    return torch.linspace(0, 1, count)[:, None, None, None].expand(-1, 3, 4, 4).contiguous()


def batches(images):
    return [(batch.numbers.tolist(), batch.labels.tolist(), batch.images) for batch in images]


@pytest.mark.parametrize(("count", "size"), [(23, 2), (23, 4), (20, 5), (4, 2)])
@pytest.mark.parametrize("as_loader", [False, True])
def test_the_images_of_all_processes_are_those_of_one(among, count, size, as_loader):
    given = grey(count), torch.arange(count) % 3
    source = DataLoader(TensorDataset(*given), 4, shuffle=True, drop_last=True) if as_loader else given
    images = open_images(source, batch_size=4)
    shared = []
    for rank in range(size):
        among(rank, size)
        part = images.shared()
        if part.part.counts:
            assert part.count == sum(len(numbers) for numbers, *_ in batches(part)) or as_loader
            shared += batches(part)
    whole = batches(images)
    assert [numbers for numbers, *_ in shared] == [numbers for numbers, *_ in whole]
    assert all(torch.equal(one[2], other[2]) and one[1] == other[1] for one, other in zip(shared, whole, strict=True))


def test_a_loader_that_samples_for_one_process_is_taken_whole(among):
    dataset = TensorDataset(grey(10), torch.arange(10))
    images = open_images(DataLoader(dataset, 4, sampler=DistributedSampler(dataset, 2, 1)))
    assert [label for _, labels, _ in batches(images) for label in labels] == list(range(10))


class Stream(IterableDataset):
    def __iter__(self):
        yield from grey(4)


@pytest.mark.parametrize(
    "source",
    [
        DataLoader(Stream(), 2),
        DataLoader(grey(4), 2, sampler=WeightedRandomSampler([1.0] * 4, 4)),
        DataLoader(grey(4), batch_sampler=[[0, 1], [2, 3]]),
        DataLoader([grey(4)], batch_size=None),
    ],
    ids=["a stream", "a random sampler", "batches of one's own", "no batches"],
)
def test_what_comes_in_no_known_order_cannot_be_shared(among, source):
    images = open_images(source)
    assert images.shared() is images
    among(0, 2)
    with pytest.raises(ValueError, match=r"pass the Dataset, or .* neuroprobe\.distributed\.alone\(\)"):
        images.shared()


def test_processes_share_the_units_of_a_spool(monkeypatch):
    responses, exchanged = torch.rand(10, 5), []
    monkeypatch.setattr("neuroprobe.spool._BLOCK_NUMBERS", 10)
    monkeypatch.setattr(Part, "pooled", lambda part, value: _as_if_both(part, value))

    def _as_if_both(part, value):
        if not isinstance(value, tuple):
            return 10
        exchanged.append(len(value))
        other = spools[1 - part.process]._rows
        at_once = [slice(start, start + 1) for start in range(5)][2 * (len(exchanged) - 1) :][: len(value)]
        rows = [other(block) for block in at_once]
        pairs = zip(value, rows, strict=True)
        return tuple(own + theirs if part.process == 0 else theirs + own for own, theirs in pairs)

    with Spool() as first, Spool() as second:
        spools = [first, second]
        first(observed(responses[:4]))
        second(observed(responses[4:]))
        found = {}
        for rank, spool in enumerate(spools):
            exchanged.clear()
            found |= {units.start: rows for units, rows in spool.blocks(Part(range(1), rank, 2))}
    assert sorted(found) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(np.concatenate([found[unit] for unit in range(5)]), responses.T)
