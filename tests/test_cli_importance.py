import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app


@pytest.fixture
def photographs_on_disk(photographs, tmp_path):
    for number, pixels in enumerate(photographs[0][:4]):
        folder = tmp_path / "photographs" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "photographs"


def run(*arguments):
    result = CliRunner().invoke(app, ["importance", *map(str, arguments)])
    return result.exit_code, result.output


def test_it_prints_a_table_and_writes_the_result(photographs_on_disk, tmp_path):
    methods = ["--method", "gradient_x_activation", "--method", "deeplift"]
    code, printed = run(
        "cnn7",
        "--data",
        photographs_on_disk,
        *methods,
        "--layers",
        "relu2",
        "--layers",
        "relu7",
        "--out",
        tmp_path / "out",
    )
    assert code == 0, printed
    assert "cnn7: 544 units, 4 images, gradient_x_activation of the logit" in printed
    assert "sum of deeplift" in printed
    scores = neuroprobe.load(tmp_path / "out" / "importance.zarr")
    table = pd.read_csv(tmp_path / "out" / "units.csv", index_col=["layer", "unit"])
    assert table.deeplift.to_numpy() == pytest.approx(scores.units.deeplift.to_numpy())


def test_errors_are_one_message(photographs_on_disk):
    code, printed = run("cnn7", "--data", photographs_on_disk, "--method", "shap")
    assert code == 1
    assert "'shap' came" in printed
    assert "Traceback" not in printed
