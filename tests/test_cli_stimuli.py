import pytest
import typer
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app
from neuroprobe.cli.stimuli import count_or_values


@pytest.fixture
def run():
    """Run a command; return its exit code and all it printed."""

    def call(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)))
        return result.exit_code, result.output

    return call


@pytest.mark.parametrize(
    ("name", "begins"), [("sheet.png", b"\x89PNG"), ("sheet.svg", b"<?xml"), ("SHEET.PDF", b"%PDF")]
)
def test_a_contact_sheet_is_written(run, tmp_path, name, begins):
    code, printed = run("stimuli", "gratings", "--size", 16, "--out", tmp_path / "new" / name)
    assert code == 0
    assert "576 gratings of 3x16x16" in printed
    assert "0, 45, 90, 135, 180, 225, 270, 315" in printed
    assert (tmp_path / "new" / name).read_bytes().startswith(begins)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_options_reach_the_set(run, monkeypatch):
    made = []
    for kind in ("gratings", "bars", "gabors"):
        original = getattr(neuroprobe.stimuli, kind)
        monkeypatch.setattr(
            neuroprobe.stimuli, kind, lambda *args, _of=original, **given: made.append(_of(*args, **given)) or made[-1]
        )
    given = {
        "gratings": ["--orientations", 4, "--frequencies", "0.1,0.2", "--phases", "90,", "--window", "gaussian"],
        "bars": ["--widths", "1,2", "--lengths", "7,inf", "--positions", "-5,0,5", "--polarities", "1,"],
        "gabors": ["--sigma", 3, "--position", "0,0", "--position", "-8,4", "--contrast", 0.5, "--mean", 0.4],
    }
    for kind, options in given.items():
        assert run("stimuli", kind, "--size", 32, *options)[0] == 0
    of_gratings, of_bars, of_gabors = made
    assert of_gratings.shape == (2, 4, 1)
    assert (of_gratings.axes["phase"].item(), of_gratings.settings["window"]) == (90, "gaussian")
    assert of_bars.axes["length"].tolist() == [7, float("inf")]
    assert of_bars.axes["position"].tolist() == [-5, 0, 5]
    assert of_bars.axes["polarity"].tolist() == [1]
    assert of_gabors.settings == {"contrast": 0.5, "mean": 0.4, "sigma": 3}
    assert of_gabors.coordinates["x"][1].tolist() == [0, -8]


def test_presets_show_their_own(run):
    code, printed = run("stimuli", "gratings", "--preset", "ukita2020", "--size", 32)
    assert code == 0
    assert "432 gratings" in printed


def test_a_file_that_is_there_is_kept_unless_overwritten(run, tmp_path):
    place = tmp_path / "sheet.png"
    place.write_text("years of work")
    code, printed = run("stimuli", "bars", "--size", 32, "--out", place)
    assert code == 1
    assert "exists: choose another file with --out, or pass --overwrite" in printed
    assert place.read_text() == "years of work"
    assert run("stimuli", "bars", "--size", 32, "--out", place, "--overwrite")[0] == 0
    assert place.read_bytes().startswith(b"\x89PNG")


def test_a_folder_is_never_replaced(run, tmp_path):
    (tmp_path / "mine.png").mkdir()
    code, printed = run("stimuli", "bars", "--size", 32, "--out", tmp_path / "mine.png", "--overwrite")
    assert code == 1
    assert "mine.png exists" in printed


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        (["gratings", "--out", "sheet.jpg"], ".png, .svg, .pdf; sheet.jpg came", 1),
        (["bars", "--widths", "300,"], "width 300 reaches 158", 1),
        (["gabors", "--window", "circular"], "--window", 2),
        (["gratings", "--preset", "ukita"], "'ukita' is not known", 1),
        (["gratings", "--frequencies", "high"], "'high' came", 2),
        (["gratings", "--down", "phrase", "--out", "no.png"], "the nearest are 'phase'", 1),
    ],
)
def test_errors_are_one_message_without_a_traceback(run, tmp_path, monkeypatch, arguments, message, status):
    monkeypatch.chdir(tmp_path)
    code, printed = run("stimuli", *arguments)
    assert code == status
    assert message in printed.replace("\n", " ")
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []


def test_counts_and_values_are_told_apart():
    assert count_or_values("12") == 12
    assert count_or_values("12,") == [12.0]
    assert count_or_values("-8,0,8") == [-8, 0, 8]
    with pytest.raises(typer.BadParameter, match="'1;2' came"):
        count_or_values("1;2")


def test_orientation_takes_bars(run):
    quick = ["--permutations", 0, "--layers", "relu1"]
    code, printed = run("orientation", "cnn7", "--stimuli", "bars", *quick)
    assert code == 0
    assert "cnn7: 32 units, 360 bars of 3x32x32" in printed
    code, printed = run("orientation", "cnn7", "--stimuli", "dots", *quick)
    assert code == 1
    assert "--stimuli must be one of 'gratings', 'bars', 'gabors'; 'dots' came" in printed
