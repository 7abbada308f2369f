"""`neuroprobe ablate`: what it ranks by, prints and writes."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torchvision.utils import save_image
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory, photographs):
    """Forty photographs in sub-folders of their classes."""
    place = tmp_path_factory.mktemp("photographs")
    for number, (image, label) in enumerate(zip(photographs[0][:40], photographs[1][:40], strict=True)):
        (place / f"class{label}").mkdir(exist_ok=True)
        save_image(image, place / f"class{label}" / f"{number}.png")
    return place


def run(*arguments):
    result = CliRunner().invoke(app, ["ablate", *map(str, arguments)])
    return result.exit_code, result.output


def test_units_are_ranked_by_gosi_and_halves_written(folder, tmp_path):
    code, printed = run(
        "cnn7", "--data", folder, "--by", "gosi", "--layers", "relu6", "--fractions", "0.5", "--repeats", 2,
        "--out", tmp_path / "halves",
    )  # fmt: skip
    assert code == 0, printed
    assert "cnn7 by gosi: loss" in printed
    assert "change with 50% of units ablated" in printed
    assert [order in printed for order in ("top", "bottom", "random")] == [True] * 3
    assert f"3 rows in {tmp_path / 'halves'}: ablation.zarr, table.csv" in printed
    result = neuroprobe.load(tmp_path / "halves" / "ablation.zarr")
    table = pd.read_csv(tmp_path / "halves" / "table.csv", index_col=["layer", "order"])
    assert table.auc.to_numpy() == pytest.approx(result.table.auc.to_numpy())


def test_units_are_ranked_by_a_saved_table(folder, tmp_path):
    index = pd.MultiIndex.from_product([["relu6", "relu7"], range(8)], names=["layer", "unit"])
    pd.DataFrame({"mine": torch.rand(16).numpy()}, index).to_csv(tmp_path / "units.csv")
    code, printed = run(
        "cnn7", "--data", folder, "--scores", f"{tmp_path / 'units.csv'}:mine", "--fractions", 2, "--orders", "top",
        "--value", "0.5", "--pooled",
    )  # fmt: skip
    assert code == 0, printed
    assert "cnn7 by mine" in printed
    assert "all" in printed


def test_gratings_and_photographs_have_the_size_asked_for(folder, monkeypatch):
    sizes = []

    def orientation(_model, layers, *, input_size, **_):
        sizes.append(input_size)
        index = pd.MultiIndex.from_product([layers, range(8)], names=["layer", "unit"])
        return SimpleNamespace(units=pd.DataFrame({"gosi": 0.5}, index))

    monkeypatch.setattr(neuroprobe, "orientation", orientation)
    asked = ("--by", "gosi", "--input-size", 32, "--layers", "relu6", "--fractions", 2, "--orders", "top")
    code, printed = run("cnn7", "--data", folder, *asked)
    assert (code, sizes) == (0, [32]), printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what units are ranked by"),
        (["--by", "beauty"], "--by must be one of gosi"),
        (["--by", "gosi", "--scores", "units.csv:gosi"], "ranked by one score"),
        (["--scores", "nowhere.csv:gosi"], "a CSV table with columns layer and unit, .* there is no file nowhere.csv"),
        (["--device", "cuda:99", "--by", "gosi"], "device 'cuda:99' cannot be used"),
        (["--by", "gosi", "--fractions", "half"], "--fractions is a count from 2"),
        (["--by", "gosi", "--layers", "relu6", "--orders", "best"], "'best' came"),
    ],
)
def test_errors_are_one_message(folder, arguments, message):
    code, printed = run("cnn7", "--data", folder, *arguments)
    assert code == 1
    assert re.search(message, " ".join(printed.split()))
    assert "Traceback" not in printed


def test_a_table_without_the_column_says_what_it_has(folder, tmp_path):
    pd.DataFrame({"layer": ["relu1"], "unit": [0], "gosi": [1.0]}).to_csv(tmp_path / "units.csv", index=False)
    code, printed = run("cnn7", "--data", folder, "--scores", f"{tmp_path / 'units.csv'}:si")
    assert code == 1
    assert "has no column 'si'; it has layer, unit, gosi" in " ".join(printed.split())
