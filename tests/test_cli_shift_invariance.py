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
    for name in ("cat", "dog"):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for number in range(3):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photographs" / name / f"{number}.png")
    return tmp_path / "photographs"


@pytest.fixture
def run():
    def call(*arguments):
        result = CliRunner().invoke(app, ["shift-invariance", *map(str, arguments)])
        return result.exit_code, result.output

    return call


def test_it_prints_layers_and_shifts_and_writes_the_result(run, folder, tmp_path):
    quick = ["--layers", "relu1", "--layers", "relu2", "--max-shift", 2, "--border", "circular"]
    code, printed = run("cnn7", "--data", folder, *quick, "--out", tmp_path / "shift")
    assert code == 0
    assert "cnn7: 64 units, 6 images, accuracy" in printed
    assert "consistency" in printed
    assert "relu2" in printed
    shift = neuroprobe.load(tmp_path / "shift" / "shift_invariance.zarr")
    assert (shift.meta["shifts"], shift.meta["border"]) == ([-2, -1, 1, 2], "circular")
    table = pd.read_csv(tmp_path / "shift" / "units.csv", index_col=["layer", "unit"])
    assert table.pearson.to_numpy() == pytest.approx(shift.units.pearson.to_numpy(), nan_ok=True)
    assert (tmp_path / "shift" / "overview.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--border", "wrap"], "'wrap' came"),
        (["--max-shift", "40"], "a shift of 40 came"),
        (["--border", "crop"], "at least 40x40 pixels; 32x32 came"),
        (["--layers", "relu9"], "no layer 'relu9'"),
    ],
)
def test_errors_are_one_message_without_a_traceback(run, folder, arguments, message):
    code, printed = run("cnn7", "--data", folder, *arguments)
    assert code == 1
    assert message in printed
    assert "Traceback" not in printed


def test_a_folder_is_asked_for(run):
    assert run("cnn7")[0] == 2
