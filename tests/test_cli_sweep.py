"""``neuroprobe sweep`` on a few photographs of noise."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for name in ("train/cat", "train/dog", "test/cat", "test/dog"):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photographs" / name / f"{number}.png")
    return tmp_path / "photographs"


@pytest.fixture
def run(folder, tmp_path):
    def call(*arguments):
        places = ["--data", folder, "--out", tmp_path / "runs"]
        ran = CliRunner().invoke(app, ["sweep", "cnn7", *map(str, [*places, *arguments])])
        return ran.exit_code, ran.output

    return call


def test_it_trains_the_grid_prints_a_row_an_alpha_and_writes_the_result(run, tmp_path):
    quick = ["--epochs", 1, "--batch-size", 12, "--accelerator", "cpu"]
    code, printed = run("--alpha", -0.001, "--alpha", 0, *quick)
    assert code == 0, printed
    assert "Sweep(cnn7, class penalty, 2 alphas from -0.001 to 0, 1 seeds)" in printed
    assert "│ -0.001 │" in printed
    assert "2 rows in" in printed
    swept = neuroprobe.load(tmp_path / "runs" / "sweep.zarr")
    table = pd.read_csv(tmp_path / "runs" / "table.csv", index_col=["alpha", "seed"])
    assert table.to_numpy() == pytest.approx(swept.table.to_numpy())
    assert (tmp_path / "runs" / "overview.png").read_bytes().startswith(b"\x89PNG")
    code, printed = run("--alpha", -0.001, "--alpha", 0, "--alpha", 1, *quick)  # what is there is added to
    assert code == 0, printed
    assert neuroprobe.load(tmp_path / "runs" / "sweep.zarr").alphas == [-0.001, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--alpha", "nan"], "alphas must be finite numbers; nan came"),
        (["--alpha", "0", "--penalty", "colour"], "penalty must be one of 'class', 'orientation'; 'colour' came"),
        (["--alpha", "0", "--recipe", "cnn8"], "no recipe 'cnn8'"),
    ],
)
def test_errors_are_one_message_without_a_traceback(run, arguments, message):
    code, printed = run(*arguments)
    assert code == 1
    assert message in printed
    assert "Traceback" not in printed


def test_alphas_are_asked_for(run):
    assert run()[0] == 2
