from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from neuroprobe.analysis.agreement import Agreement, Cosines, Decisions, cosines
from neuroprobe.reducers import Observed

IMAGES, UNITS = 12, 3


def observed(seed, numbers=slice(None), grid=(4, 5)):
    maps = torch.rand(IMAGES, UNITS, *grid, generator=torch.Generator().manual_seed(seed))
    maps[:, 1] *= (torch.arange(IMAGES) % 3 > seed).float()[:, None, None]  # silent for some images, other ones a seed
    maps[:, 2] = 0
    maps = maps[numbers]
    return Observed(maps.mean((2, 3)), maps, torch.arange(IMAGES)[numbers], None)


def test_cosines_are_those_of_numpy():
    one, other = observed(0).maps, observed(1).maps
    a, b = (maps[:, 0].flatten(1).numpy() for maps in (one, other))
    expected = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(cosines(one, other)[:, 0], expected, rtol=1e-5)


def test_cosines_of_channels_last_maps_are_the_same():
    one, other = observed(0).maps, observed(1).maps
    last = [maps.to(memory_format=torch.channels_last) for maps in (one, other)]
    assert_close(cosines(*last), cosines(one, other), equal_nan=True)


def test_one_silent_map_is_0_and_two_are_nan():
    loud, silent = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    assert cosines(loud, loud).item() == pytest.approx(1)
    assert cosines(loud, silent).item() == 0
    assert cosines(silent, silent).isnan().item()


@pytest.mark.parametrize("grid", [(), (1,), (1, 1)])
def test_a_single_place_has_no_cosine(grid):
    assert cosines(torch.ones(2, 3, *grid), torch.ones(2, 3, *grid)).isnan().all()


def test_means_over_images_leave_out_those_without_a_cosine():
    sums = Cosines.of(observed(0).maps, observed(1).maps)
    assert sums.images.tolist() == [12, 8, 0]
    expected = cosines(observed(0).maps, observed(1).maps).nanmean(0)
    assert_close(sums.mean, expected.double(), equal_nan=True)


@pytest.mark.parametrize("sizes", [(5, 7), (1,) * IMAGES])
def test_batching_does_not_change_the_agreement(sizes):
    cuts = [slice(end - size, end) for size, end in zip(sizes, np.cumsum(sizes), strict=True)]
    parts = [Agreement.of(observed(0, cut), observed(1, cut), "x", 1) for cut in cuts]
    whole, summed = Agreement.of(observed(0), observed(1), "x", 1), reduce(add, parts)
    assert_close(summed.responses.pearson, whole.responses.pearson, equal_nan=True)
    assert_close(summed.cosine_map.mean, whole.cosine_map.mean, equal_nan=True)
    assert_close(summed.cosine_aligned.mean, whole.cosine_aligned.mean, equal_nan=True)


@pytest.mark.parametrize(("axis", "places"), [("x", 2), ("x", -4), ("y", 3), ("y", -1)])
def test_maps_that_only_moved_are_alike_when_moved_back(axis, places):
    still = observed(0)
    moved = Observed(still.responses, torch.roll(still.maps, places, {"x": 3, "y": 2}[axis]), still.images, None)
    agreement = Agreement.of(still, moved, axis, places)
    assert agreement.cosine_aligned.mean[0].item() == pytest.approx(1, abs=1e-6)
    assert agreement.cosine_map.mean[0] < 0.95
    assert_close(agreement.responses.pearson[:2], torch.ones(2).double())


@pytest.mark.parametrize(("axis", "places"), [("x", None), ("x", 5), ("y", -4)])
def test_maps_without_an_overlap_are_not_aligned(axis, places):
    agreement = Agreement.of(observed(0), observed(1), axis, places)
    assert agreement.cosine_aligned.mean.isnan().all()
    assert agreement.cosine_map.mean[0].isfinite()


def test_decisions_by_hand():
    still, moved = (
        torch.tensor([[2.0, 0.0], [0.0, 1.0], [5.0, 0.0]]),
        torch.tensor([[0.0, 1.0], [0.0, 1.0], [5.0, 4.0]]),
    )
    decisions = Decisions.of(still, moved, torch.tensor([0, 1, 1]), 3)
    p = [1 / (1 + np.exp(-gap)) for gap in (2, -1, 1, 1, 5, 1)]
    assert decisions.consistency == 2 / 3
    assert decisions.accuracy == 1 / 3
    assert decisions.mac == pytest.approx((abs(p[1] - p[0]) + 0 + abs(p[5] - p[4])) / 3)
    again = Decisions.of(still[:1], moved[:1], torch.tensor([0]), 1) + Decisions.of(
        still[1:], moved[1:], torch.tensor([1, 1]), 2
    )
    assert (again.consistency, again.accuracy, again.mac) == pytest.approx(
        (decisions.consistency, decisions.accuracy, decisions.mac)
    )


def test_without_labels_only_the_accuracy_is_nan():
    decisions = Decisions.of(torch.eye(2), torch.eye(2), None, 2)
    assert np.isnan(decisions.accuracy)
    assert (decisions.consistency, decisions.mac) == (1, 0)


def test_without_logits_all_is_nan():
    decisions = Decisions.of(None, None, torch.zeros(2), 2)
    assert np.isnan([decisions.accuracy, decisions.consistency, decisions.mac]).all()


def test_labels_of_other_classes_are_refused():
    with pytest.raises(ValueError, match="number of outputs, 2; 7 came"):
        Decisions.of(torch.eye(2), torch.eye(2), torch.tensor([0, 7]), 2)
