"""`neuroprobe atlas`: one command from a network, with photographs or without, to its page."""

import json

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
        (place / f"class {label}").mkdir(exist_ok=True)
        save_image(image, place / f"class {label}" / f"{number}.png")
    return place


def run(*arguments):
    result = CliRunner().invoke(app, ["atlas", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


def units(out):
    return json.loads((out / "data" / "units.js").read_text().removeprefix('deliver("units",').removesuffix(");\n"))


def test_photographs_add_classes_and_pictures_and_all_that_is_asked_for(folder, tmp_path):
    code, printed = run(
        "cnn7", "--data", folder, "--layers", "relu1", "--layers", "relu5", "--impact", "--shift-invariance",
        "--keep", tmp_path / "results", "--out", tmp_path / "atlas",
    )  # fmt: skip
    assert code == 0, printed
    made = units(tmp_path / "atlas")
    kinds = ["orientation", "class_selectivity", "unit_impact", "shift_invariance", "recording"]
    assert [result["kind"] for result in made["results"]] == kinds
    assert made["title"] == "cnn7"
    assert made["photographs"] == {"ending": "png"}
    assert len(list((tmp_path / "atlas" / "images").glob("photo-*.png"))) > 10
    assert f"{tmp_path / 'atlas' / 'index.html'}: " in printed
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == sorted(f"{kind}.zarr" for kind in kinds)

    saved = [argument for kind in kinds for argument in ("--result", tmp_path / "results" / f"{kind}.zarr")]
    code, printed = run("cnn7", *saved, "--data", folder, "--out", tmp_path / "again")
    assert code == 0, printed
    assert "measuring" not in printed
    assert units(tmp_path / "again") == made


def test_photographs_of_all_sizes_and_a_network_whose_size_nobody_knows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain_network.py").write_text(
        "from torch import nn\n\n\ndef build():\n"
        "    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooled)\n"
    )
    noise = torch.Generator().manual_seed(0)
    for number in range(24):
        (tmp_path / "all_sizes" / f"class {number % 2}").mkdir(exist_ok=True, parents=True)
        image = torch.rand(3, 20 + number, 30, generator=noise)
        save_image(image, tmp_path / "all_sizes" / f"class {number % 2}" / f"{number}.png")
    code, printed = run("plain_network.py:build", "--input-size", 24, "--data", "all_sizes", "--impact")
    assert code == 0, printed
    assert len(units(tmp_path / "atlas")["results"]) == 4


def test_a_folder_that_is_none_is_said_before_anything_is_measured(tmp_path):
    code, printed = run("cnn7", "--data", tmp_path / "nowhere", "--out", tmp_path / "atlas")
    assert code == 1
    assert f"there is no folder {tmp_path / 'nowhere'}" in printed
    assert "measuring" not in printed


def test_random_weights_are_labelled_so(tmp_path):
    code, printed = run("cnn7", "--weights", "none", "--layers", "relu1", "--out", tmp_path / "atlas")
    assert code == 0, printed
    assert units(tmp_path / "atlas")["title"] == "cnn7, random weights"
    assert "<title>cnn7, random weights" in (tmp_path / "atlas" / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--impact"], "--impact and --shift-invariance need photographs: give --data FOLDER"),
        (["--layers", "relu9"], "no layer 'relu9'"),
        (["--result", "nowhere.zarr"], "no such result: nowhere.zarr"),
        (["--data", "nowhere"], "there is no folder nowhere"),
    ],
)
def test_errors_are_one_message_and_leave_nothing(arguments, message, tmp_path):
    code, printed = run("cnn7", "--layers", "relu1", *arguments, "--out", tmp_path / "atlas")
    assert (code, message in printed, "Traceback" in printed) == (1, True, False), printed
    assert not (tmp_path / "atlas").exists()


def test_what_lies_in_the_way_and_other_networks_are_said_before_anything_is_measured(tmp_path, monkeypatch):
    result = neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu1"], permutations=0, progress=False)
    place = result.save(tmp_path / "tuning.zarr")
    monkeypatch.setattr(neuroprobe, "class_selectivity", None)  # it would fail if it were called
    (tmp_path / "atlas").mkdir()
    code, printed = run("cnn7", "--data", tmp_path, "--out", tmp_path / "atlas")
    assert (code, "exists and is no atlas" in printed) == (1, True), printed
    code, printed = run("cnn7", "--weights", "none", "--result", place, "--data", tmp_path, "--out", tmp_path / "b")
    assert (code, "give the network that was measured" in printed) == (1, True), printed
