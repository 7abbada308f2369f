"""How the documentation is built: ``sphinx-build -W --keep-going docs docs/_build/html``."""

import os
import shutil
import sys
from pathlib import Path

import neuroprobe

HERE = Path(__file__).parent
sys.path.append(str(HERE / "_extensions"))
executed = os.environ.get("NEUROPROBE_EXECUTED")  # a folder where the tests have left all notebooks
notebooks = Path(executed) if executed else HERE.parent / "notebooks"
shutil.copytree(notebooks, HERE / "notebooks", dirs_exist_ok=True)  # Sphinx reads below its folder only
data = Path(os.environ.setdefault("NEUROPROBE_DATA", str(HERE.parent.parent / "shared" / "data")))

project = "neuroprobe"
author = "neuroprobe developers"
project_copyright = "2026, neuroprobe developers"
release = version = neuroprobe.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "myst_nb",
    "columns",
    "mathml",
]
exclude_patterns = ["_build", "gallery", "**.ipynb_checkpoints"]

# the look
html_theme = "furo"
html_title = "neuroprobe"
html_static_path = ["_static"]
html_css_files = ["look.css"]
html_show_sphinx = html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"

# Markdown and notebooks
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off" if executed else "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # progress bars
if not (data / "cifar10.zip").is_file():  # as the tests that need photographs, these are left out without them
    nb_execution_excludepatterns = ["**/02_*.ipynb", "**/03_*.ipynb"]

# docstrings
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"
napoleon_use_rtype = False
add_module_names = False
python_display_short_literal_types = True

# the gallery
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "ignore_pattern": "photographs",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1e9,
    "notebook_extensions": (),
    "image_srcset": ["2x"],
    "capture_repr": (),
}
