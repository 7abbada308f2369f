"""Photographs in folders, one sub-folder a class, read as images of the size that a network takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torchvision.datasets import ImageFolder

_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}  # of a data set, in folders' names


def photographs_in(path: Path, shape: tuple[int, int, int] | None) -> ImageFolder:
    """Return the photographs of a folder, brought to a shape (C, H, W) where one is given.

    Raises:
        FileNotFoundError: if the folder, or a class's photographs, are not there.
        ValueError: if its sub-folders are no classes, but whole sets; once it is read, if a photograph is broken.
    """
    from torchvision.datasets import ImageFolder

    path = path.expanduser()
    wanted = "a folder of photographs is wanted, in one sub-folder a class (a single one will do)"
    if not path.is_dir():
        raise FileNotFoundError(f"{wanted}; there is no folder {path}")
    try:
        photographs = ImageFolder(str(path), transform=to_tensor(shape), loader=_opened)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{wanted}; {path}: {error}") from error
    if len(photographs.classes) > 1 and _SPLITS.issuperset(photographs.classes):
        splits = " and ".join(f"{name}/" for name in photographs.classes)
        raise ValueError(f"{wanted}; {path} holds {splits}, which are no classes: give one of them")
    return photographs


def _opened(path: str) -> Any:
    from torchvision.datasets.folder import pil_loader

    try:
        return pil_loader(path)
    except OSError as error:  # which need not say of what
        raise ValueError(f"{path} cannot be read as a photograph ({error}): mend it or take it out") from error


def to_tensor(shape: tuple[int, int, int] | None) -> Callable[[Any], Tensor]:
    """Return a function from a PIL photograph to an image (C, H, W) in [0, 1], of the shape where one is given."""
    from torchvision.transforms.v2 import functional as F

    def convert(photograph: Any) -> Tensor:
        photograph = photograph if shape is None else fitted(photograph, shape)
        return F.to_dtype(F.to_image(photograph), torch.float32, scale=True).as_subclass(Tensor)

    return convert


def fitted(photograph: Any, shape: tuple[int, int, int]) -> Any:
    """Return a PIL photograph of a shape (C, H, W): scaled to just cover it, and its centre cut out."""
    from torchvision.transforms.v2 import functional as F

    if shape[0] == 1:
        photograph = photograph.convert("L")
    if photograph.size != (shape[2], shape[1]):
        photograph = F.center_crop(F.resize(photograph, _covering(photograph.size, shape)), list(shape[1:]))
    return photograph


def _covering(size: tuple[int, int], shape: tuple[int, int, int]) -> list[int]:
    """Return (height, width) of a photograph scaled to just cover a shape."""
    width, height = size
    scale = max(shape[1] / height, shape[2] / width)
    return [max(shape[1], round(height * scale)), max(shape[2], round(width * scale))]
