"""Pictures out of a user's data by their numbers; the rest is not read where the data can be entered anywhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler, Subset

from neuroprobe.data import Images
from neuroprobe.fingerprints import is_known

_BATCH = 64  # pictures read at once
_WANTED = "data must be the images that were recorded"


class Picture(NamedTuple):
    """One image of a data set."""

    image: Tensor  # (C, H, W)
    label: int | None


def pictures(images: Images, numbers: Iterable[int], known: Mapping[int, float] | None = None) -> dict[int, Picture]:
    """Return the pictures that have some numbers, counted from 0 as the data come; ``known`` has their fingerprints.

    Example:
        >>> import torch
        >>> from neuroprobe.data import open_images
        >>> images = open_images(torch.arange(4.0).reshape(4, 1, 1, 1) / 4)
        >>> {number: float(picture.image) for number, picture in pictures(images, [3, 1]).items()}
        {1: 0.25, 3: 0.75}

    Raises:
        ValueError: if the data hold fewer images, or one with another fingerprint.
    """
    wanted = sorted(set(numbers))
    count = images.count
    if wanted and count is not None and wanted[-1] >= count:
        raise _too_few(wanted[-1], count)
    found = dict(each_picture(images, wanted, known))
    if len(found) < len(wanted):
        raise _too_few(wanted[-1], "fewer")
    return found


def each_picture(
    images: Images, numbers: Iterable[int], known: Mapping[int, float] | None = None
) -> Iterator[tuple[int, Picture]]:
    """Yield the pictures that have some numbers, a batch of them in memory at a time; what is not there is left out.

    Raises:
        ValueError: if one has another fingerprint than is ``known`` of it.
    """
    count = images.count
    wanted = sorted({number for number in numbers if count is None or number < count})
    found = _chosen(images, wanted) if _can_choose(images) else _among_all(images, set(wanted))
    for number, picture in found:
        if known and number in known and not is_known(picture.image, known[number]):
            raise ValueError(
                f"{_WANTED}; image {number} is another, of shape {tuple(picture.image.shape)}: give them in the same "
                "order, read and scaled as they were then"
            )
        yield number, picture


def refuse_another_count(images: Images, count: int | None) -> None:
    """Raise where so many images were recorded, and the data are known to hold another number."""
    exact = _can_choose(images) and not images.loader.drop_last
    if exact and None not in (count, images.count) and count != images.count:
        raise ValueError(f"{_WANTED}, {count:,} of them; {images.count:,} came")


def _can_choose(images: Images) -> bool:
    """Whether an image's number is its place in a data set that can be entered anywhere."""
    return isinstance(images.loader.sampler, SequentialSampler) and images.loader.batch_size is not None


def _chosen(images: Images, wanted: list[int]) -> Iterator[tuple[int, Picture]]:
    chosen = Subset(images.loader.dataset, wanted)
    loader = DataLoader(chosen, _BATCH, collate_fn=images.loader.collate_fn)
    for place, picture in _numbered(replace(images, loader=loader)) if wanted else ():
        yield wanted[place], picture


def _among_all(images: Images, wanted: Collection[int]) -> Iterator[tuple[int, Picture]]:
    last = max(wanted, default=-1)
    for number, picture in _numbered(images):
        if number > last:
            return
        if number in wanted:
            yield number, picture


def _numbered(images: Images) -> Iterator[tuple[int, Picture]]:
    for batch in images:
        labels = [None] * len(batch.images) if batch.labels is None else batch.labels.tolist()
        for number, image, label in zip(batch.numbers.tolist(), batch.images, labels, strict=True):
            yield number, Picture(image, label)


def _too_few(number: int, count: int | str) -> ValueError:
    return ValueError(f"{_WANTED}; image {number} is wanted, and there are {count}")
