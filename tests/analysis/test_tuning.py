from dataclasses import replace

import numpy as np
import pytest

from neuroprobe.analysis.tuning import PRESETS, Responses, Rules, unit_columns

ORIENTATIONS = np.arange(0, 180, 15.0)
PHASES = np.arange(0, 360, 45.0)
FREQUENCIES = np.array([0.05, 0.1, 0.2])
THETA = np.deg2rad(ORIENTATIONS)


def responses(curves, *, blank=0.0, modulation=None, best_frequency=1, one_place=True):
    """Curves (units, orientations), the same at every phase unless modulated, at one frequency of three."""
    curves = np.asarray(curves, dtype=float)
    modulation = np.ones(PHASES.size) if modulation is None else modulation
    cube = np.zeros((len(curves), FREQUENCIES.size, ORIENTATIONS.size, PHASES.size))
    cube[:, best_frequency] = curves[:, :, None] * modulation
    return Responses(
        cube=cube,
        blank=np.full(len(curves), blank),
        conditions={"frequency": FREQUENCIES},
        orientations=ORIENTATIONS,
        phases=PHASES,
        layers=(slice(0, len(curves)),),
        one_place=np.full(len(curves), one_place),
    )


def columns(curves, rules=PRESETS[None], status="ok", permutations=0, **options):
    stated = np.full(len(curves), status, dtype=object)
    return unit_columns(responses(curves, **options), rules, status=stated, permutations=permutations, seed=0)


def test_a_cosine_has_half_selectivity():
    found = columns([1 + np.cos(2 * (THETA - np.deg2rad(30)))])
    assert found["gosi"] == pytest.approx([0.5])
    assert found["osi"] == pytest.approx([1.0])
    assert found["opr"] == pytest.approx([0.0], abs=1e-12)
    assert found["preferred_orientation"] == pytest.approx([30.0])
    assert found["preferred_frequency"] == pytest.approx([0.1])
    assert found["bandwidth"] == pytest.approx([45.0], abs=1)


def test_a_von_mises_curve_has_its_bessel_ratio():
    assert columns([np.exp(np.cos(2 * THETA))])["gosi"] == pytest.approx([0.4464], abs=1e-4)


def test_the_blank_is_subtracted_and_clipped():
    found = columns([1 + np.cos(2 * THETA)], blank=1.0)
    half_rectified_cosine = np.clip(np.cos(2 * THETA), 0, None)
    expected = np.abs(half_rectified_cosine @ np.exp(2j * THETA)) / half_rectified_cosine.sum()
    assert found["gosi"] == pytest.approx([0.5])
    assert found["gosi_blank"] == pytest.approx([expected])


def test_a_unit_that_never_exceeds_the_blank_has_no_blank_subtracted_index():
    assert np.isnan(columns([np.ones(12)], blank=2.0)["gosi_blank"])


def test_maximum_and_mean_over_phase_differ_as_they_should():
    only_one_phase = np.eye(8)[0]
    rules = {pool: Rules(pool=pool) for pool in ("mean", "max")}
    means, maxima = (columns([1 + np.cos(2 * THETA)], rules[pool], modulation=only_one_phase) for pool in rules)
    assert means["gosi"] == pytest.approx(maxima["gosi"])
    assert maxima["fit_trough"] + maxima["fit_amplitude"] == pytest.approx(
        8 * (means["fit_trough"] + means["fit_amplitude"])
    )


@pytest.mark.parametrize(("one_place", "expected"), [(True, 1.5675), (False, np.nan)])
def test_modulation_over_phase_is_read_at_one_place_only(one_place, expected):
    rectified_sine = np.clip(np.sin(np.deg2rad(PHASES) + 0.2), 0, None)
    found = columns([1 + np.cos(2 * THETA)], modulation=rectified_sine, one_place=one_place)["f1_f0"]
    assert found == pytest.approx([expected], abs=0.07, nan_ok=True)  # 8 phases give 1.53 to 1.66


def test_without_phases_there_is_no_modulation_ratio_and_without_frequencies_none_is_preferred():
    shown = responses([1 + np.cos(2 * THETA)])
    bars = replace(shown, phases=None, conditions={"width": np.array([1.0, 2, 4]), "length": np.full(3, 9.0)})
    found = unit_columns(bars, Rules(), status=np.array(["ok"], dtype=object), permutations=20, seed=0)
    names = ("preferred_frequency", "preferred_width", "preferred_length", "f1_f0")
    np.testing.assert_array_equal([found[name][0] for name in names], [np.nan, 2, 9, np.nan])
    of_gratings = unit_columns(shown, Rules(), status=np.array(["ok"], dtype=object), permutations=20, seed=0)
    assert set(found) - set(of_gratings) == {"preferred_width", "preferred_length"}
    assert found["gosi"] == of_gratings["gosi"]


def test_a_constant_unit_is_not_modulated():
    assert columns([np.ones(12)])["f1_f0"] == pytest.approx([0.0], abs=1e-12)


def test_a_dead_unit_has_no_numbers_but_its_responses():
    found = columns([np.zeros(12), 1 + np.cos(2 * THETA)], permutations=20)
    assert found["status"].tolist() == ["unresponsive", "ok"]
    assert found["peak_response"].tolist() == [0.0, 2.0]
    numbers = set(found) - {"status", "peak_response", "blank_response"}
    assert all(np.isnan(found[name][0]) for name in numbers)
    assert all(np.isfinite(found[name][1]) for name in numbers - {"f1_f0"})


def test_a_unit_below_one_percent_of_the_median_peak_is_unresponsive():
    curve = 1 + np.cos(2 * THETA)
    found = columns([curve, curve, curve, 0.011 * curve, 0.009 * curve, 0 * curve])
    assert found["status"].tolist() == ["ok"] * 4 + ["unresponsive"] * 2


def test_under_ukita_only_silence_is_unresponsive_and_counts_as_zero():
    curve = 1 + np.cos(2 * THETA)
    found = columns([curve, 1e-9 * curve, 0 * curve], PRESETS["ukita2020"])
    assert found["status"].tolist() == ["ok", "ok", "unresponsive"]
    assert found["gosi"] == pytest.approx([0.5, 0.5, 0.0])
    assert found["osi"] == pytest.approx([1.0, 1.0, 0.0])
    assert np.isnan(found["preferred_orientation"][2])


def test_under_ringach_the_bandwidth_is_at_the_root_of_a_half():
    narrow = np.exp(4 * (np.cos(2 * THETA) - 1))
    at_half_height, at_root = (columns([narrow], PRESETS[preset])["bandwidth"] for preset in (None, "ringach2002"))
    assert at_half_height == pytest.approx([17.1], abs=0.1)
    assert 12 < at_root < 22
    assert at_root != pytest.approx(at_half_height, abs=0.1)


def test_a_ringach_curve_is_pooled_by_mean_without_a_baseline_and_its_selectivity_is_one_minus_its_variance():
    found = columns([1 + np.cos(2 * THETA)], PRESETS["ringach2002"], blank=0.5, modulation=np.eye(8)[0])
    weight = (
        1 + np.cos(np.pi * 15 / 27)
    ) / 2  # of each neighbour, in a Hanning window 13.5 degrees wide at half height
    damped = (1 + 2 * weight * np.cos(np.deg2rad(30))) / (1 + 2 * weight)  # what smoothing leaves of the cosine
    at_root = np.rad2deg(np.arccos(((1 + damped) / np.sqrt(2) - 1) / damped)) / 2
    circular_variance = 1 - np.abs(np.sum((1 + np.cos(2 * THETA)) * np.exp(2j * THETA))) / 12
    assert found["bandwidth"] == pytest.approx([at_root], abs=0.05)
    assert found["gosi"] == pytest.approx([1 - circular_variance])


def test_a_signed_layer_that_is_not_rectified_has_no_indices():
    found = columns([1 + np.cos(2 * THETA)], status="signed", permutations=20)
    assert found["status"].tolist() == ["signed"]
    assert np.isnan(found["gosi"])
    assert np.isnan(found["q_value"])


def test_q_counts_only_the_units_that_respond():
    tuned = 1 + np.cos(2 * THETA)
    alone = columns([tuned], permutations=99)
    beside_dead = columns([tuned, 0 * tuned, 0 * tuned], permutations=99)
    assert beside_dead["q_value"][0] == alone["q_value"][0] == pytest.approx(0.01)


def test_false_discovery_is_controlled_within_a_layer():
    tuned, flat = 1 + np.cos(2 * THETA), np.ones(12)
    status = np.full(6, "ok", dtype=object)
    together = responses([tuned] + [flat] * 5)
    apart = replace(together, layers=(slice(0, 1), slice(1, 6)))
    q = [
        unit_columns(given, Rules(), status=status, permutations=99, seed=0)["q_value"][0]
        for given in (together, apart)
    ]
    assert q == pytest.approx([0.06, 0.01])  # p = 0.01 of six tests, of one


def test_layers_are_judged_apart():
    curve = 1 + np.cos(2 * THETA)
    strong_and_weak = responses([curve, curve, 1e-3 * curve, 1e-3 * curve])
    apart = replace(strong_and_weak, layers=(slice(0, 2), slice(2, 4)))
    status = np.full(4, "ok", dtype=object)
    for given, expected in ((strong_and_weak, ["ok", "ok", "unresponsive", "unresponsive"]), (apart, ["ok"] * 4)):
        found = unit_columns(given, Rules(), status=status, permutations=0, seed=0)
        assert found["status"].tolist() == expected


def test_a_layer_of_dead_units_is_unresponsive_throughout():
    assert columns([np.zeros(12)] * 3)["status"].tolist() == ["unresponsive"] * 3
