"""Areas, intervals and standing among chance: values by hand."""

import numpy as np
import pytest
import torch

from neuroprobe.analysis.bootstrap import Bootstrap
from neuroprobe.analysis.outcomes import Outcomes
from neuroprobe.analysis.sweeps import FRACTION, SCALE, Sweep, all_curves, among
from neuroprobe.data import Batch


def curves_of(answers, rows, *, axis=FRACTION, levels=(0, 0.5, 1), orders=("top", "random")):
    """The curves of trials that answer so, (1 + trials, images), where all images are of class 1."""
    rows = np.asarray(rows)
    sweep = Sweep("fc", 4, axis, np.array(levels), np.arange(len(levels)), orders, rows)
    answers = torch.as_tensor(answers)
    bootstrap = Bootstrap(sweep.groups())
    outcomes = Outcomes(len(answers) - 1, bootstrap)
    logits = torch.nn.functional.one_hot(answers, 2).float()
    images = answers.shape[1]
    batch = Batch(torch.zeros(images, 1, 1, 1), torch.ones(images, dtype=torch.long), torch.arange(images))
    outcomes.intact(batch, logits[0])
    outcomes.held(range(len(answers) - 1), logits[1:])
    (curves,) = all_curves([sweep], outcomes, bootstrap)
    return curves


def answers(*shares, images=100):
    """Answers of which a share is right."""
    return np.array([np.arange(images) < share * images for share in shares]).astype(int)


# top: row 1, then 2; random: rows 3 and 4, then both 2
ROWS = [[[0, 1, 2], [-1, -1, -1]], [[0, 3, 2], [0, 4, 2]]]


def test_curves_table_and_dataset_by_hand():
    curves = curves_of(answers(1, 0.5, 0, 0.8, 0.6), ROWS)
    top, random = curves.table_rows()
    assert (top["order"], top["units"], top["fraction"]) == ("top", 4, 0.5)
    assert top["auc"] == pytest.approx(0.5)
    assert random["auc"] == pytest.approx((1 / 2 + 0.7) / 2)
    assert top["delta_accuracy"] == pytest.approx(-0.5)
    assert random["delta_accuracy"] == pytest.approx(-0.3)
    assert top["percentile"] == 0
    assert np.isnan([random["percentile"], top["p_value"]]).all()
    dataset = curves.dataset(["cat", "dog"])
    assert dict(dataset.sizes) == {"order": 2, "repeat": 2, "fraction": 3, "class": 2}
    assert dataset.accuracy.sel(order="random", fraction=0.5).values == pytest.approx([0.8, 0.6])
    assert np.isnan(dataset.accuracy.sel(order="top", repeat=1)).all()
    assert dataset.class_accuracy.sel({"order": "top", "repeat": 0, "class": "dog"}).values.tolist() == [1, 0.5, 0]
    assert np.isnan(dataset.class_accuracy.sel({"class": "cat"})).all()
    assert dataset.delta_accuracy.sel(order="top").values == pytest.approx([0, -0.5, -1])
    assert dataset.loss.sel(order="top", repeat=0, fraction=1).item() == pytest.approx(np.log(1 + np.e))


def test_intervals_hold_the_value_and_are_as_wide_as_the_binomial_says():
    curves = curves_of(answers(1, 0.5, 0, 0.5, 0.5, images=400), ROWS)
    top, random = curves.table_rows()
    width = 2 * 1.96 * (0.25 / 400) ** 0.5
    assert top["delta_accuracy_low"] < -0.5 < top["delta_accuracy_high"]
    assert top["delta_accuracy_high"] - top["delta_accuracy_low"] == pytest.approx(width, rel=0.1)
    assert top["ci_high"] - top["ci_low"] == pytest.approx(width / 2, rel=0.1)  # half the area hangs on it
    assert random["ci_low"] == pytest.approx(top["ci_low"])  # the same images miss in each


def test_a_bootstrap_of_what_does_not_vary_has_no_width():
    curves = curves_of(answers(1, 1, 1, 1, 1), ROWS)
    for row in curves.table_rows():
        assert [row["auc"], row["ci_low"], row["ci_high"]] == pytest.approx([1, 1, 1])
        assert [row["delta_loss_low"], row["delta_loss_high"]] == pytest.approx([0, 0])
    assert next(curves.table_rows())["percentile"] == 50


def test_top_is_set_against_what_is_matched_to_it_and_bottom_is_not():
    rows = [[[0, 1], [-1, -1]], [[0, 2], [-1, -1]], [[0, 3], [0, 4]]]
    curves = curves_of(answers(1, 0, 0.5, 0.1, 0.2), rows, levels=(0, 0.5), orders=("top", "bottom", "matched"))
    top, bottom, matched = curves.table_rows()
    assert top["percentile_matched"] == 0
    assert np.isnan([bottom["percentile_matched"], matched["percentile_matched"], top["percentile"]]).all()


def test_a_scale_is_laid_out_by_its_logarithm_and_the_intact_network_is_not_under_the_curve():
    curves = curves_of(answers(1, 0.8, 0.4, 0), [[[0, 1, 2, 3]]], axis=SCALE, levels=(0, 0.1, 1, 10), orders=("noise",))
    (row,) = curves.table_rows()
    assert row["auc"] == pytest.approx(0.4)
    assert row["scale"] == 1
    assert row["delta_accuracy"] == pytest.approx(-0.6)


@pytest.mark.parametrize(
    ("axis", "levels", "values", "area"),
    [
        (FRACTION, [0, 0.5, 1], [0.7, 0.7, 0.7], 0.7),
        (FRACTION, [0, 0.5], [1, 0], 0.5),
        (FRACTION, [0, 0.1, 1], [1, 0, 0], 0.05),
        (SCALE, [0, 2], [1, 0.3], 0.3),
        (SCALE, [0, 1, 10, 1000], [9, 1, 1, 0], 2 / 3),
    ],
)
def test_areas_by_hand(axis, levels, values, area):
    assert axis.area(np.array(values, dtype=float), np.array(levels, dtype=float)) == pytest.approx(area)


def test_p_is_two_sided_and_only_with_enough_sets():
    others = np.linspace(0, 1, 199)
    assert among(-1, others)[1] == among(2, others)[1] == pytest.approx(0.01)
    assert among(0.5, others) == (50, 1)
    assert among(0.5 + 1e-15, np.full(199, 0.5)) == (50, 1)
    assert np.isnan(among(-1, others[1:])[1])
