"""Moments and donors, by hand and however the batches come."""

import pytest
import torch
from torch.testing import assert_close

from neuroprobe.map_statistics import Donors, MapMoments
from neuroprobe.reducers import Observed

IMAGES = 12


@pytest.fixture
def maps():
    return torch.randn(IMAGES, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def added(statistic, maps, keys, cuts):
    for part, numbers in zip(maps.split(cuts), keys.split(cuts), strict=True):
        statistic.add(Observed(part.flatten(2).mean(2), part, numbers, None))
    return statistic


@pytest.mark.parametrize("cuts", [[12], [1, 4, 7]])
def test_moments(maps, cuts):
    moments = added(MapMoments(per_position=False), maps, torch.arange(IMAGES), cuts)
    assert_close(moments.mean, maps.double().mean((0, 2, 3)))
    assert_close(moments.std, maps.double().std((0, 2, 3), correction=0))
    by_place = added(MapMoments(per_position=True), maps, torch.arange(IMAGES), cuts)
    assert_close(by_place.mean, maps.double().mean(0))
    assert_close(by_place.std, maps.double().std(0, correction=0))


def test_what_does_not_vary_has_no_spread():
    constant = torch.full((IMAGES, 3, 4, 5), 0.1)
    moments = added(MapMoments(per_position=False), constant, torch.arange(IMAGES), [12])
    assert moments.std.max() < 1e-8
    assert torch.equal(moments.mean.float(), constant[0, :, 0, 0])


@pytest.mark.parametrize("cuts", [[12], [1, 4, 7]])
def test_donors_are_other_images(maps, cuts):
    keys = torch.arange(IMAGES) * 1000
    donors = added(Donors(per_position=False), maps, keys, cuts)
    given = donors.given(keys.tolist(), torch.tensor([2, 0]), seed=0)
    assert given.shape == (IMAGES, 2, 4, 5)
    owner = torch.cdist(given.flatten(1), maps[:, [2, 0]].flatten(1)).argmin(1)
    assert torch.equal(maps[owner][:, [2, 0]], given)
    assert (owner != torch.arange(IMAGES)).all()
    shuffled = torch.randperm(IMAGES)
    again = added(Donors(per_position=False), maps[shuffled], keys[shuffled], [5, 7])
    assert torch.equal(again.given(keys.tolist(), torch.tensor([2, 0]), seed=0), given)
    assert not torch.equal(donors.given(keys.tolist(), torch.tensor([2, 0]), seed=1), given)


def test_no_more_donors_than_needed(monkeypatch, maps):
    monkeypatch.setattr("neuroprobe.map_statistics._MOST_DONORS", 3)
    keys = torch.arange(IMAGES)
    whole, cut = (added(Donors(per_position=False), maps, keys, cuts) for cuts in ([12], [2] * 6))
    assert len(whole._maps) == len(cut._maps) == 3
    assert torch.equal(whole.given([50, 51], torch.arange(3), 0), cut.given([50, 51], torch.arange(3), 0))


def test_two_different_images_are_needed(maps):
    donors = added(Donors(per_position=False), maps, torch.zeros(IMAGES, dtype=torch.long), [12])
    with pytest.raises(ValueError, match="data with two different images are wanted"):
        donors.given([0], torch.arange(3), 0)


@pytest.mark.parametrize("kind", [MapMoments, Donors])
def test_statistics_of_two_sets_of_images_add_up(maps, kind):
    keys = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(1))
    whole = added(kind(per_position=True), maps, keys, [IMAGES])
    parts = [added(kind(per_position=True), maps[part], keys[part], [6]) for part in (slice(6), slice(6, None))]
    both = parts[0] + parts[1]
    for name, value in vars(whole).items():
        assert_close(getattr(both, name), value)
