"""Small pictures of the images that drive units most, each written once however many units it drives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn import functional as F

from neuroprobe.data import Data, Images, open_images
from neuroprobe.page.stimuli import as_picture
from neuroprobe.pictures import each_picture, refuse_another_count
from neuroprobe.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 128  # pixels
_AS_IT_IS = 64  # pixels, up to which a picture is kept without loss


def write_photographs(
    data: Data,
    wanted: Iterable[int],
    folder: Path,
    *,
    count: int | None = None,
    known: Mapping[int, float] | None = None,
    classes: Sequence[str] | None = None,
    shape: tuple[int, int, int] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Write the images of these numbers and say of each what it is; one that the data have not is left out.

    Args:
        data: the images that were recorded, in the same order.
        wanted: numbers of images, counted from 0 as they come.
        folder: where the pictures go, ``photo-7.jpg``.
        count: how many images were recorded, where that is known.
        known: fingerprints of some, which are looked at.
        classes: their names, where the data do not tell them.
        shape: (C, H, W) that the network saw photographs of a folder in; None for as they are.
        progress: show a bar on a terminal.

    Raises:
        ValueError: if the data hold another number of images, or others.
    """
    images, numbers = open_images(data, shape=shape, any_range=True), set(wanted)
    refuse_another_count(images, count)
    ending, about = "png", {}
    with progress_bar("writing images", len(numbers), shown=progress) as bar:
        for number, (image, label) in each_picture(images, {*numbers, *(known or ())}, known):
            if number not in numbers:  # it was looked at alone
                continue
            ending = "png" if max(image.shape[1:]) <= _AS_IT_IS else "jpg"
            as_picture(_small(image)).save(folder / f"photo-{number}.{ending}", quality=85)
            about[number] = [label, _name(images, number)]
            bar.update()
    return {"file": {"ending": ending}, "classes": images.classes or classes, "about": about}


def source(said: str) -> str:
    """Shorten what a result says of its data: of a folder its own name, not where it lies on somebody's disk."""
    return f"folder {_last(said.removeprefix('folder '))}" if said.startswith("folder ") else said


def _last(path: str) -> str:
    """Return the last part of a path, of any system."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _small(image: Tensor) -> Tensor:
    """Scale an image down to what a card shows, and into [0, 1] where it is not."""
    image = image.float().cpu()
    if image.min() < 0 or image.max() > 1:
        image = (image - image.min()) / (image.max() - image.min()).clamp_min(1e-12)
    scale = _LARGEST / max(image.shape[1:])
    return image if scale >= 1 else F.interpolate(image[None], scale_factor=scale, mode="bilinear", antialias=True)[0]


def _name(images: Images, number: int) -> str | None:
    """Return the file that an image of a folder is in."""
    samples = getattr(images.loader.dataset, "samples", None)
    return None if samples is None else _last(str(samples[number][0]))
