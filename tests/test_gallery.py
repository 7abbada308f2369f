"""Every script of the gallery runs by itself, with photographs and without, and draws what can be drawn."""

import ast
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

SCRIPTS = sorted((Path(__file__).parent.parent / "docs" / "gallery").glob("plot_*.py"))
TRAINING = ("plot_development", "plot_sweep")  # takes long, and who builds the documentation sees it with photographs
WITH_PHOTOGRAPHS = [
    path for path in SCRIPTS if "photographs(" in path.read_text(encoding="utf-8") and path.stem not in TRAINING
]


@pytest.fixture(autouse=True)
def figures_are_closed():
    yield
    plt.close("all")


def run(path, monkeypatch, data):
    """Run a script and draw what it leaves; return its figures."""
    monkeypatch.setenv("NEUROPROBE_DATA", str(data))
    monkeypatch.syspath_prepend(path.parent)  # where Python finds what stands beside a script
    runpy.run_path(str(path))
    figures = [plt.figure(number) for number in plt.get_fignums()]
    for figure in figures:
        figure.canvas.draw()
    return figures


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")  # nobody looks at plt.show()
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_script_draws_without_any_data(path, monkeypatch, tmp_path):
    assert run(path, monkeypatch, tmp_path)


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("path", WITH_PHOTOGRAPHS, ids=lambda path: path.stem)
def test_the_script_draws_photographs(path, monkeypatch, data_folder):
    texts = [text.get_text() for figure in run(path, monkeypatch, data_folder) for text in figure.axes[0].texts]
    assert path.stem != "plot_top_images" or "automobile" in texts


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_script_has_a_title_a_text_and_blocks(path):
    source = path.read_text(encoding="utf-8")
    title, line, *text = ast.get_docstring(ast.parse(source)).splitlines()
    assert line == "=" * len(title)
    assert len(" ".join(text)) > 100
    assert "\n# %%\n" in source
    assert len(source.splitlines()) < 40
