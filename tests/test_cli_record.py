"""`neuroprobe record`: what it prints and writes, and how it goes on."""

import pytest
from torchvision.utils import save_image
from typer.testing import CliRunner

import neuroprobe
from neuroprobe import checkpoints, recording
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
    result = CliRunner().invoke(app, ["record", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


def test_responses_are_recorded(folder, tmp_path):
    store = tmp_path / "store.zarr"
    code, printed = run("cnn7", "--data", folder, "--layers", "relu2", "--layers", "relu7", "--out", store)
    assert code == 0, printed
    assert "cnn7: 544 units, 20 images" in printed
    assert f"responses in {store}: neuroprobe.load('{store}') opens it" in printed
    recorded = neuroprobe.record(neuroprobe.load_network("cnn7"), folder, ["relu2", "relu7"])
    assert neuroprobe.load(store).curves["relu7"].identical(recorded.curves["relu7"])


def test_statistics_are_recorded(folder, tmp_path):
    how = ["--reducers", "moments", "--reducers", "class_moments", "--reduce", "max", "--batch-size", 3]
    code, printed = run("cnn7", "--data", folder, *how, "--out", tmp_path / "store.zarr")
    assert code == 0, printed
    assert "moments, class_moments in" in printed
    loaded = neuroprobe.load(tmp_path / "store.zarr")
    assert (list(loaded.reduced), loaded.meta["reduce"]) == (["moments", "class_moments"], "max")


def test_photographs_are_scaled_for_a_network_of_ones_own(folder, tmp_path):
    (tmp_path / "own.py").write_text("from torch import nn\n\n\ndef build():\n    return nn.Sequential(nn.ReLU())\n")
    how = ["--data", folder, "--reduce", "none", "--input-size", 12, "--out", tmp_path / "store.zarr"]
    code, printed = run(f"{tmp_path / 'own.py'}:build", "--weights", "none", *how)
    assert code == 0, printed
    assert neuroprobe.load(tmp_path / "store.zarr").curves["0"].shape == (20, 3, 12, 12)


@pytest.fixture
def cut_short(folder, tmp_path, monkeypatch):
    """Return the arguments of a command that was stopped after two batches of four images."""
    batches = []

    def stopped(batches_drawn):
        def at_third(self, layer, seen):
            batches_drawn.append(1)
            if len(batches_drawn) == 3:
                raise KeyboardInterrupt
            return called(self, layer, seen)

        return at_third

    called = recording.Streamed.__call__
    arguments = ["cnn7", "--data", folder, "--layers", "relu2", "--batch-size", 4, "--out", tmp_path / "store.zarr"]
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_SECONDS", 0)
        patch.setattr(checkpoints, "_SHARE", 0)
        patch.setattr(recording.Streamed, "__call__", stopped(batches))
        code, printed = run(*arguments)
    assert code == 130
    assert f"stopped; 8 of 20 images are safe in {tmp_path / 'store.zarr'}: the same call goes on from there" in printed
    return arguments


def test_what_was_stopped_goes_on(cut_short):
    code, printed = run(*cut_short)
    assert code == 0, printed
    assert "store.zarr has 8 of 20 images from before" in printed
    assert "cnn7: 32 units, 20 images" in printed


def test_what_differs_is_said_in_one_message(cut_short):
    code, printed = run(*cut_short, "--reduce", "max")
    assert code == 1
    assert "8 of 20 images of another recording: reduce: 'mean' there, 'max' came Make the call as it was" in printed
    assert "Traceback" not in printed


def test_a_place_is_asked_for(folder):
    assert run("cnn7", "--data", folder)[0] == 2
