import math
from fractions import Fraction
from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from small_batches import IMAGES, batch
from torch.testing import assert_close

import neuroprobe
from neuroprobe.reducers import Quantiles, observed
from neuroprobe.reducers.quantiles import _bin_of, _value_of

SHARES = [0, 0.001, 0.01, 0.07, 0.25, 0.29, 0.5, 0.75, 0.99, 0.999, 1]
BOUND = 1 / 128  # half a bin, relative: 0.8%


@pytest.fixture(scope="module")
def values():
    """Responses (images, units) of many kinds: 20 decades, both signs, with zeros, rectified, whole, constant."""
    random = np.random.default_rng(0)
    wide = 10 ** random.uniform(-11, 9, 3000)
    normal = random.normal(size=3000)
    columns = [wide, wide * np.sign(normal), normal, np.maximum(normal, 0), np.round(5 * normal), np.full(3000, -0.3)]
    return torch.from_numpy(np.stack(columns, 1)).float()


def exact(values):
    """Return the quantiles by sorting, the shares taken as they are written: 0.07 of 100 is 7."""
    places = [max(math.ceil(Fraction(str(share)) * len(values)), 1) - 1 for share in SHARES]
    return values.double().sort(0).values[places]


def assert_within_a_bin(found, true):
    assert ((found - true).abs() <= BOUND * true.abs()).all()


def test_quantiles_are_those_of_sorted_responses_within_one_percent(values):
    found = Quantiles.of(observed(values)).quantile(SHARES)
    assert found.shape == (len(SHARES), values.shape[1])
    assert_within_a_bin(found, exact(values))


@pytest.mark.parametrize("sizes", [(1, 1000, 1999), (7,) * 428 + (4,)])
def test_the_same_bit_for_bit_however_cut_and_ordered(values, sizes):
    mixed = values[torch.from_numpy(np.random.default_rng(1).permutation(len(values)))]
    cut = reduce(add, [Quantiles.of(observed(part)) for part in mixed.split(sizes)])
    whole = Quantiles.of(observed(values))
    assert torch.equal(cut.bins, whole.bins)
    assert torch.equal(cut.counts, whole.counts)


def test_on_photographs_and_trained_weights(resnet20, photographs):
    images, layers = photographs[0][:300], ["/relu:0", "layer3.2/relu:1"]
    reduced = neuroprobe.record(resnet20, images, layers, reducers="quantiles", batch_size=64).reduced["quantiles"]
    kept = neuroprobe.record(resnet20, images, layers, batch_size=64).curves
    for layer in layers:
        assert_within_a_bin(reduced[layer].quantile(SHARES), exact(torch.from_numpy(kept[layer].values)))


def test_by_hand():
    state = Quantiles.of(observed([[0.0], [-8.0]])) + Quantiles.of(observed([[2.0]]))
    low, high = 8.0, 8.125  # the first bin of the octave from 8
    assert state.count == 3
    assert state.bins.sign().tolist() == [-1, 0, 1]
    assert state.counts.tolist() == [[1], [1], [1]]
    assert state.quantile(0).item() == pytest.approx(-2 * low * high / (low + high), rel=1e-15)
    assert state.quantile(0.5).tolist() == [0]


@pytest.mark.parametrize(("share", "place"), [(0, 1), (0.01, 1), (0.07, 7), (0.29, 29), (0.295, 30), (1, 100)])
def test_a_share_of_a_hundred_images(share, place):
    hundred = 2.0 ** torch.arange(1, 101)[:, None]
    assert Quantiles.of(observed(hundred)).quantile(share).log2().round().item() == place


def test_shapes_of_one_share_and_of_several():
    state = Quantiles.of(observed(torch.rand(5, 3)))
    assert [state.quantile(q).shape for q in (0.5, [0.5], np.array([0.1, 0.9]))] == [(3,), (1, 3), (2, 3)]


@pytest.mark.parametrize("share", [-0.1, 50, float("nan"), [0.5, 1.1]])
def test_a_share_is_within_0_and_1(share):
    with pytest.raises(ValueError, match=r"from 0 to 1; .* came"):
        Quantiles.of(observed([[1.0]])).quantile(share)


def test_bins_grow_with_their_values_and_hold_them():
    random = np.random.default_rng(0)
    sizes = 10 ** random.uniform(-12, 300, (2, 5000))
    values = torch.from_numpy(np.sort(np.concatenate([sizes[0], -sizes[1]])))
    bins = _bin_of(values)
    assert (bins.diff() >= 0).all()
    assert torch.equal(_bin_of(-values), -bins)
    assert_close(_value_of(bins), values, rtol=BOUND, atol=0)


def test_what_is_next_to_nothing_is_nothing():
    values = torch.tensor([0.0, -0.0, 1e-45, -1e-300, 9e-13, 2.0**-40], dtype=torch.float64)
    assert _bin_of(values).tolist() == [0, 0, 0, 0, 0, 1]


def test_memory_is_bounded_by_the_octaves_and_not_by_the_images():
    random = np.random.default_rng(0)
    parts = [torch.from_numpy(random.uniform(1, 16, (5000, 2))).float() for _ in range(4)]
    state = reduce(add, [Quantiles.of(observed(part)) for part in parts])
    assert state.counts.shape == (4 * 64, 2)
    assert state.count == 20_000


def test_counts_are_whole_and_of_all_images():
    state = Quantiles.of(batch(np.arange(IMAGES)))
    assert state.counts.dtype == torch.int64
    assert state.counts.sum(0).tolist() == [IMAGES] * 3
