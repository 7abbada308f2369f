import numpy as np
import pytest
from claims import FAILS, HOLDS, UNDECIDED, Claim, Interval, points, verdict, write_page
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
