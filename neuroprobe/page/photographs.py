"""Small pictures of the images that drive units most, each written once however many units it drives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import SequentialSampler

from neuroprobe.data import Data, Images, open_images
from neuroprobe.page.stimuli import as_picture
from neuroprobe.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 128  # pixels
_AS_IT_IS = 64  # pixels, up to which a picture is kept without loss


def write_photographs(
    data: Data, wanted: Iterable[int], folder: Path, shape: tuple[int, int, int] | None, *, progress: bool
) -> dict[str, Any]:
    """Write the images of these numbers and say of each what it is; one that the data have not is left out.

    Args:
        data: the images that were recorded, in the same order.
        wanted: numbers of images, counted from 0 as they come.
        folder: where the pictures go, ``photo-7.jpg``.
        shape: (C, H, W) that the network saw photographs of a folder in; None for as they are.
        progress: show a bar on a terminal.
    """
    images, numbers = open_images(data, shape=shape, any_range=True), sorted(set(wanted))
    about, ending = {}, "png"
    with progress_bar("writing images", len(numbers), shown=progress) as bar:
        for number, image, label in _pictures(images, numbers):
            ending = "png" if max(image.shape[1:]) <= _AS_IT_IS else "jpg"
            as_picture(_small(image)).save(folder / f"photo-{number}.{ending}", quality=85)
            about[number] = [label, _name(images, number)]
            bar.update()
    return {"file": {"ending": ending}, "classes": images.classes, "about": about}


def source(said: str) -> str:
    """Shorten what a result says of its data: of a folder its own name, not where it lies on somebody's disk."""
    return f"folder {said.rstrip('/').rpartition('/')[2]}" if said.startswith("folder ") else said


def _pictures(images: Images, numbers: list[int]) -> Iterator[tuple[int, Tensor, int | None]]:
    """Yield (number, image (C, H, W), label): one by one where the data can be asked for one, else in one pass."""
    if not _can_be_asked(images):
        yield from _in_one_pass(images, set(numbers))
        return
    for number in numbers:
        if number < len(images.loader.dataset):  # type: ignore[arg-type]
            item = images.loader.dataset[number]
            image, label = (item, None) if isinstance(item, Tensor) else (item[0], item[1] if len(item) > 1 else None)
            yield number, torch.as_tensor(image).float(), None if label is None else int(label)


def _can_be_asked(images: Images) -> bool:
    return hasattr(images.loader.dataset, "__getitem__") and isinstance(images.loader.sampler, SequentialSampler)


def _in_one_pass(images: Images, wanted: set[int]) -> Iterator[tuple[int, Tensor, int | None]]:
    for batch in images:
        for place, number in enumerate(batch.numbers.tolist()):
            if number in wanted:
                yield number, batch.images[place].float(), None if batch.labels is None else int(batch.labels[place])


def _small(image: Tensor) -> Tensor:
    """Scale an image down to what a card shows, and into [0, 1] where it is not."""
    image = image.cpu()
    if image.min() < 0 or image.max() > 1:
        image = (image - image.min()) / (image.max() - image.min()).clamp_min(1e-12)
    scale = _LARGEST / max(image.shape[1:])
    return image if scale >= 1 else F.interpolate(image[None], scale_factor=scale, mode="bilinear", antialias=True)[0]


def _name(images: Images, number: int) -> str | None:
    """Return the file that an image of a folder is in."""
    samples = getattr(images.loader.dataset, "samples", None)
    return None if samples is None else str(samples[number][0]).replace("\\", "/").rpartition("/")[2]
