"""The documentation is whole: every name, every column, every example; what it shows of the command line runs."""

import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from shutil import copy

import pytest
import torch
from typer.testing import CliRunner

import neuroprobe
from neuroprobe.cli import app
from neuroprobe.training.recipes import RECIPES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"_build", "auto_gallery", "notebooks"} & set(path.parts))
COMMANDS = [
    pytest.param(block, id=f"{page.stem} {number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]


def test_every_public_name_stands_in_the_api():
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    documented = re.findall(r"(?:auto\w+|module):: (?:neuroprobe\.)?(\w+)", text)
    assert set(neuroprobe.__all__) <= set(documented)
    results = {name for name, kind in vars(neuroprobe.results).items() if isinstance(kind, type)}
    assert {name for name in results if issubclass(getattr(neuroprobe.results, name), neuroprobe.results.Saved)} <= set(
        documented
    )


def test_every_example_of_the_pages_is_run():
    for page in PAGES:
        languages = set(re.findall(r"^```([a-z]\w*)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert languages <= {"pycon", "sh", "text", "bibtex"}, page  # pycon by pytest, sh below, the others are no code


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("block", COMMANDS)
def test_the_commands_of_the_pages_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for script in (DOCS / "howto").glob("*.py"):
        copy(script, tmp_path)
    runpy.run_path(str(DOCS / "conftest.py"))["write_photographs"](tmp_path / "photographs")
    for line in block.splitlines():
        program, *arguments = shlex.split(line)
        if program == "neuroprobe":
            ran = CliRunner().invoke(app, arguments)
            assert ran.exit_code == 0, f"{line}\n{ran.output}"
        else:
            assert program == "torchrun"
            command = [sys.executable, "-m", "torch.distributed.run", "--standalone", *arguments]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            assert ran.returncode == 0, ran.stderr


def test_every_column_of_every_table_is_defined(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    columns = import_module("columns").columns
    model, layer = neuroprobe.load_network("cnn7"), ["relu2"]
    data = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2
    bars = neuroprobe.stimuli.bars(32, orientations=4, widths=[2, 4], lengths=[8, 16], positions=1)
    patches = neuroprobe.stimuli.gabors(32, orientations=4, frequencies=2, phases=2, positions=[(0, 0), (4, 4)])
    tuning = neuroprobe.orientation(model, layer, permutations=0)
    shift = neuroprobe.shift_invariance(model, data, layer, shifts=[2])
    halves = {"fractions": [0.5], "repeats": 2, "orders": ("top", "random", "matched")}
    methods = list(import_module("neuroprobe.analysis.importance").METHODS)
    torch.save(model.state_dict(), tmp_path / "epoch-0001.pt")
    development = neuroprobe.track_units(model, tmp_path, data, layers=layer)
    sets, recipe = {"train": data, "test": data}, replace(RECIPES["cnn7"], epochs=1, batch_size=20)
    swept = neuroprobe.sweep([0], 1, "cnn7", sets, out=tmp_path / "runs", recipe=recipe)
    tables = [
        ("orientation", tuning.units),
        ("orientation", neuroprobe.orientation(model, layer, bars, permutations=0).units),
        ("orientation", neuroprobe.orientation(model, layer, patches, permutations=0).units),
        ("class_selectivity", neuroprobe.class_selectivity(model, data, layer, permutations=0).units),
        ("unit_impact", neuroprobe.unit_impact(model, data, layer).units),
        ("shift_invariance", shift.units),
        ("shift_layers", shift.layers),
        ("shift_network", shift.network),
        ("ablation", neuroprobe.ablation(model, data, tuning.units.gosi, **halves).table),
        ("ablation", neuroprobe.noise_curves(model, data, layer, scales=[0.5, 1], repeats=2).table),
        ("importance", neuroprobe.importance(model, data, layer, method=methods, steps=2).units),
        ("recording", neuroprobe.record(model, data, layer).units),
        ("development_layers", development.layers),
        ("development_epochs", development.epochs),
        ("sweep", swept.table),
        ("sweep", swept.layers),
    ]
    page = (DOCS / "definitions.md").read_text(encoding="utf-8")
    for kind, table in tables:
        known = columns(kind)
        assert set(table.columns) <= set(known), kind
        assert all(entry["meaning"] for entry in known.values())
        assert f"<!-- columns: {kind} -->" in page


def test_the_readme_and_the_notebooks_name_what_is_there():
    for path in [ROOT / "README.md", *(ROOT / "notebooks").glob("*.ipynb")]:
        for dotted in set(re.findall(r"\bneuroprobe((?:\.[a-z]\w*)+)\(", path.read_text(encoding="utf-8"))):
            thing = neuroprobe
            for name in dotted[1:].split("."):
                thing = getattr(thing, name)  # raises where README speaks of what is gone


def test_the_citation_is_of_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {neuroprobe.__version__}\n" in text
