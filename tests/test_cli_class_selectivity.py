import pandas as pd
import pytest
import torch
from torchvision.utils import save_image
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app

QUICK = ["--permutations", "9", "--layers", "relu1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise in three classes, 12 images each."""
    place = tmp_path_factory.mktemp("photographs")
    images = torch.rand(36, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for number, image in enumerate(images):
        (place / "abc"[number % 3]).mkdir(exist_ok=True)
        save_image(image, place / "abc"[number % 3] / f"{number}.png")
    return place


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.output


def test_it_prints_a_table_with_its_caution_and_writes_the_result(folder, tmp_path):
    code, printed = run("class-selectivity", "cnn7", "--data", folder, *QUICK, "--out", tmp_path / "classes")
    assert code == 0
    assert "cnn7: 32 units, 36 images of 3 classes, 12 or more of each" in printed
    assert "largely chance" in printed
    assert "With 12 images a class, chance alone gives half of si or more in 1 of 1 layers (relu1)" in printed
    assert sorted(path.name for path in (tmp_path / "classes").iterdir()) == [
        "class_selectivity.zarr", "overview.png", "overview.svg", "units.csv",
    ]  # fmt: skip
    classes = neuroprobe.load(tmp_path / "classes" / "class_selectivity.zarr")
    table = pd.read_csv(tmp_path / "classes" / "units.csv", index_col=["layer", "unit"])
    assert table.si.to_numpy() == pytest.approx(classes.units.si.to_numpy(), nan_ok=True)
    assert classes.curves["relu1"]["class"].values.tolist() == ["a", "b", "c"]


def test_options_reach_the_call(folder, tmp_path):
    options = ["--preset", "morcos2018", "--reduce", "max", "--permutations", 0, "--seed", 3, "--layers", "relu1"]
    assert run("class-selectivity", "cnn7", "--data", folder, *options, "--out", tmp_path / "c")[0] == 0
    meta = neuroprobe.load(tmp_path / "c" / "class_selectivity.zarr").meta
    assert [meta[name] for name in ("preset", "reduce", "permutations", "seed")] == ["morcos2018", "max", 0, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "leavitt"], "'leavitt' came"),
        (["--layers", "relu9"], "no layer 'relu9'"),
        (["--data", "nowhere"], "there is no folder nowhere"),
    ],
)
def test_errors_are_one_message_without_a_traceback(folder, arguments, message):
    code, printed = run("class-selectivity", "cnn7", "--data", folder, *arguments)
    assert code == 1
    assert message in printed
    assert "Traceback" not in printed
