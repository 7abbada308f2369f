"""What a training says of input that does not fit, and what is left on the disk where it is stopped."""

import errno
import os
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
import torch
from planted_photographs import planted, small_network, small_sets
from torch import nn
from torch.testing import assert_close

import neuroprobe
from neuroprobe import folders
from neuroprobe.training.recipes import RECIPES, Recipe
from neuroprobe.training.run_folder import RunFolder

RECIPE = Recipe("small", epochs=3, batch_size=20, lr=0.05)


def train(out, network=None, **arguments):
    settings = {"recipe": RECIPE, "trainer": {"accelerator": "cpu"}, "progress": False} | arguments
    return neuroprobe.train(network or small_network(), settings.pop("data", small_sets()), out=out, **settings)


def tracker(**arguments):
    images, labels = small_sets()["test"]
    return neuroprobe.UnitTracker((images / 255, labels), orientation=False, **arguments)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": float("nan")}, ValueError, "alpha must be a finite number; nan came"),
        ({"alpha": [0, float("inf")]}, ValueError, "alpha of epoch 1 must be a finite number; inf came"),
        ({"orientation_alpha": float("-inf")}, ValueError, "a finite number; -inf came"),
        ({"recipe": "cnn8"}, ValueError, "no recipe 'cnn8'; the nearest are 'cnn7'"),
        ({"seed": -1}, ValueError, "seed must be a whole number from 0; -1 came"),
        ({"patience": 2}, ValueError, r"patience=2 .* there is none: give validation=0\.1"),
        ({"patience": 0, "validation": 0.2}, ValueError, "patience must be a whole number from 1; 0 came"),
        ({"trainer": {"acelerator": "cpu"}}, ValueError, r"does not take \{'acelerator': 'cpu'\}"),
        ({"trainer": {"accelerator": "abacus"}}, ValueError, "does not take .*abacus"),
        ({"trainer": ["gpu"]}, TypeError, r"such as \{'accelerator': 'gpu'\}; list came"),
        ({"recipe": {"epochs": 3}}, TypeError, "recipe must be a Recipe, .*; dict came: make a variant"),
        ({"images": 20.5}, ValueError, r"images must be a whole number from 0; 20\.5 came"),
        ({"track": None}, TypeError, r"callbacks of lightning\.pytorch, \(\) for none; NoneType came"),
        ({"track": [tracker(), tracker()]}, ValueError, "track takes one UnitTracker at most; 2 came"),
        ({"trainer": {"max_epochs": 3}}, ValueError, r"trainer=\{'max_epochs': \.\.\.\} .* it is the recipe's"),
        ({"trainer": {"max_steps": 3}}, ValueError, r"'max_steps': \.\.\.\} .* the recipe's, by its epochs"),
        ({"trainer": {"fast_dev_run": True}}, ValueError, "always off: make the recipe short"),
        ({"trainer": {"limit_train_batches": 0}}, ValueError, r"'limit_train_batches': 0\} leaves no photographs"),
        ({"trainer": {"limit_test_batches": 0.0}}, ValueError, r"'limit_test_batches': 0\} leaves no photographs"),
        ({"trainer": {"max_time": timedelta(0)}}, ValueError, r"stopped before the first epoch .* allow it more"),
        ({"network": small_network().requires_grad_(False)}, ValueError, "all of this Sequential are frozen"),
        ({"network": nn.Conv2d(3, 4, 3)}, ValueError, r"3 classes or more\), .* Conv2d gives \(2, 4, 6, 6\)"),
        ({"network": nn.Sequential(nn.Flatten(), nn.Linear(192, 2))}, ValueError, r"Sequential gives \(2, 2\)"),
        ({"network": nn.Linear(5, 3)}, RuntimeError, r"given images of shape \(2, 3, 8, 8\)"),
        ({"network": "cnn77"}, ValueError, "no recipe 'cnn77'; the nearest are 'cnn7'"),
        ({"network": 3}, TypeError, "int came"),
    ],
)
def test_errors_come_before_anything_is_written(out, arguments, error, message):
    with pytest.raises(error, match=message):
        train(out, **arguments)
    assert not out.exists()


def test_without_lightning(out, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    with pytest.raises(ImportError, match=r'training needs Lightning: pip install "neuroprobe\[train\]"'):
        train(out)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"alpha": -2}, "alpha: 0.0 there, -2 came"),
        ({"seed": 1}, "seed: 0 there, 1 came"),
        ({"recipe": replace(RECIPE, lr=0.1)}, "recipe.lr: 0.05 there, 0.1 came"),
        ({"data": {"train": planted(57), "test": planted(30)}}, "data.train.photographs: 60 there, 57 came"),
        ({"network": nn.Sequential(nn.Flatten(), nn.Linear(192, 3))}, "architecture: '.*' there, '.*' came"),
    ],
)
def test_a_training_by_other_options_is_refused(out, other, difference):
    stopped_after_an_epoch(out)
    with pytest.raises(FileExistsError, match=f"{out} holds a training by other options:(.|\n)*{difference}"):
        train(out, **other)


def test_what_a_callback_wrote_outlasts_a_training_that_failed_early(tmp_path):
    folder = RunFolder(tmp_path / "run")

    def run():
        with folder.locked():
            (folder.place / "mine.txt").write_text("precious")
            raise ValueError("early")

    with pytest.raises(ValueError, match="early"):
        run()
    assert (folder.place / "mine.txt").read_text() == "precious"


def test_a_tracker_of_other_things_is_refused(out):
    train(out, track=tracker())
    with pytest.raises(FileExistsError, match=r"track.*every=1, .* there, .*every=2, .* came"):
        train(out, track=tracker(every=2))


def test_no_weights_of_another_training_stay_where_one_begins(out):
    folder = RunFolder(out)
    folder.begin({"seed": 0})
    folders.write_whole(folder.epoch(0), b"untrained")
    folder.begin({"seed": 1})
    assert not folder.epoch(0).exists()
    folders.write_whole(folder.epoch(1), b"learned")  # then its checkpoint was damaged, and removed
    with pytest.raises(FileExistsError, match="seed: 1 there, 2 came"):
        folder.begin({"seed": 2})
    assert folder.epoch(1).exists()


def stopped_after_an_epoch(out, **arguments):
    """Train until the second checkpoint, which a full disk does not take."""
    written = []

    def write(place, content):
        written.append(place.name)
        if written.count("last.ckpt") == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        folders.write_whole(place, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neuroprobe.training.whole_checkpoints.write_whole", write)
        with pytest.raises(OSError, match="No space left") as raised:
            train(out, **arguments)
    return raised.value


def test_a_full_disk_loses_nothing_that_was_on_it(out, tmp_path):
    stopped = stopped_after_an_epoch(out)
    assert stopped.__notes__ == [f"1 epoch is safe in {out}: the same call goes on from there"]
    resumed, undisturbed = train(out), train(tmp_path / "undisturbed")
    assert resumed.history.equals(undisturbed.history)
    assert_close(resumed.network.state_dict(), undisturbed.network.state_dict(), rtol=0, atol=0)


class Bomb(nn.Module):
    """Gives what it gets, but for NaN in the fifth training step."""

    def __init__(self):
        super().__init__()
        self.steps = 0

    def forward(self, images):
        self.steps += self.training
        return images * (torch.nan if self.steps >= 5 else 1)


def test_a_loss_that_becomes_nan_names_the_layer_and_keeps_the_last_epoch(out):
    network = nn.Sequential(*small_network()[:2], Bomb(), nn.Flatten(), nn.Linear(216, 3))
    message = r"nan in epoch 2, step 5: the output of '2' \(Bomb\) is the first that is not finite\. Begin another"
    with pytest.raises(RuntimeError, match=message) as raised:
        train(out, network)
    assert raised.value.__notes__ == [f"1 epoch is safe in {out}: the same call goes on from there"]
    checkpoint = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3
    assert all(torch.isfinite(tensor).all() for tensor in checkpoint["state_dict"].values())


class Auxiliary(nn.Sequential):
    """Gives two outputs in training, as some networks of torchvision do."""

    def forward(self, images):
        logits = super().forward(images)
        return (logits, logits) if self.training else logits


def test_a_network_that_gives_more_in_training(out):
    with pytest.raises(TypeError, match="in training as in eval mode, is wanted; Auxiliary gives tuple"):
        train(out, Auxiliary(nn.Flatten(), nn.Linear(192, 3)))


class Root(torch.autograd.Function):
    """Gives what it gets, and a gradient that is not finite."""

    @staticmethod
    def forward(_context, value):
        return value.clone()

    @staticmethod
    def backward(_context, gradient):
        return gradient / 0


class Steep(nn.Module):
    def forward(self, images):
        return Root.apply(images)


def test_a_gradient_that_is_not_finite_is_named(out):
    network = nn.Sequential(*small_network()[:2], Steep(), nn.Flatten(), nn.Linear(216, 3))
    with pytest.raises(RuntimeError, match=r"in epoch 1, step 1: the gradient of '0\.bias' is the first"):
        train(out, network)


def test_a_batch_of_one_class_learns_all_the_same(out):
    images, labels = planted(60)
    labels = (torch.arange(60) == 0).long()  # nearly all batches hold a single class
    run = train(out, data={"train": (images, labels), "test": (images, labels)}, alpha=-1)
    assert run.history.train_loss.notna().all()
    assert run.history.si.notna().all()  # of the batches that have two


def test_another_call_at_the_same_folder(out):
    with RunFolder(out).locked(), pytest.raises(BlockingIOError, match=f"{out} is being written by another process"):
        train(out)


def test_something_else_in_the_folder(out):
    out.mkdir()
    (out / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError, match=r"holds no training \(thesis\.txt\): choose another folder"):
        train(out)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    with pytest.raises(FileExistsError, match=r"thesis\.txt is a file: choose a folder for out="):
        train(out / "thesis.txt")


def test_an_unfinished_training_is_not_loaded(out):
    stopped_after_an_epoch(out)
    with pytest.raises(FileNotFoundError, match=f"the training in {out} is not finished: call neuroprobe.train"):
        neuroprobe.training.train.load_run(out)
    with pytest.raises(FileNotFoundError, match=rf"{out}/nowhere holds no training"):
        neuroprobe.training.train.load_run(out / "nowhere")


def test_ctrl_c_comes_through_as_itself(out, monkeypatch):
    import signal

    class Interrupted(Bomb):
        def forward(self, images):
            self.steps += self.training
            if self.steps == 5:
                signal.raise_signal(signal.SIGINT)
            return images

    network = nn.Sequential(*small_network()[:2], Interrupted(), nn.Flatten(), nn.Linear(216, 3))
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as raised:
        train(out, network)
    assert raised.value.__notes__ == [f"1 epoch is safe in {out}: the same call goes on from there"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_sizes_of_recipes_are_kept(out):
    with pytest.raises(RuntimeError, match=r"given images of shape \(2, 3, 8, 8\)"):
        train(out, "cnn7", recipe=RECIPES["cnn7"])
