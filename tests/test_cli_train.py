"""``neuroprobe train`` on photographs in folders."""

from dataclasses import replace

import pandas as pd
import pytest
from torchvision.transforms.functional import to_pil_image
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app
from neuroprobe.training.recipes import RECIPES
from neuroprobe.training.train import load_run

QUICK = ["--epochs", "2", "--batch-size", "20", "--accelerator", "cpu"]


@pytest.fixture
def run():
    """Run a command; return its exit code and all it printed."""

    def call(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)))
        return result.exit_code, result.output

    return call


@pytest.fixture(scope="module")
def folder(photographs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for name, start, count in (("train", 0, 100), ("test", 100, 20)):
        for number in range(start, start + count):
            place = folder / name / f"class {number % 10}"
            place.mkdir(parents=True, exist_ok=True)
            to_pil_image(photographs[0][number]).save(place / f"{number}.png")
    return folder


def test_train_prints_epochs_and_the_test_accuracy_and_keeps_the_weights(run, folder, tmp_path):
    code, printed = run("train", "cnn7", "--data", folder, "--alpha", "-1", *QUICK, "--out", tmp_path / "run")
    assert code == 0, printed
    trained = load_run(tmp_path / "run")
    assert f"cnn7: {trained.test['accuracy']:.2%} of the test photographs" in printed
    assert "si on batches" in printed
    assert "validation" not in printed  # there is none
    assert (trained.meta["alpha"], trained.meta["recipe"]["batch_size"]) == (-1, 20)
    assert len(pd.read_csv(tmp_path / "run" / "metrics.csv")) == 2


def test_the_same_command_loads_what_is_finished(run, folder, tmp_path, monkeypatch):
    command = ["train", "cnn7", "--data", folder, "--images", "40", *QUICK, "--out", tmp_path / "run"]
    first = run(*command)
    monkeypatch.setattr("neuroprobe.training.fitting.Fitting.run", lambda _: pytest.fail("it trained"))
    assert run(*command) == first
    quick = replace(RECIPES["cnn7"], epochs=2, batch_size=20)
    loaded = neuroprobe.train(
        "cnn7", folder, out=tmp_path / "run", images=40, recipe=quick, trainer={"accelerator": "cpu"}, progress=False
    )
    assert f"{loaded.test['accuracy']:.2%} of the test photographs" in first[1]


def test_a_network_of_ones_own(run, folder, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def network():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(196, 10))\n"
    )
    code, printed = run("train", f"{tmp_path / 'mine.py'}:network", "--data", folder, *QUICK, "--out", tmp_path / "run")
    assert code == 0, printed
    assert "Sequential" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "cnn8"], "no recipe 'cnn8'; the nearest are 'cnn7'"),
        (["train", "cnn7", "--alpha", "nan"], "alpha must be a finite number; nan came"),
        (["train", "cnn7", "--patience", "3"], "patience=3 looks at a validation set, and there is none"),
        (["train", "cnn7", "--images", "1000"], "images must be 2 to 100, the photographs to learn from; 1000 came"),
        (["train", "cnn7", "--accelerator", "abacus"], "abacus"),
        (["train", "cnn7", "--alpha", "1", "--layers", "c9"], "no layer 'c9'"),
        (["train", "cnn7", "--orientation-alpha", "1", "--orientation-layers", "relu1:7"], "no layer 'relu1:7'"),
    ],
)
def test_errors_are_one_message(run, folder, tmp_path, arguments, message):
    code, printed = run(*arguments, "--data", folder, "--out", tmp_path / "run")
    assert code == 1
    assert message in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "run").exists()
