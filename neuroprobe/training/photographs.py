"""Photographs to learn from, all in memory: read, held out, their labels corrupted, their mean and deviation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuroprobe.checks import check_images, checked_labels
from neuroprobe.digests import bytes_of, digest
from neuroprobe.image_folder import fitted, photographs_in
from neuroprobe.progress import progress_bar
from neuroprobe.readout import whole_number
from neuroprobe.training.randomness import Purpose, generator

_AT_A_TIME = 4096  # photographs of which sums are taken in double precision
_SETS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Photographs:
    """Photographs with labels.

    They lie pixel by pixel, as a network in channels-last reads them.
    """

    images: Tensor  # (N, H, W, C), contiguous: uint8, or floating in [0, 1]
    labels: Tensor  # (N,), class indices
    classes: tuple[str, ...]  # names

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W), pixels."""
        height, width, channels = self.images.shape[1:]
        return channels, height, width

    @property
    def white(self) -> float:
        """The value of a white pixel."""
        return 1.0 if self.images.is_floating_point() else 255.0

    @property
    def digest(self) -> str:
        """A digest of all pixels and labels."""
        return digest(*bytes_of(self.images), *bytes_of(self.labels))

    def at(self, numbers: Tensor) -> Photographs:
        """Return some of them."""
        return replace(self, images=self.images[numbers], labels=self.labels[numbers])


TrainingData = Mapping[str, tuple[Tensor, Tensor]] | Mapping[str, Photographs] | str | Path


def read_photographs(
    data: TrainingData, size: tuple[int, int, int] | None = None, *, images: int | None = None, progress: bool = True
) -> dict[str, Photographs]:
    """Read the sets ``train`` and ``test``, and ``val`` where there is one.

    Args:
        data: A folder with a sub-folder for each set in ImageFolder layout; or a mapping from set to (images, labels):
            (N, C, H, W), uint8 or floating in [0, 1], and class indices; or what this function has read before.
        size: (C, H, W) to which photographs of a folder are scaled and cut; None where they all have one size.
        images: Read only the first so many photographs of ``train``, classes in turn.
        progress: Show a bar.

    Raises:
        FileNotFoundError: if a folder is not there.
        ValueError: if sets do not agree in classes or size, or hold what no photographs do.
    """
    if isinstance(data, str | Path):
        folder = Path(data).expanduser()
        names = [name for name in _SETS if name != "val" or (folder / name).is_dir()]
        most = {"train": images}
        sets = {name: _from_folder(folder / name, size, most.get(name), progress=progress) for name in names}
    elif isinstance(data, Mapping) and {"train", "test"} <= set(data) <= set(_SETS):
        sets = _from_mapping(data)
        if images is not None:
            sets["train"] = sets["train"].at(first_in_turn(sets["train"].labels, images))
    else:
        came = f"a mapping with {', '.join(map(str, data))}" if isinstance(data, Mapping) else type(data).__name__
        raise TypeError(
            "data must be a folder with train/ and test/ (val/ too, if there is one), or a mapping from these names to "
            f"(images, labels); {came} came"
        )
    _check_alike(sets)
    return sets


def in_turn(labels: Tensor) -> Tensor:
    """Return the numbers of photographs, the classes taken in turn: any first part holds all classes alike.

    Example:
        >>> in_turn(torch.tensor([0, 0, 0, 1, 1, 1]))
        tensor([0, 3, 1, 4, 2, 5])
    """
    turns = torch.empty_like(labels)
    for label in labels.unique():
        of_class = (labels == label).nonzero().flatten()
        turns[of_class] = torch.arange(len(of_class))
    return torch.argsort(turns * (labels.max() + 1) + labels)


def first_in_turn(labels: Tensor, count: int) -> Tensor:
    """Return the numbers of so many photographs, taken from the classes in turn, in their own order.

    Example:
        >>> first_in_turn(torch.tensor([0, 0, 0, 1, 1, 1]), 4)
        tensor([0, 1, 3, 4])
    """
    whole_number("images", count)
    if not 2 <= count <= len(labels):
        raise ValueError(f"images must be 2 to {len(labels)}, the photographs to learn from; {count} came")
    return in_turn(labels)[:count].sort().values


def to_be_learned(
    sets: Mapping[str, Photographs], *, validation: float, corrupted: float, seed: int
) -> dict[str, Photographs]:
    """Return the sets as a training takes them.

    Where there is no ``val``, a share of ``train`` is held out as such, with its labels as they are; of the rest a
    share of the labels is corrupted.
    """
    learned = dict(sets)
    if validation and "val" not in learned:
        learned["train"], learned["val"] = held_out(learned["train"], validation, seed=seed)
    learned["train"] = with_corrupted_labels(learned["train"], corrupted, seed=seed)
    return learned


def held_out(photographs: Photographs, share: float, *, seed: int) -> tuple[Photographs, Photographs]:
    """Split into those that are learned and a share, the same in every class, that is held out."""
    shuffled = torch.randperm(len(photographs), generator=generator(Purpose.HELD_OUT, seed))
    of_classes = [shuffled[photographs.labels[shuffled] == label] for label in photographs.labels.unique()]
    out = torch.cat([numbers[: round(share * len(numbers))] for numbers in of_classes])
    learned = torch.ones(len(photographs), dtype=torch.bool)
    learned[out] = False
    if not len(out) or not learned.any():
        raise ValueError(f"validation={share:g} of {len(photographs)} photographs leaves one of both sets empty")
    return photographs.at(learned.nonzero().flatten()), photographs.at(out.sort().values)


def with_corrupted_labels(photographs: Photographs, share: float, *, seed: int) -> Photographs:
    """Give a share of the photographs, drawn at random, the label of another class, drawn at random."""
    if not 0 <= share <= 1:
        raise ValueError(f"corrupted must be a share of the labels, 0 to 1; {share!r} came")
    draws, count = generator(Purpose.CORRUPTION, seed), len(photographs)
    chosen = torch.randperm(count, generator=draws)[: round(share * count)]
    further = torch.randint(1, len(photographs.classes), (len(chosen),), generator=draws)
    labels = photographs.labels.clone()
    labels[chosen] = (labels[chosen] + further) % len(photographs.classes)
    return replace(photographs, labels=labels)


def mean_and_std(photographs: Photographs) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel over all pixels, white being 1."""
    pixels = photographs.images.flatten(0, 2)
    sums = squares = torch.zeros(pixels.shape[1], dtype=torch.float64)
    for part in pixels.split(_AT_A_TIME * photographs.images[0, ..., 0].numel()):
        values = part.double() / photographs.white
        sums, squares = sums + values.sum(0), squares + values.square().sum(0)
    mean = sums / len(pixels)
    std = ((squares - len(pixels) * mean.square()) / (len(pixels) - 1)).clamp_min(0).sqrt()
    if not std.all():
        raise ValueError(
            "the training photographs have a channel that is the same everywhere: nothing to learn from it"
        )
    return tuple(mean.tolist()), tuple(std.tolist())


def _from_folder(folder: Path, size: tuple[int, int, int] | None, most: int | None, *, progress: bool) -> Photographs:
    if not folder.is_dir():
        raise FileNotFoundError(f"a folder with {folder.name}/ is wanted, one sub-folder a class; there is no {folder}")
    found = photographs_in(folder, None)
    labels = torch.tensor(found.targets)
    numbers = torch.arange(len(labels)) if most is None else first_in_turn(labels, most)
    pixels: list[np.ndarray[Any, Any]] = []
    with progress_bar(f"reading {folder.name}/", len(numbers), shown=progress) as bar:
        for number in numbers.tolist():
            photograph = found.loader(found.samples[number][0])
            pixels.append(np.atleast_3d(np.asarray(photograph if size is None else fitted(photograph, size))))
            if pixels[-1].shape != pixels[0].shape:
                raise ValueError(
                    f"photographs of one size are wanted; {found.samples[number][0]} has {pixels[-1].shape}, others "
                    f"{pixels[0].shape} (height, width, channels): scale them"
                )
            bar.update(1)
    return Photographs(torch.from_numpy(np.stack(pixels)), labels[numbers], tuple(found.classes))


def _from_mapping(data: Mapping[str, Any]) -> dict[str, Photographs]:
    if all(isinstance(held, Photographs) for held in data.values()):
        return dict(data)
    pairs = {name: _pair(name, data[name]) for name in _SETS if name in data}
    classes = tuple(map(str, range(len(pairs["train"][1].bincount()))))
    return {name: _from_tensors(name, *pair, classes) for name, pair in pairs.items()}


def _pair(name: str, held: Any) -> tuple[Any, Tensor]:
    """Return a set's images and its labels, which are checked."""
    if not isinstance(held, tuple | list) or len(held) != 2:
        raise TypeError(
            f"{name} must be (images, labels), images (N, C, H, W); {type(held).__name__} came: of a data set, "
            "torch.stack the images"
        )
    labels = checked_labels(held[1], len(held[0]))
    if not len(labels):
        raise ValueError(f"{name} holds no photographs: at least one is needed")
    return held[0], labels


def _from_tensors(name: str, images: Any, labels: Tensor, classes: tuple[str, ...]) -> Photographs:
    images = torch.as_tensor(images)
    if images.dtype != torch.uint8:
        check_images(images, any_range=False)
    elif images.ndim != 4:
        raise ValueError(f"images must be a tensor (N, C, H, W); {tuple(images.shape)} came as {name}")
    if labels.max() >= len(classes):
        raise ValueError(f"train has labels up to {len(classes) - 1}; {name} has {int(labels.max())}")
    return Photographs(images.permute(0, 2, 3, 1).contiguous(), labels, classes)


def _check_alike(sets: Mapping[str, Photographs]) -> None:
    train = sets["train"]
    if len(train.labels.unique()) < 2:
        raise ValueError(
            f"photographs of at least two classes are wanted to learn from; {len(train)} of one class came"
        )
    for name, photographs in sets.items():
        for what in ("shape", "classes"):
            if getattr(photographs, what) != getattr(train, what):
                raise ValueError(
                    f"{name} and train must have the same {what}; {getattr(photographs, what)!r:.200} and "
                    f"{getattr(train, what)!r:.200} came"
                )
