import leavitt
import numpy as np
import pandas as pd
import pytest
from claims import FAILS, HOLDS, UNDECIDED, Claim, Interval, between, points, verdict, write_page
from off_axis import largest_readout_si


def test_an_interval_is_students_t():
    interval = Interval.of([1.0, 2.0, 3.0])  # standard error 1 / sqrt(3), t(0.975, 2) = 4.3027
    assert (interval.mean, interval.seeds) == (2, 3)
    assert interval.high - 2 == pytest.approx(4.30265 / 3**0.5, abs=1e-4)
    assert interval.low == pytest.approx(4 - interval.high)


def test_one_seed_decides_nothing():
    interval = Interval.of([0.5])
    assert not interval.inside(1.0)
    assert verdict(interval, "above") == UNDECIDED
    assert interval.show() == "0.500, one seed"


@pytest.mark.parametrize(
    ("values", "wanted", "found"),
    [([1, 1.1, 0.9], "above", HOLDS), ([1, 1.1, 0.9], "below", FAILS), ([-1, 1, 0.5], "below", UNDECIDED)],
)
def test_a_claim_holds_where_its_interval_lies_where_it_says(values, wanted, found):
    assert verdict(Interval.of(values), wanted) == found


def test_no_change_takes_a_whole_interval_inside_the_margin():
    assert Interval(0.001, -0.004, 0.006, 3).inside(0.006)
    assert not Interval(0.001, -0.004, 0.006, 3).inside(0.005)


@pytest.mark.parametrize(
    ("low", "high", "found"), [(0.01, 0.02, HOLDS), (0.0, 0.02, UNDECIDED), (0.04, 0.05, FAILS), (-0.2, 0.0, FAILS)]
)
def test_about_is_between_two_bounds(low, high, found):
    assert between(Interval((low + high) / 2, low, high, 3), 0.01, 0.03) == found


def verdicts(runs):
    """Return what becomes of each claim, from (accuracy, si, dead) at each alpha, a seed each."""
    table = pd.DataFrame(
        {
            (alpha, seed): {"accuracy": accuracy, "si": si, "si_live": si, "dead": dead}
            for alpha, seeds in runs.items()
            for seed, (accuracy, si, dead) in enumerate(seeds)
        }
    ).T.rename_axis(["alpha", "seed"])
    return {claim.text.split(" (")[0]: claim.verdict for claim in leavitt.claims_of(table)}


def test_claims_on_paper():
    without = [(0.90, 0.30, 0.0), (0.91, 0.30, 0.0)]
    none = [(0.90, 0.10, 0.0), (0.91, 0.10, 0.0)]  # a third of the si, at no cost
    least = [(0.88, 0.02, 0.2), (0.89, 0.02, 0.2)]  # a fifteenth, for 2 points and a fifth of the units
    found = verdicts({-2: least, -1: none, 0: without, 1: [(0.85, 0.5, 0.0), (0.86, 0.5, 0.0)]})
    assert found == {
        "Mean si rises with alpha": HOLDS,
        "... and so it does without the dead units": HOLDS,
        "si can be cut 2.5-fold at no cost": HOLDS,
        "si near zero": HOLDS,
        "Promoting selectivity lowers accuracy": HOLDS,
        "At a strength of 1 promoting costs more than discouraging": HOLDS,
        "Dead units do not account for the fall of si": FAILS,
    }
    assert verdicts({-2: least, 0: without})["si can be cut 2.5-fold at no cost"] == FAILS


def test_a_milder_strength_that_tells_nothing_leaves_no_cost_undecided():
    noisy = [(0.80, 0.10, 0.0), (1.0, 0.10, 0.0)]
    found = verdicts({-2: [(0.70, 0.05, 0.0), (0.71, 0.05, 0.0)], -1: noisy, 0: [(0.90, 0.3, 0.0), (0.91, 0.3, 0.0)]})
    assert found["si can be cut 2.5-fold at no cost"] == UNDECIDED


def test_one_seed_leaves_costs_and_dead_units_undecided():
    found = verdicts({-1: [(0.88, 0.02, 0.0)], 0: [(0.90, 0.3, 0.0)]})
    assert found["si near zero"] == UNDECIDED
    assert found["Dead units do not account for the fall of si"] == UNDECIDED


def test_the_page_has_a_row_a_claim(tmp_path):
    place = tmp_path / "new" / "page.md"
    write_page(place, "A title", "What was done.", [Claim("It rises", points(Interval(0.012, 0.002, 0.022, 3)), HOLDS)])
    assert "| It rises | 1.2 points [0.2, 2.2] | **holds** |" in place.read_text(encoding="utf-8")


def test_a_readout_off_the_axes_is_found():
    rng, labels = np.random.default_rng(0), np.arange(300) % 3
    shared = rng.uniform(1, 2, (300, 1))
    units = np.hstack([shared + 0.5 * (labels == 1)[:, None], shared])  # each alone: si of 0.14 and of about 0
    assert largest_readout_si(units, labels) == pytest.approx(1, abs=1e-6)


def test_no_readout_is_better_than_the_one_unit_there_is():
    labels = np.arange(60) % 3
    unit = np.where(labels == 0, 3.0, 1.0)[:, None]
    assert largest_readout_si(unit, labels) == pytest.approx(0.5, abs=1e-6)  # by hand: means 3, 1, 1


def test_noise_has_no_selective_readout():
    rng, labels = np.random.default_rng(0), np.arange(4000) % 4
    assert largest_readout_si(rng.uniform(1, 2, (4000, 3)), labels) < 0.05
