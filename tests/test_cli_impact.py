"""`neuroprobe impact`: what it prints and writes, held one by one and screened."""

import pandas as pd
import pytest
from torchvision.utils import save_image
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory, photographs):
    """Twenty photographs in sub-folders of their classes."""
    place = tmp_path_factory.mktemp("photographs")
    for number, (image, label) in enumerate(zip(photographs[0][:20], photographs[1][:20], strict=True)):
        (place / f"class{label}").mkdir(exist_ok=True)
        save_image(image, place / f"class{label}" / f"{number}.png")
    return place


def run(*arguments):
    result = CliRunner().invoke(app, ["impact", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


def test_every_unit_is_held_and_the_result_written(folder, tmp_path):
    code, printed = run(
        "cnn7", "--data", folder, "--layers", "relu2", "--value", "mean", "--memory", 0.5, "--out", tmp_path / "impact"
    )
    assert code == 0, printed
    assert "cnn7: 32 units, 20 images, loss" in printed
    assert "intact" in printed
    assert "rho" not in printed
    result = neuroprobe.load(tmp_path / "impact" / "unit_impact.zarr")
    assert result.meta["value"] == "mean"
    largest = result.units.nlargest(10, "delta_loss")
    (_, unit), hit = next(largest[largest.worst_class_delta < 0].iterrows())
    assert f"relu2 │ {unit} │ {hit.delta_loss:+.3f} │ {hit.delta_accuracy:+.3f} │ class{hit.worst_class} │" in printed
    table = pd.read_csv(tmp_path / "impact" / "units.csv", index_col=["layer", "unit"])
    assert table.delta_loss.to_numpy() == pytest.approx(result.units.delta_loss.to_numpy())
    assert (tmp_path / "impact" / "overview.png").read_bytes().startswith(b"\x89PNG")
    assert "32 units in" in printed


def test_a_screen_says_how_well_it_ranks_and_names_only_units_that_were_held(folder):
    code, printed = run("cnn7", "--data", folder, "--layers", "relu6", "--screen", "--steps", 2, "--confirm", 4)
    assert code == 0, printed
    assert "estimates rank units with rho" in printed
    assert "(sample of 4)" in printed
    assert "┃ held ┃" in printed
    assert "│ none │ +0.000" in printed  # a unit that no class needs
    assert printed.split("Units that cost most")[1].count("relu6") <= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", 0], "steps must be a whole number from 1; 0 came"),
        (["--layers", "relu9"], "no layer 'relu9'"),
        (["--value", "one"], "'one' came"),
        (["--memory", 0.0001], "memory=107,374 bytes do not suffice"),
        (["--screen", "--site", "post_norm"], "site='address' is wanted"),
    ],
)
def test_errors_are_one_message(folder, arguments, message):
    code, printed = run("cnn7", "--data", folder, *arguments)
    assert code == 1
    assert message in printed
    assert "Traceback" not in printed


def test_a_folder_is_asked_for():
    assert run("cnn7")[0] == 2
