"""Images from wherever a user has them, as checked batches: tensors, Dataset, DataLoader, or a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    TensorDataset,
    default_collate,
)

from neuroprobe.checks import check_axes, check_images, checked_labels
from neuroprobe.distributed import ALL, Part, agree, look_out, processes
from neuroprobe.fingerprints import are_landmarks, fingerprints, is_known
from neuroprobe.image_folder import photographs_in

Value = TypeVar("Value")
Data = Tensor | tuple[Tensor, Tensor] | Dataset[Any] | DataLoader[Any] | str | Path
_BATCH_PIXELS = 2**20  # a batch of this many pixels keeps two cores busy and the maps of wide networks within 1 GB
_BYTES_A_PIXEL = 2**11  # of maps that wide networks hold at once, and of blocks that the C library keeps
_MOST_IMAGES = 256
_GLIMPSED = 16  # images
_ALIKE = (
    "what is measured in several passes wants the same images in each, in the same order, as a Dataset without random "
    "changes gives them; keep them in one if they come from a stream"
)


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images of a data set, as they came."""

    images: Tensor  # (images, C, H, W)
    labels: Tensor | None  # (images,), class indices
    numbers: Tensor  # (images,), counted from 0 as they come
    drawn: int = 0  # batches drawn up to this one, with those that were empty
    fingerprints: Tensor | None = None  # (images,), where they are to be known again

    def cut(self, most: int) -> Iterator[Batch]:
        """Yield the images again, at most so many at a time."""
        for start in range(0, len(self.images), most):
            piece = slice(start, start + most)
            labels, fingerprints = (None if of is None else of[piece] for of in (self.labels, self.fingerprints))
            yield Batch(self.images[piece], labels, self.numbers[piece], self.drawn, fingerprints)


@dataclass(frozen=True, eq=False)
class Images:
    """A data set opened for reading: iterate over it, more than once, for checked batches."""

    loader: DataLoader[Any]
    any_range: bool  # values outside [0, 1] are allowed
    classes: tuple[str, ...] | None  # names, where known
    source: str  # what it was made from, for a result's meta
    start: tuple[int, int] = (0, 0)  # batches and images that were left out
    part: Part = ALL  # that falls to this of several processes
    shape: tuple[int, int, int] | None = None  # (C, H, W) that photographs of a folder are brought to
    counts: set[int] = field(default_factory=set)  # of images, in the passes so far
    known: dict[int, tuple[float, int | None]] = field(default_factory=dict)  # some: number -> fingerprint and label

    def __iter__(self) -> Iterator[Batch]:
        skipped, first = self.start
        for drawn, item in enumerate(self.loader, start=skipped + 1):
            look_out()
            images, labels = _images_and_labels(item)
            check_images(images, any_range=self.any_range, first=first)
            if labels is not None:
                labels = checked_labels(labels, len(images))
            if not len(images):
                continue
            batch = Batch(images, labels, torch.arange(first, first + len(images)), drawn)
            self._know_again(batch)
            yield batch
            first += len(images)
        if first == 0:
            raise ValueError("the data hold no images: at least one is needed")
        self.counts.add(first)
        if len(self.counts) > 1:
            few, many = min(self.counts), max(self.counts)
            raise ValueError(f"the data hold {many} images in one pass and {few} in another: {_ALIKE}")

    def _know_again(self, batch: Batch) -> None:
        """Raise where an image or its label was another in an earlier pass, as some show."""
        for place in are_landmarks(batch.numbers).nonzero().flatten().tolist():
            number, image = int(batch.numbers[place]), batch.images[place]
            label = None if batch.labels is None else int(batch.labels[place])
            known, labelled = self.known.setdefault(number, (float(fingerprints(image[None])), label))
            if label != labelled or not is_known(image, known):
                what = "image" if label == labelled else "label of image"
                raise ValueError(f"the {what} {number} is not the same in two passes over the data: {_ALIKE}")

    @property
    def count(self) -> int | None:
        """How many images there are, None where a stream does not say."""
        if isinstance(self.loader.dataset, IterableDataset):
            return None
        sampler = self.loader.sampler
        return len(sampler) if hasattr(sampler, "__len__") else None  # type: ignore[arg-type]

    @property
    def starts_anywhere(self) -> bool:
        """Whether images can be left out without being read: not from streams, nor loaders that are the user's own."""
        return type(self.loader) is DataLoader and not isinstance(self.loader.dataset, IterableDataset)

    def after(self, batches: int, images: int) -> Images:
        """Return the same without its first batches, which hold so many images and are not read."""
        loader = self.loader
        if loader.batch_sampler is None:  # each item of the data set is a batch
            rest = _like(loader, sampler=_Rest(loader.sampler, batches), batch_size=None)
        else:
            rest = _like(loader, batch_sampler=_Rest(loader.batch_sampler, batches))
        return replace(self, loader=rest, start=(batches, images))

    def shared(self) -> Images:
        """Return the part of the images that falls to this process; all, where it is alone.

        Raises:
            ValueError: if several processes cannot share them, since they do not come in a known order.
        """
        if processes()[1] == 1:
            return self
        loader = self.loader
        in_order = type(loader.batch_sampler) is BatchSampler and type(loader.sampler) is SequentialSampler
        if not (in_order and self.starts_anywhere):
            raise ValueError(
                "several processes share a data set of known length and order, and a stream or a DataLoader with a "
                "sampler of its own is neither: pass the Dataset, or measure in one process, inside "
                "neuroprobe.distributed.alone()"
            )
        agree("images", f"{self.count} in batches of {loader.batch_size}{_glimpse(loader.dataset)}")
        part, size = Part.of(len(loader)), loader.batch_size or 1
        numbers = range(self.count or 0)[part.batches.start * size : part.batches.stop * size]
        start = (part.batches.start, part.batches.start * size)
        return replace(
            self, loader=_like(loader, sampler=numbers, batch_size=size), start=start, part=part, counts=set()
        )

    def pooled(self, value: Value) -> Value:
        """Return what all processes made of their parts of the images, added up; the value itself, of all images."""
        return self.part.pooled(value)

    def alone(self, numbers: Sequence[int]) -> Iterator[Any]:
        """Yield what the loader makes of some items of its data set, each alone."""
        loader, workers = self.loader, {"num_workers": min(1, self.loader.num_workers)}
        if loader.batch_sampler is None:
            return iter(_like(loader, sampler=numbers, batch_size=None, **workers))
        return iter(_like(loader, batch_sampler=[[number] for number in numbers], **workers))


class _Rest(Sampler[Any]):
    """What a sampler draws from a place on."""

    def __init__(self, sampler: Iterable[Any], start: int) -> None:
        self._sampler, self._start = sampler, start

    def __iter__(self) -> Iterator[Any]:
        return islice(iter(self._sampler), self._start, None)


def open_images(
    data: Data,
    *,
    batch_size: int | None = None,
    memory: int | None = None,
    shape: tuple[int, int, int] | None = None,
    any_range: bool = False,
) -> Images:
    """Open a user's images for reading in batches.

    Args:
        data: images (N, C, H, W), or (images, labels); a Dataset of images or (image, label); a DataLoader, read as it
            is but not shuffled; a folder in ImageFolder layout, one sub-folder a class.
        batch_size: None for one that suits the image size and the memory.
        memory: bytes that a batch may keep; None for about 1 GiB.
        shape: (C, H, W) that the network expects. Photographs of a folder that differ are scaled on their shorter side
            and cut to their centre.
        any_range: allow values outside [0, 1].

    Raises:
        TypeError: if the data are none of these; FileNotFoundError: if a folder or its class folders are not there.
        ValueError: as the batches are read: values that are not finite or outside [0, 1], wrong axes, wrong labels.
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, or None; {batch_size} came")
    if isinstance(data, DataLoader):
        data = _in_order(data)
        return Images(data, any_range, _class_names(data.dataset), "DataLoader")
    dataset = _as_dataset(data, shape)
    collate = _as_taken if isinstance(dataset, _Tensors) else _collated
    loader = DataLoader(dataset, batch_size or _batch_size(dataset, shape, memory), collate_fn=collate)
    brought_to = shape if isinstance(data, str | Path) else None
    return Images(loader, any_range, _class_names(dataset), _source(data), shape=brought_to)


class _Tensors(TensorDataset):
    """Tensors of which a loader takes a batch at once: image by image takes a hundredth of a small network's pass."""

    def __getitems__(self, numbers: list[int]) -> tuple[Tensor, ...]:
        return tuple(tensor[numbers] for tensor in self.tensors)


def suggested_batch(height: int, width: int, memory: int | None = None) -> int:
    """Return how many images of a size make a good batch, of which few suit a small memory (bytes)."""
    pixels = _BATCH_PIXELS if memory is None else min(_BATCH_PIXELS, memory // _BYTES_A_PIXEL)
    return max(1, min(_MOST_IMAGES, pixels // (height * width)))


def cut(batches: Iterable[Batch], most: int) -> Iterator[Batch]:
    """Cut batches to at most so many images."""
    return (piece for batch in batches for piece in batch.cut(most))


def _glimpse(dataset: Any) -> str:
    """Return a checksum of some images of tensors: drawn at random, they would differ between processes."""
    if not isinstance(dataset, _Tensors):
        return ""
    some = dataset.tensors[0][:: max(1, len(dataset) // _GLIMPSED)]
    return f" with checksum {crc32(some.contiguous().numpy(force=True).tobytes()):x}"


def _in_order(loader: DataLoader[Any]) -> DataLoader[Any]:
    """Return a loader that does not shuffle, so that images have their numbers in the data set."""
    shuffled = type(loader.sampler) is RandomSampler and not loader.sampler.replacement
    if loader.batch_size is None or not (shuffled or type(loader.sampler) is DistributedSampler):
        return loader
    return _like(loader, batch_size=loader.batch_size, drop_last=loader.drop_last)


def _like(loader: DataLoader[Any], **changes: Any) -> DataLoader[Any]:
    """Return a loader that differs in the order of what it draws, or in how many workers do it."""
    kept = (
        "num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn", "multiprocessing_context", "generator",
        "prefetch_factor",
    )  # fmt: skip
    return DataLoader(loader.dataset, **{name: getattr(loader, name) for name in kept} | changes)


def _as_dataset(data: Any, shape: tuple[int, int, int] | None) -> Dataset[Any]:
    if isinstance(data, str | Path):
        return photographs_in(Path(data), shape)
    if isinstance(data, Tensor | np.ndarray):
        images = torch.as_tensor(data)
        check_axes(images)
        return _Tensors(images)
    if isinstance(data, tuple | list) and len(data) == 2 and _are_images_and_labels(*data):
        images = torch.as_tensor(data[0])
        check_axes(images)
        return _Tensors(images, checked_labels(data[1], len(images)))
    if isinstance(data, Dataset) or (hasattr(data, "__getitem__") and hasattr(data, "__len__") and not _are_sets(data)):
        return data
    came = f"{type(data).__name__} of {len(data)}" if isinstance(data, tuple | list) else type(data).__name__
    raise TypeError(f"data must be images, (images, labels), a Dataset, a DataLoader or a folder; {came} came")


def _are_images_and_labels(first: Any, second: Any) -> bool:
    """Whether two things are such, even if the images lack an axis, and not two items of a data set."""
    return isinstance(first, Tensor | np.ndarray) and (first.ndim == 4 or np.ndim(second) < 2)


def _are_sets(data: Any) -> bool:
    """Whether several things come in a tuple, the first of them many images, and not one item after the other."""
    return isinstance(data, tuple | list) and any(getattr(first, "ndim", 0) == 4 for first in data[:1])


def _batch_size(dataset: Any, shape: tuple[int, int, int] | None, memory: int | None) -> int:
    alike = isinstance(dataset, TensorDataset) and dataset.tensors[0].ndim == 4
    height, width = dataset.tensors[0].shape[2:] if alike else (shape or (3, 224, 224))[1:]
    return suggested_batch(height, width, memory)


def _as_taken(batch: Any) -> Any:
    return batch


def _collated(items: list[Any]) -> Any:
    try:
        return default_collate(items)
    except RuntimeError as error:
        raise ValueError(
            f"the images of a data set must have one size ({error}): scale them; photographs in a folder are scaled "
            "for a network whose size is known, as by neuroprobe.load_network, or to the input_size= of a call that "
            "takes it"
        ) from error
    except TypeError as error:
        raise TypeError(
            f"a data set must give images as tensors, or (image, label) ({error}): give it transform=ToTensor() of "
            "torchvision, or pass the folder itself"
        ) from error


def _images_and_labels(item: Any) -> tuple[Tensor, Tensor | None]:
    if isinstance(item, Tensor):
        return item, None
    if isinstance(item, Sequence) and len(item) in (1, 2):
        return item[0], item[1] if len(item) == 2 else None
    length = f" of {len(item)}" if isinstance(item, Sequence) else ""
    raise TypeError(f"a batch must be images or (images, labels); {type(item).__name__}{length} came")


def _class_names(dataset: Any) -> tuple[str, ...] | None:
    names = getattr(dataset, "classes", None)
    return tuple(map(str, names)) if names is not None else None


def _source(data: Any) -> str:
    return (
        f"folder {data}"
        if isinstance(data, str | Path)
        else type(data[0] if isinstance(data, tuple) else data).__name__
    )
