import json
import subprocess
import sys

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app
from neuroprobe.cli.options import size_of_images

QUICK = ["--permutations", "20", "--layers", "relu1", "--layers", "relu2"]


@pytest.fixture
def run():
    """Run a command; return its exit code and all it printed."""

    def call(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)))
        return result.exit_code, result.output

    return call


def test_layers_lists_the_defaults(run):
    code, printed = run("layers", "cnn7", "--defaults")
    assert code == 0
    assert [f"relu{number}" in printed for number in range(1, 8)] == [True] * 7
    assert "conv1" not in printed
    assert "1x32x30x30" in printed


def test_layers_needs_no_weights(run):
    code, printed = run("layers", "resnet20", "--defaults")
    assert code == 0
    assert "layer3.2/relu:1" in printed


def test_orientation_prints_a_table_and_writes_the_result(run, tmp_path):
    code, printed = run("orientation", "cnn7", *QUICK, "--out", tmp_path / "tuning")
    assert code == 0
    assert "relu2" in printed
    assert "cnn7: 64 units, 576 gratings of 3x32x32" in printed
    assert sorted(path.name for path in (tmp_path / "tuning").iterdir()) == [
        "orientation.zarr", "overview.png", "overview.svg", "units.csv",
    ]  # fmt: skip
    tuning = neuroprobe.load(tmp_path / "tuning" / "orientation.zarr")
    table = pd.read_csv(tmp_path / "tuning" / "units.csv", index_col=["layer", "unit"])
    assert table.gosi.to_numpy() == pytest.approx(tuning.units.gosi.to_numpy(), nan_ok=True)
    assert (tmp_path / "tuning" / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_an_existing_folder_is_refused_before_anything_runs(run, tmp_path, monkeypatch):
    run("orientation", "cnn7", *QUICK, "--out", tmp_path / "tuning")
    monkeypatch.setattr(neuroprobe, "orientation", lambda *_, **__: pytest.fail("it ran"))
    code, printed = run("orientation", "cnn7", "--out", tmp_path / "tuning")
    assert code == 1
    assert "already holds a result" in printed
    assert "--overwrite" in printed


def test_overwrite_replaces_a_result_but_no_other_folder(run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    code, printed = run("orientation", "cnn7", *QUICK, "--out", tmp_path / "mine", "--overwrite")
    assert code == 1
    assert "holds no orientation result" in printed
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    for seed in (1, 2):
        assert run("orientation", "cnn7", *QUICK, "--seed", seed, "--out", tmp_path / "t", "--overwrite")[0] == 0
    assert neuroprobe.load(tmp_path / "t" / "orientation.zarr").meta["seed"] == 2


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_half_written_is_left(run, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    code, printed = run("orientation", "cnn7", *QUICK, "--out", tmp_path / "tuning")
    assert code != 0
    assert list(tmp_path.iterdir()) == []
    assert ("No space left" in printed) or ("nothing was written" in printed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["orientation", "cnn8"], "there is no network 'cnn8'; nearest: cnn7"),
        (["orientation", "cnn7", "--layers", "relu9"], "no layer 'relu9'"),
        (["orientation", "cnn7", "--preset", "ukita"], "'ukita' came"),
        (["orientation", "cnn7", "--weights", "nowhere.pt"], "there is no weights file nowhere.pt"),
        (["orientation", "cnn7", "--device", "abacus"], "abacus"),
        (["orientation", "resnet20"], "no weights in the package: give --weights FILE, or --weights none for random"),
        (["orientation", "cnn7", "--layers", "relu9"], "(neuroprobe layers MODEL lists all)"),
    ],
)
def test_errors_are_one_message_without_a_traceback(run, arguments, message):
    code, printed = run(*arguments)
    assert code == 1
    assert message in printed
    assert "Traceback" not in printed


def test_random_weights_are_the_same_each_time(run, tmp_path):
    for name in ("a", "b"):
        run("orientation", "cnn7", "--weights", "none", *QUICK, "--out", tmp_path / name)
    one, other = (neuroprobe.load(tmp_path / name / "orientation.zarr") for name in ("a", "b"))
    assert one.meta["weights"] == other.meta["weights"]
    assert (
        one.meta["weights"]
        != neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu1"], permutations=0).meta["weights"]
    )


def test_a_network_in_a_file_of_ones_own(run, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\ndef network():\n    return nn.Sequential(nn.Conv2d(1, 3, 5), nn.ReLU())\n"
    )
    code, printed = run("layers", f"{tmp_path / 'mine.py'}:network", "--input-size", 16)
    assert code == 0
    assert "1x3x12x12" in printed


def test_progress_is_quiet_when_piped(tmp_path):
    command = [sys.executable, "-m", "neuroprobe", "orientation", "cnn7", "--permutations", "0", "--layers", "relu1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stderr == ""
    assert "relu1" in done.stdout


def test_the_version_is_printed(run):
    assert run("--version") == (0, f"neuroprobe {neuroprobe.__version__}\n")


def test_meta_is_readable_json(run, tmp_path):
    run("orientation", "cnn7", *QUICK, "--out", tmp_path / "t")
    meta = neuroprobe.load(tmp_path / "t" / "orientation.zarr").meta
    assert json.loads(json.dumps(dict(meta)))["stimuli"]["kind"] == "gratings"


@pytest.mark.parametrize(
    ("text", "size"), [("32", 32), ("48x64", (48, 64)), ("3x48x64", (3, 48, 64)), ("(3, 8, 9)", (3, 8, 9))]
)
def test_sizes_of_images_as_they_are_written(text, size):
    assert size_of_images(text) == size


@pytest.mark.parametrize("text", ["", "big", "3x", "1x2x3x4", "-32", "32.5"])
def test_what_is_no_size_of_images(text):
    with pytest.raises(typer.BadParameter, match=r"a side \(32\), 48x64 or 3x48x64 is wanted"):
        size_of_images(text)
