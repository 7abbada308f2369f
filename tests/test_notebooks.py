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
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})
    ]
    assert pictures
