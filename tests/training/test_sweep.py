"""A grid of trainings: which runs are made, and what is measured of them."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal
from planted_photographs import small_network, small_sets

import neuroprobe
from neuroprobe.results import TrainingRun
from neuroprobe.saying import say_once
from neuroprobe.training import sweep as swept
from neuroprobe.training.recipes import RECIPES

CPU = {"accelerator": "cpu"}
QUICK = replace(RECIPES["cnn7"], epochs=1, batch_size=30, max_shift=0, flip=False)


@pytest.fixture
def trained(monkeypatch):
    """Take the place of training: the network, its last unit dead at alpha = -1; note what was asked for."""
    asked = []

    def train(network, data, *, out, seed, **options):
        asked.append({"folder": out.name, "seed": seed} | options)
        torch.manual_seed(seed)
        made = small_network()
        if -1 in (options.get("alpha"), options.get("orientation_alpha")):
            made[0].weight.data[-1], made[0].bias.data[-1] = 0, -1
        meta = {"network": "small", "recipe": {}, "classes": ["0", "1", "2"], "images": None, "corrupted": 0.0}
        return TrainingRun(made.eval(), None, {}, meta, out)

    monkeypatch.setattr(swept, "train", train)
    return asked


def run(out, alphas=(0, -1), seeds=2, **options):
    return neuroprobe.sweep(alphas, seeds, small_network(), small_sets(), out=out, trainer=CPU, **options)


def test_every_strength_is_trained_from_every_seed_in_a_folder_of_its_own(trained, tmp_path):
    found = run(tmp_path, [0, -0.5], [7, 3], layers=["1"], images=30, corrupted=0.2, recipe=QUICK)
    folders = ["alpha=-0.5,seed=3", "alpha=-0.5,seed=7", "alpha=0,seed=3", "alpha=0,seed=7"]
    assert [asked["folder"] for asked in trained] == folders
    assert [(asked["alpha"], asked["seed"]) for asked in trained] == [(-0.5, 3), (-0.5, 7), (0, 3), (0, 7)]
    same = {"layers": ["1"], "images": 30, "corrupted": 0.2, "recipe": QUICK, "trainer": CPU}
    assert all(asked[name] == value for asked in trained for name, value in same.items())
    assert found.table.index.tolist() == [(-0.5, 3), (-0.5, 7), (0, 3), (0, 7)]


def test_strengths_that_hardly_differ_have_folders_of_their_own(trained, tmp_path):
    run(tmp_path, [1, 1.0000001], 1)
    assert [asked["folder"] for asked in trained] == ["alpha=1,seed=0", "alpha=1.0000001,seed=0"]


def test_alphas_and_seeds_of_any_kind(trained, tmp_path):
    assert run(tmp_path, (alpha / 2 for alpha in (0, 1)), np.arange(2)).table.index.tolist() == [
        (0, 0), (0, 1), (0.5, 0), (0.5, 1)
    ]  # fmt: skip
    assert run(tmp_path, 0.5, range(3, 4)).table.index.tolist() == [(0.5, 3)]


def test_orientation_has_a_dial_and_layers_of_its_own(trained, tmp_path):
    found = run(tmp_path, [-1], 1, penalty="orientation", layers=["1"])
    assert (trained[0]["orientation_alpha"], trained[0]["orientation_layers"]) == (-1, ["1"])
    assert not {"alpha", "layers"} & trained[0].keys()
    assert (found.index, found.meta["penalty"]) == ("gosi", "orientation")


def test_too_few_photographs_to_measure_on_are_said(trained, tmp_path, caplog):
    say_once.cache_clear()
    test = small_sets()["test"]
    few = torch.cat([(test[1] == label).nonzero()[:9, 0] for label in range(3)])
    with caplog.at_level(logging.WARNING, "neuroprobe"):
        found = run(tmp_path, [0], 1, measure=(test[0][few] / 255, test[1][few]))
    assert found.table.si.isna().all()
    assert "two classes with ten photographs each; give more by measure=" in caplog.text


def test_runs_are_measured_on_the_test_photographs(trained, tmp_path):
    found = run(tmp_path)
    images, labels = small_sets()["test"]
    network = small_network()
    network[0].weight.data[-1], network[0].bias.data[-1] = 0, -1
    data = images / 255, labels
    classes = neuroprobe.class_selectivity(network, data, permutations=0, preset="leavitt2020")
    row = found.table.loc[(-1, 0)]
    assert row["si"] == pytest.approx(classes.mean_si, rel=1e-5)  # the dead one as 0
    assert row["si_live"] == pytest.approx(classes.mean_si * 6 / 5, rel=1e-5)
    assert row["dead"] == pytest.approx(1 / 6)
    tuning = neuroprobe.orientation(network, input_size=8, permutations=0)
    assert row["gosi"] == pytest.approx(tuning.units.gosi.mean(), rel=1e-5)
    logits = network.eval()(neuroprobe.preparation.normaliser([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(data[0]))
    assert row["accuracy"] == pytest.approx((logits.argmax(1) == labels).float().mean().item())
    assert found.table.dead[0].tolist() == [0, 0]
    assert found.layers.loc[(-1, 0, "1")].to_dict() == pytest.approx(
        {"units": 6} | row[["si", "si_live", "dead", "gosi"]].to_dict()
    )
    assert found.curves["1"].status.sel(alpha=-1, seed=0).to_numpy().tolist() == ["ok"] * 5 + ["dead"]


def test_runs_are_measured_on_photographs_of_ones_own(trained, tmp_path):
    images, labels = small_sets()["train"]
    on_test, on_own = run(tmp_path), run(tmp_path, measure=(images / 255, labels))
    assert on_own.meta["measured"]["images_per_class"] == [20, 20, 20]
    assert on_test.meta["measured"]["images_per_class"] == [10, 10, 10]
    assert (on_own.table.loss != on_test.table.loss).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alphas": [0, float("nan")]}, "alphas must be finite numbers; nan came"),
        ({"alphas": [0, float("inf")]}, "alphas must be finite numbers; inf came"),
        ({"alphas": ["1"]}, "alphas must be finite numbers; '1' came"),
        ({"alphas": []}, r"alphas must be one or more, each once; \[\] came"),
        ({"alphas": [0, -0.0]}, r"alphas must be one or more, each once; \[0.0, 0.0\] came"),
        ({"seeds": 0}, "seeds must be a whole number from 1; 0 came"),
        ({"seeds": [1, 1]}, r"seeds must be one or more, each once; \[1, 1\] came"),
        ({"seeds": [0.5]}, "each of seeds must be a whole number from 0; 0.5 came"),
        ({"penalty": "colour"}, "penalty must be one of 'class', 'orientation'; 'colour' came"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(trained, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, **options)
    assert not trained


def test_more_seeds_are_added_to_those_that_are_there(tmp_path):
    first = run(tmp_path, [0, -1], 1, recipe=QUICK, progress=False)
    weights = tmp_path / "alpha=-1,seed=0" / "weights.safetensors"
    written = weights.stat().st_mtime_ns
    both = run(tmp_path, [0, -1], 2, recipe=QUICK, progress=False)
    assert weights.stat().st_mtime_ns == written
    assert_frame_equal(both.table.xs(0, level="seed"), first.table.xs(0, level="seed"), check_exact=True)
    assert {path.name for path in tmp_path.iterdir()} == {f"alpha={a},seed={s}" for a in (-1, 0) for s in (0, 1)}


def test_the_dial_turns_cnn7_on_real_photographs(photographs, tmp_path):
    images, labels = photographs
    data = {"train": (images[:400], labels[:400]), "test": (images[400:700], labels[400:700])}
    recipe = replace(RECIPES["cnn7"], epochs=3, batch_size=40)
    found = neuroprobe.sweep([-20, 20], 1, "cnn7", data, out=tmp_path, recipe=recipe, trainer=CPU, progress=False)
    si = found.table.si.droplevel("seed")
    assert si[20] > si[-20] + 0.1
    assert np.isfinite(found.layers.to_numpy(dtype=float)).all()
