"""Every notebook runs; where NEUROPROBE_EXECUTED names a folder they are left there, with what they show."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.filterwarnings("default")  # what Jupyter's own machinery warns of is not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_from_top_to_bottom(path, monkeypatch, request):
    if "NEUROPROBE_DATA" in path.read_text(encoding="utf-8"):
        monkeypatch.setenv("NEUROPROBE_DATA", str(request.getfixturevalue("data_folder").resolve()))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # set for the tests; a notebook draws into itself
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert set(pictures(notebook)) == {0, 1}
    if folder := os.environ.get("NEUROPROBE_EXECUTED"):
        nbformat.write(notebook, Path(folder) / path.name)


@pytest.mark.filterwarnings("default")
def test_a_picture_is_shown_once_and_the_users_own_still_are(monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    ours, own = "neuroprobe.stimuli.gratings(8).plot().figure", "plt.plot([1, 2]);"
    sources = ["import matplotlib.pyplot as plt\nimport neuroprobe", ours, ours, own]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert pictures(notebook) == [0, 1, 1, 1]


def pictures(notebook):
    """Count the pictures that each cell shows."""
    return [sum("image/png" in output.get("data", {}) for output in cell.get("outputs", ())) for cell in notebook.cells]
