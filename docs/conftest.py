"""Examples in pages run in a folder of their own, which holds the files they speak of."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

collect_ignore_glob = ["*.py", "*/*.py"]  # the gallery is run by tests/test_gallery.py
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Go to a new folder with my_networks.py and photographs/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_networks", raising=False)  # of the page before
    shutil.copy(HERE / "howto" / "my_networks.py", tmp_path)
    write_photographs(tmp_path / "photographs")


def write_photographs(folder):
    """Write a folder of images, one sub-folder a class; noise will do where nobody looks."""
    noise = torch.Generator().manual_seed(0)
    for number, label in enumerate(("cat", "dog", "ship")):
        (folder / label).mkdir(parents=True)
        for image in range(12):
            pixels = torch.randint(60 * number, 60 * number + 120, (32, 32, 3), generator=noise, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / label / f"{image:02d}.png")
