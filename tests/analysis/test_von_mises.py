import numpy as np
import pytest

from neuroprobe.analysis.von_mises import VonMisesFit, fit_von_mises, hanning_half_width
from neuroprobe.curves import von_mises

THETA = np.arange(0, 180, 15.0)
LARGEST = np.log(2) / (1 - np.cos(np.deg2rad(30)))


def drawn(fit, orientations):
    return von_mises(orientations, fit.trough, fit.amplitude, fit.concentration, fit.preferred)


def planted(n=200, seed=0):
    """Curves of known parameters."""
    random = np.random.default_rng(seed)
    return VonMisesFit(
        trough=random.uniform(0, 2, n),
        amplitude=random.uniform(0.1, 3, n),
        concentration=np.exp(random.uniform(np.log(0.1), np.log(5), n)),
        preferred=random.uniform(0, 180, n),
        r2=np.ones(n),
        largest_concentration=LARGEST,
    )


def apart(left, right):
    """Degrees between orientations."""
    return np.abs((left - right + 90) % 180 - 90)


def test_planted_curves_are_recovered():
    truth = planted()
    fit = fit_von_mises(drawn(truth, THETA), THETA)
    assert apart(fit.preferred, truth.preferred).max() < 0.01
    np.testing.assert_allclose(fit.bandwidth, truth.bandwidth, atol=0.02)
    np.testing.assert_allclose(fit.concentration, truth.concentration, rtol=2e-3)
    np.testing.assert_allclose(fit.trough, truth.trough, atol=0.02)
    np.testing.assert_allclose(fit.amplitude, truth.amplitude, rtol=5e-3)
    np.testing.assert_allclose(fit.r2, 1, atol=1e-6)


def test_noise_leaves_the_preferred_orientation():
    truth = planted()
    noise = np.random.default_rng(1).normal(scale=0.02, size=(200, 12)) * truth.amplitude[:, None]
    fit = fit_von_mises(drawn(truth, THETA) + noise, THETA)
    assert np.median(apart(fit.preferred, truth.preferred)) < 1
    assert ((fit.preferred >= 0) & (fit.preferred < 180)).all()


def test_the_fit_is_as_good_as_an_exhaustive_search():
    curves = np.random.default_rng(2).exponential(size=(100, 12))
    k, preferred = (grid.ravel() for grid in np.meshgrid(np.geomspace(0.05, LARGEST, 60), np.arange(0, 180, 1.0)))
    ones = np.ones_like(k)
    shapes = drawn(VonMisesFit(0 * ones, ones, k, preferred, ones, LARGEST), THETA)
    shapes = np.array([(shape - shape.mean()) / shape.std() for shape in shapes])
    centred = (curves - curves.mean(1, keepdims=True)) / curves.std(1, keepdims=True)
    exhaustive = (centred @ shapes.T / 12).max(axis=1) ** 2
    assert (fit_von_mises(curves, THETA).r2 > exhaustive - 2e-3).all()


def test_r2_is_the_explained_share_of_variance():
    curves = np.random.default_rng(3).exponential(size=(50, 12))
    fit = fit_von_mises(curves, THETA)
    residual = ((curves - drawn(fit, THETA)) ** 2).sum(axis=1)
    np.testing.assert_allclose(fit.r2, 1 - residual / ((curves - curves.mean(1, keepdims=True)) ** 2).sum(axis=1))
    assert (fit.amplitude >= 0).all()


@pytest.mark.parametrize(("k", "expected"), [(0.5, 38.0), (1, 32.1), (2, 24.3), (4, 17.1)])
def test_bandwidth_by_hand(k, expected):
    curve = np.exp(k * np.cos(np.deg2rad(2 * (THETA - 50))))
    assert fit_von_mises([curve], THETA).bandwidth == pytest.approx(expected, abs=0.06)


def test_bandwidth_is_the_half_width_at_half_height_of_the_curve():
    truth = planted(5)
    for unit in range(5):
        side = truth.preferred[unit] + truth.bandwidth[unit]
        middle = truth.trough[unit] + truth.amplitude[unit] / 2
        assert drawn(truth, [side])[unit] == pytest.approx(middle)


def test_one_plus_cosine_is_45_degrees_wide():
    fit = fit_von_mises([1 + np.cos(np.deg2rad(2 * THETA))], THETA)
    assert fit.bandwidth == pytest.approx(45, abs=1)
    assert fit.r2 > 0.999


def test_degrees_taken_for_radians_fail():
    curve = np.exp(np.cos(np.deg2rad(2 * (THETA - 50))))
    assert apart(fit_von_mises([curve], np.deg2rad(THETA)).preferred, 50) > 5


def test_a_curve_turned_by_one_bin_turns_the_fit_by_one_bin():
    curve = np.random.default_rng(0).exponential(size=12)
    fit = fit_von_mises([curve, np.roll(curve, 1)], THETA)
    assert apart(fit.preferred[1], fit.preferred[0] + 15) < 0.05
    assert fit.r2[1] == pytest.approx(fit.r2[0], abs=1e-4)


def test_bandwidth_is_nan_where_the_fit_is_poor():
    fit = fit_von_mises(np.random.default_rng(5).exponential(size=(200, 12)), THETA)
    inside = fit.concentration < 0.99 * LARGEST
    poor = fit.r2 < 0.5
    assert (inside & poor).sum() > 10
    np.testing.assert_array_equal(np.isnan(fit.bandwidth[inside]), poor[inside])


def test_bandwidth_is_nan_where_the_curve_is_narrower_than_the_orientations_show():
    fit = fit_von_mises(np.eye(12), THETA)
    np.testing.assert_allclose(fit.concentration, LARGEST)
    assert (fit.r2 > 0.5).all()
    assert np.isnan(fit.bandwidth).all()


@pytest.mark.parametrize("curve", [np.zeros(12), np.full(12, 0.3), np.r_[np.nan, np.ones(11)]])
def test_flat_or_missing_curves_are_nan_throughout_and_alone(curve):
    good = np.exp(np.cos(np.deg2rad(2 * THETA)))
    fit = fit_von_mises([curve, good], THETA)
    for values in (fit.trough, fit.amplitude, fit.concentration, fit.preferred, fit.r2, fit.bandwidth):
        np.testing.assert_array_equal(np.isnan(values), [True, False])
    assert np.isnan(drawn(fit, THETA)[0]).all()
    np.testing.assert_allclose(drawn(fit, THETA)[1], good, atol=1e-3)


def test_four_orientations_are_too_few_for_four_parameters():
    assert np.isnan(fit_von_mises([[1.0, 2, 1, 0]], [0, 45, 90, 135]).r2).all()


def test_hanning_half_width_of_a_raised_cosine():
    weight = (1 + np.cos(np.pi * 15 / 27)) / 2  # of each neighbour
    damped = (1 + 2 * weight * np.cos(np.deg2rad(30))) / (1 + 2 * weight)
    expected = np.rad2deg(np.arccos(((1 + damped) / np.sqrt(2) - 1) / damped)) / 2
    curves = 1 + np.cos(np.deg2rad(2 * (THETA - np.array([[0], [45], [165]]))))
    np.testing.assert_allclose(hanning_half_width(curves, THETA), expected, atol=0.05)


def test_hanning_half_width_averages_both_flanks_and_ignores_scale():
    curve = np.random.default_rng(4).exponential(size=12) ** 2
    forth, back, loud = hanning_half_width([curve, curve[::-1], 9 * curve], THETA)
    assert forth == pytest.approx(back, abs=0.3)
    assert forth == pytest.approx(loud)


def test_hanning_half_width_is_nan_where_the_curve_never_falls_that_low():
    tuned = 1 + np.cos(np.deg2rad(2 * THETA))
    widths = hanning_half_width([6 + tuned, np.zeros(12), tuned * np.nan, tuned], THETA)
    np.testing.assert_array_equal(np.isnan(widths), [True, True, True, False])
