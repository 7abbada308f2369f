import numpy as np
import pytest

from neuroprobe.analysis.indices import (
    f1_f0,
    gosi,
    orientation_range,
    orthogonal_ratio,
    osi,
    preferred_orientation,
    vector_sum,
)

THETA = np.arange(0, 180, 15.0)
DOUBLED = np.deg2rad(2 * THETA)
ONE_BIN = np.eye(12)[3]
HALF_TUNED = 1 + np.cos(DOUBLED)
VON_MISES = np.exp(np.cos(DOUBLED))


@pytest.mark.parametrize(
    ("curve", "expected"), [(ONE_BIN, 1), (np.ones(12), 0), (HALF_TUNED, 0.5), (VON_MISES, 0.4464)]
)
def test_gosi_by_hand(curve, expected):
    assert gosi([curve], THETA) == pytest.approx(expected, abs=5e-5)


def test_gosi_takes_degrees():
    assert gosi([HALF_TUNED], np.deg2rad(THETA)) != pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("index", [gosi, osi, orthogonal_ratio])
def test_an_index_turns_with_the_curve(index):
    curve = np.random.default_rng(0).exponential(size=12)
    turned = np.stack([np.roll(curve, shift) for shift in range(12)])
    np.testing.assert_allclose(index(turned, THETA), index([curve], THETA)[0])
    np.testing.assert_allclose(index(7 * turned, THETA), index([curve], THETA)[0])


def test_gosi_divides_by_the_sum_of_magnitudes():
    assert gosi([[1.0, 0, -1, 0]], [0, 45, 90, 135]) == pytest.approx(1)


def test_osi_and_opr_compare_the_peak_with_90_degrees_on():
    curve = np.zeros(12)
    curve[[10, 4]] = 3, 1
    assert osi([curve], THETA) == pytest.approx(0.5)
    assert orthogonal_ratio([curve], THETA) == pytest.approx(1 / 3)


def test_osi_interpolates_where_no_bin_is_orthogonal():
    assert osi([[4.0, 1, 3]], [0, 60, 120]) == pytest.approx((4 - 2) / (4 + 2))  # 90 lies midway between 60 and 120
    assert osi([[1.0, 4, 3]], [0, 60, 120]) == pytest.approx((4 - 2) / (4 + 2))  # 150, between 120 and 180
    assert orthogonal_ratio([[4.0, 1, 2, 3, 1]], [0, 30, 80, 120, 150]) == pytest.approx(2.25 / 4)  # a quarter on


@pytest.mark.parametrize("planted", [0, 17, 90, 179.5])
def test_preferred_orientation_is_that_of_the_vector_sum(planted):
    curve = np.exp(2 * np.cos(np.deg2rad(2 * (THETA - planted))))
    assert preferred_orientation([curve], THETA) == pytest.approx(planted, abs=1e-5)


def test_preferred_orientation_lies_below_180_and_a_flat_curve_has_none():
    assert preferred_orientation([np.cos(DOUBLED) + 1], THETA)[0] % 180 == pytest.approx(0, abs=1e-9)
    preferred = preferred_orientation(np.random.default_rng(0).exponential(size=(500, 12)), THETA)
    assert ((preferred >= 0) & (preferred < 180)).all()
    assert np.isnan(preferred_orientation([np.ones(12)], THETA))


@pytest.mark.parametrize("index", [gosi, osi, orthogonal_ratio, preferred_orientation])
@pytest.mark.parametrize("curve", [np.zeros(12), np.full(12, np.nan)], ids=["silent", "missing"])
def test_what_is_not_defined_is_nan_without_a_warning_and_alone(index, curve):
    values = index([curve, VON_MISES], THETA)
    np.testing.assert_array_equal(np.isnan(values), [True, False])


def tuning(best):
    """Responses (1, frequencies, 4 orientations), each frequency with one best orientation and response."""
    responses = np.zeros((1, len(best), 4))
    for frequency, (orientation, response) in enumerate(best):
        responses[0, frequency, orientation // 45] = response
    return responses


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        ([(0, 1.0), (135, 0.9), (90, 0.1)], 45),  # the third is below the level of 0.55
        ([(0, 1.0), (135, 0.9), (90, 0.55), (0, 0.1)], 45),  # the third reaches it, but does not exceed it
        ([(0, 1.0), (45, 1.0), (90, 1.0), (135, 1.0)], 135),
        ([(90, 1.0), (90, 0.2)], 0),
        ([(45, 0.3)], 0),
        ([(45, 0.0), (90, 0.0)], np.nan),
    ],
)
def test_orientation_range_is_the_smallest_arc_of_the_frequencies_that_count(best, expected):
    assert orientation_range(tuning(best), [0, 45, 90, 135]) == pytest.approx(expected, nan_ok=True)


def test_orientation_range_works_unit_by_unit():
    units = np.concatenate([tuning([(0, 1.0), (90, 1.0)]), tuning([(0, 1.0), (135, 1.0)])])
    assert orientation_range(units, [0, 45, 90, 135]).tolist() == [90, 45]


def half_rectified(n_phases, shift=0.0):
    phases = np.arange(n_phases) * 360 / n_phases
    return np.maximum(np.sin(np.deg2rad(phases + shift)), 0), phases


def test_f1_f0_by_hand():
    responses, phases = half_rectified(64)
    assert f1_f0([responses, np.ones(64)], phases, [0, 0]) == pytest.approx([np.pi / 2, 0], abs=2e-3)


def test_f1_f0_subtracts_the_blank_from_the_mean_only():
    phases = np.arange(8) * 45.0
    responses = 3 + np.cos(np.deg2rad(phases - 20))
    assert f1_f0([responses], phases, [1]) == pytest.approx(0.5)


def test_f1_f0_serves_phases_that_are_not_evenly_spaced():
    phases = np.array([0, 10, 30, 75, 130, 160, 240, 300.0])
    responses = 2 + np.cos(np.deg2rad(phases))
    assert f1_f0([responses], phases, [0]) == pytest.approx(1 / responses.mean())


def test_f1_f0_is_nan_with_few_phases_or_no_elevation():
    responses, phases = half_rectified(4)
    assert np.isnan(f1_f0([responses], phases, [0]))
    responses, phases = half_rectified(8)
    values = f1_f0([responses, 0 * responses, responses, responses * np.nan], phases, [0, 0, 1, 0])
    np.testing.assert_array_equal(np.isnan(values), [False, True, True, True])


def test_the_vector_sum_of_opposite_orientations_cancels():
    assert vector_sum([[1.0, 1.0]], [0, 90]) == pytest.approx(0)
    assert vector_sum([[1.0, 1.0]], [0, 180]) == pytest.approx(2)
