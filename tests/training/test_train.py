import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from planted_photographs import planted, small_network, small_sets
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.testing import assert_close

import neuroprobe
from neuroprobe.networks.expected import expected_input
from neuroprobe.training.recipes import RECIPES, Recipe
from neuroprobe.training.run_folder import write_weights
from neuroprobe.training.train import load_run

RECIPE = Recipe("small", epochs=4, batch_size=15, lr=0.02, optimiser="adamw", schedule="one-cycle", flip=True)
CPU = {"accelerator": "cpu"}


def train(out, network=None, data=None, **arguments):
    settings = {"recipe": RECIPE, "trainer": CPU, "progress": False} | arguments
    return neuroprobe.train(network or small_network(), data or small_sets(), out=out, **settings)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("run"), alpha=-1, validation=0.2, keep_every=2)


def test_what_is_planted_is_learned(run):
    assert run.test["accuracy"] >= 0.9
    assert run.history.train_loss.iloc[-1] < run.history.train_loss.iloc[0]
    assert repr(run) == f"TrainingRun(Sequential, 4 epochs, test accuracy {run.test['accuracy']:.1%}, {run.folder})"


def test_the_history_has_a_row_an_epoch(run):
    assert run.history.index.tolist() == [1, 2, 3, 4]
    assert run.history.alpha.tolist() == [-1] * 4
    assert run.history.orientation_alpha.tolist() == [0] * 4
    assert run.history[["train_loss", "val_loss", "val_accuracy", "si", "lr"]].notna().all(axis=None)
    assert run.history.gosi.isna().all()
    assert run.summary().index.tolist() == list(dict.fromkeys([1, run.meta["epoch"], 4]))


def test_the_weights_are_those_of_the_best_validation_epoch(run):
    best = int(run.history.val_loss.idxmin())
    assert run.meta["epoch"] == best
    assert not run.network.training
    images, labels = planted(30, seed=1)
    expected = expected_input(run.network)
    mean, std = (torch.tensor(each)[:, None, None] for each in (expected.mean, expected.std))
    with torch.no_grad():
        logits = run.network((images / 255 - mean) / std)
    assert (logits.argmax(1) == labels).double().mean().item() == run.test["accuracy"]
    assert nn.functional.cross_entropy(logits, labels).item() == pytest.approx(run.test["loss"], rel=1e-5)


def test_the_folder_holds_it_all(run):
    assert sorted(str(path.relative_to(run.folder)) for path in run.folder.rglob("*.*") if path.is_file()) == [
        ".lock", "checkpoints/best.safetensors", "checkpoints/last.ckpt", "epochs/epoch-0000.safetensors",
        "epochs/epoch-0002.safetensors", "epochs/epoch-0004.safetensors", "metrics.csv", "run.json",
        "weights.safetensors",
    ]  # fmt: skip
    with safe_open(run.folder / "weights.safetensors", "pt") as file:
        facts = file.metadata()
    assert facts.keys() == {"mean", "std", "test_accuracy", "test_loss", "epochs", "epoch", "seed"}
    assert json.loads(facts["mean"]) == run.meta["mean"]
    assert float(facts["test_accuracy"]) == run.test["accuracy"]


def test_equal_weights_are_equal_files(tmp_path):
    for name in ("one", "other"):
        write_weights(small_network(), tmp_path / name, {str(number): number for number in range(20)})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert_close(load_file(tmp_path / "one"), dict(small_network().state_dict()))


def test_the_untrained_network_is_kept_too(run):
    untrained = small_network()
    neuroprobe.networks.loading.load_weights(untrained, run.folder / "epochs" / "epoch-0000.safetensors")
    assert_close(untrained.state_dict(), small_network().state_dict())


def test_a_finished_training_is_loaded(run, monkeypatch):
    monkeypatch.setattr("neuroprobe.training.fitting.Fitting.run", lambda _: pytest.fail("it trained"))
    again = train(run.folder, alpha=-1, validation=0.2, keep_every=2)
    other = load_run(run.folder, small_network())
    for loaded in (again, other):
        assert loaded.history.equals(run.history)
        assert (loaded.test, loaded.meta) == (run.test, run.meta)
        assert_close(loaded.network.state_dict(), run.network.state_dict(), rtol=0, atol=0)


def test_what_a_finished_training_did_not_keep_is_said(tmp_path, caplog):
    options = {"recipe": replace(RECIPE, epochs=1)}
    train(tmp_path / "run", **options)
    train(tmp_path / "run", keep_every=1, **options)
    assert f"keep_every=1: the training in {tmp_path / 'run'} was finished without" in caplog.text


def test_training_learns_in_inference_mode_too(tmp_path):
    options = {"recipe": replace(RECIPE, epochs=1), "alpha": -1}
    with torch.inference_mode():
        within = train(tmp_path / "within", **options)
    outside = train(tmp_path / "outside", **options)
    assert_close(within.network.state_dict(), outside.network.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("travelled", [copy.deepcopy, lambda run: pickle.loads(pickle.dumps(run))])  # noqa: S301
def test_a_run_survives_copy_and_pickle(run, travelled):
    other = travelled(run)
    assert other.history.equals(run.history)
    assert (other.test, other.meta, other.folder) == (run.test, run.meta, run.folder)
    assert_close(other.network.state_dict(), run.network.state_dict(), rtol=0, atol=0)


def test_numbers_of_numpy_are_the_same_training(tmp_path):
    one = {"recipe": replace(RECIPE, epochs=1), "validation": 0.5}
    trained = train(
        tmp_path / "run", seed=np.int64(3), images=np.int32(30), patience=np.int64(1), alpha=np.ones(1), **one
    )
    assert (trained.meta["seed"], trained.meta["images"], trained.meta["patience"]) == (3, 30, 1)
    assert trained.history.alpha.tolist() == [1]
    again = train(tmp_path / "run", seed=3, images=30, patience=1, alpha=np.ones(1), **one)
    assert again.history.equals(trained.history)


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_the_network_is_of_one_precision_whatever_it_was_trained_in(tmp_path, precision):
    options = {"trainer": CPU | {"precision": precision}, "recipe": replace(RECIPE, epochs=1)}
    trained, loaded = (train(tmp_path / "run", **options).network for _ in range(2))
    assert {weight.dtype for weight in trained.parameters()} == {torch.float32}
    assert_close(trained.state_dict(), loaded.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("setting", ["deterministic", "benchmark"])
def test_torch_works_as_before_a_training(tmp_path, setting):
    train(tmp_path / "run", trainer=CPU | {setting: True}, recipe=replace(RECIPE, epochs=1))
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark


def test_a_network_of_ones_own_is_wanted_to_load_it(run):
    with pytest.raises(ValueError, match=rf"{run.folder} holds a Sequential, not one of ours: give network="):
        load_run(run.folder)


def test_a_network_of_another_architecture(run):
    with pytest.raises(ValueError, match=r"not those of this Sequential: 7 unknown \(2\.bias"):
        load_run(run.folder, nn.Sequential(nn.Conv2d(3, 6, 3)))


def test_the_users_network_and_random_state_stay_as_they_are(tmp_path, left_alone):
    network = small_network().train()
    with left_alone(network):
        train(tmp_path / "run", network, recipe=replace(RECIPE, epochs=1))
    assert not hasattr(network, "pretrained_cfg")


def test_alpha_pushes_selectivity(tmp_path):
    si = [train(tmp_path / str(alpha), alpha=alpha).history.si.iloc[-1] for alpha in (-3, [1e-9], 3)]
    assert si[0] < si[1] < si[2]


def test_orientation_alpha_pushes_orientation_selectivity(tmp_path):
    recipe = replace(RECIPE, epochs=8)
    down, up = (
        train(tmp_path / str(alpha), orientation_alpha=alpha, recipe=recipe).history.gosi.iloc[-1] for alpha in (-3, 3)
    )
    assert down < up


def test_schedules_follow_the_epochs(tmp_path):
    run = train(tmp_path / "run", alpha=lambda epoch: -0.5 * epoch)
    assert run.history.alpha.tolist() == [0, -0.5, -1, -1.5]


def test_patience_stops_early(tmp_path):
    recipe = replace(RECIPE, epochs=30, lr=0.5, schedule="constant")  # too fast to stay where it is best
    run = train(tmp_path / "run", validation=0.3, patience=2, recipe=recipe)
    assert len(run.history) == run.meta["epoch"] + 2 < 30
    (run.folder / "weights.safetensors").unlink()  # as if killed at the end: nothing more is learned
    again = train(tmp_path / "run", validation=0.3, patience=2, recipe=recipe)
    assert again.history.equals(run.history)
    assert_close(again.network.state_dict(), run.network.state_dict(), rtol=0, atol=0)


def test_dropout_is_the_same_each_time(tmp_path):
    torch.manual_seed(5)
    one = train(tmp_path / "one", recipe=replace(RECIPE, epochs=2))
    torch.manual_seed(6)
    other = train(tmp_path / "other", recipe=replace(RECIPE, epochs=2))
    assert_close(one.network.state_dict(), other.network.state_dict(), rtol=0, atol=0)


def test_recipes_build_their_network_by_the_seed(tmp_path):
    data = {name: planted(count, size=32) for name, count in (("train", 36), ("test", 6))}
    recipe = replace(RECIPES["cnn7"], epochs=1, batch_size=12)
    runs = [train(tmp_path / str(seed), "cnn7", data, recipe=recipe, seed=seed) for seed in (0, 1)]
    assert runs[0].meta["initial_weights"] != runs[1].meta["initial_weights"]
    loaded = load_run(tmp_path / "0")
    assert_close(loaded.network.state_dict(), runs[0].network.state_dict(), rtol=0, atol=0)
    assert loaded.network.fc2.out_features == 3


def test_real_photographs_are_learned(photographs, tmp_path):
    images, labels = (photographs[0] * 255).round().byte(), photographs[1]
    data = {"train": (images[:1500], labels[:1500]), "test": (images[1500:], labels[1500:])}
    run = train(tmp_path / "run", "cnn7", data, recipe=replace(RECIPES["cnn7"], epochs=4, batch_size=50))
    assert run.test["accuracy"] > 0.3  # chance is 0.1, its standard error here 0.013


def test_photographs_of_a_folder(photographs, tmp_path):
    from torchvision.transforms.functional import to_pil_image

    for name, start, count in (("train", 0, 60), ("test", 60, 20)):
        for number, image in enumerate(photographs[0][start : start + count]):
            place = tmp_path / "data" / name / ("even", "odd")[number % 2]
            place.mkdir(parents=True, exist_ok=True)
            to_pil_image(image).save(place / f"{number}.png")
    recipe = replace(RECIPES["cnn7"], epochs=1, batch_size=20)
    run = train(tmp_path / "run", "cnn7", tmp_path / "data", recipe=recipe, images=40)
    assert run.meta["classes"] == ["even", "odd"]
    assert run.meta["data"]["train"]["photographs"] == 40
    assert run.meta["data"]["test"]["photographs"] == 20


def test_a_tracker_comes_along(tmp_path):
    tracker = neuroprobe.UnitTracker((planted(30, seed=1)[0] / 255, planted(30, seed=1)[1]), every=2, layers=["1"])
    run = train(tmp_path / "run", track=tracker)
    assert run.development.epochs.index.tolist() == [0, 2, 4]
    assert run.development.epochs.accuracy.iloc[-1] == pytest.approx(run.test["accuracy"])
    assert run.development.units.equals(tracker.result.units)


class Noting(Callback):
    result = "a callback's own"


def test_a_callback_may_have_a_result_of_its_own(tmp_path):
    assert train(tmp_path / "run", track=Noting(), recipe=replace(RECIPE, epochs=1)).development is None


class Rows(nn.Module):
    """Looks at its maps as rows, which do not lie so where images are channels last."""

    def forward(self, maps):
        return maps.view(len(maps), -1)


def test_a_network_that_takes_views_learns(tmp_path):
    network = small_network()
    network[3] = Rows()
    assert train(tmp_path / "run", network).test["accuracy"] >= 0.5
