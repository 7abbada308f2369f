from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from small_batches import IMAGES, UNITS, batch
from torch.testing import assert_close

from neuroprobe.reducers import CoMoments, Covariance, observed

# Two responses of each unit


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


# All units of a layer


def test_covariance_is_that_of_numpy():
    values = np.random.default_rng(0).random((IMAGES, UNITS))
    state = Covariance.of(observed(values))
    np.testing.assert_allclose(state.covariance, np.cov(values.T))
    np.testing.assert_allclose(state.correlation, np.corrcoef(values.T))
    np.testing.assert_allclose(state.mean, values.mean(0))


def test_covariance_by_hand():
    state = Covariance.of(observed([[0.0, 3.0], [2.0, 3.0]])) + Covariance.of(observed([[4.0, 0.0]]))
    assert_close(state.covariance, torch.tensor([[4.0, -3.0], [-3.0, 3.0]]).double())
    assert state.correlation[0, 1].item() == pytest.approx(-(0.75**0.5))


def test_a_planted_mixture_is_found():
    sources = torch.from_numpy(np.random.default_rng(0).normal(size=(20_000, 2)))
    mixing = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, -2.0]]).double()
    state = reduce(add, [Covariance.of(observed(part)) for part in (sources @ mixing.T).split(3000)])
    assert_close(state.covariance, mixing @ mixing.T, rtol=0.05, atol=0.2)
    assert state.correlation[0, 1].item() == pytest.approx(0.6, abs=0.02)


def test_covariance_stands_a_large_offset_in_batches():
    values = torch.from_numpy(np.random.default_rng(0).random((IMAGES, UNITS)))
    far = [Covariance.of(observed(1e6 + part)) for part in values.split(5)]
    assert_close(reduce(add, far).covariance, torch.cov(values.T), rtol=1e-7, atol=1e-9)


def test_a_constant_unit_has_covariance_but_no_correlation():
    values = torch.tensor([[0.1, 1.0], [0.1 * (1 + 1e-7), 2.0], [0.1, 3.0]])
    state = Covariance.of(observed(values))
    assert state.covariance[0].abs().max() < 1e-8
    assert_close(state.correlation, torch.tensor([[torch.nan, torch.nan], [torch.nan, 1.0]]).double(), equal_nan=True)


def test_one_image_has_no_covariance():
    assert Covariance.of(observed([[7.0, 1.0]])).covariance.isnan().all()


@pytest.mark.parametrize("units", [[2, 0], (2, 0), slice(2, None)])
def test_some_of_the_units(units):
    every, some = (Covariance.of(batch(np.arange(IMAGES)), **which) for which in ({}, {"units": units}))
    at = torch.arange(UNITS)[units if isinstance(units, slice) else list(units)]
    assert torch.equal(some.units, at)
    assert_close(some.covariance, every.covariance[at][:, at])


def test_a_slice_may_be_longer_than_the_layer():
    assert Covariance.of(batch([0, 1]), units=slice(1000)).units.tolist() == [0, 1, 2]


@pytest.mark.parametrize("unit", [3, -1])
def test_a_unit_that_is_not_there(unit):
    with pytest.raises(IndexError, match=f"unit {unit} was chosen for the covariance; the layer has 3 units"):
        Covariance.of(batch([0, 1]), units=[0, unit])


def test_units_that_differ_do_not_add_up():
    with pytest.raises(ValueError, match="of 3 units and that of 1 others do not add up"):
        Covariance.of(batch([0, 1])) + Covariance.of(batch([0, 1]), units=[0])


def test_too_many_units_are_refused_with_what_to_do():
    wide = observed(torch.zeros(1, 12_000))
    with pytest.raises(ValueError, match=r"of 12,000 units takes 1\.2 GB, .*units=slice\(1000\)"):
        Covariance.of(wide)
    assert Covariance.of(wide, units=slice(5)).covariance.shape == (5, 5)
