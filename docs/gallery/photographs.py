"""Images for the gallery: photographs of CIFAR-10 where they are at hand, else gratings in their place."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import TensorDataset

import neuroprobe


class Labelled(TensorDataset):
    """Images with labels that have names."""

    def __init__(self, images: Tensor, labels: Tensor, classes: list[str]) -> None:
        super().__init__(images, labels)
        self.classes = classes


def photographs(per_class: int) -> Labelled:
    """Return some test photographs of each class, from ``cifar10.zip`` in the folder that ``NEUROPROBE_DATA`` names.

    Where there is none, return gratings, whose class is their orientation.
    """
    archive = Path(os.environ.get("NEUROPROBE_DATA", "../shared/data")) / "cifar10.zip"
    return _unpacked(archive, per_class) if archive.is_file() else _gratings()


def _unpacked(archive: Path, per_class: int) -> Labelled:
    with ZipFile(archive) as opened:
        names = sorted(name for name in opened.namelist() if name.startswith("test/") and name.endswith(".jpg"))
        by_class = {
            label: list(of_class)[:per_class] for label, of_class in groupby(names, lambda name: name.split("/")[1])
        }
        pixels = [
            np.array(Image.open(opened.open(name)).convert("RGB")) for names in by_class.values() for name in names
        ]
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    counts = torch.tensor([len(of_class) for of_class in by_class.values()])
    return Labelled(images, torch.repeat_interleave(counts), list(by_class))


def _gratings() -> Labelled:
    stimuli = neuroprobe.stimuli.gratings(32, frequencies=3, phases=4)
    orientation = stimuli.parameters["orientation"]
    labels = torch.from_numpy(orientation.rank(method="dense").to_numpy(dtype=int) - 1)
    return Labelled(
        torch.cat(list(stimuli.batches(64))), labels, [f"{angle:g} deg" for angle in sorted(set(orientation))]
    )
