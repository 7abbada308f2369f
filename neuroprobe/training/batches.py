"""What a training loop reads: whole batches taken at once, in an order that the seed and the epoch give."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from neuroprobe.distributed import processes
from neuroprobe.training.augmentation import epoch_moves, moved
from neuroprobe.training.photographs import Photographs
from neuroprobe.training.randomness import Purpose, generator
from neuroprobe.training.recipes import Recipe

_PIXELS, _MOST = 2**20, 1000  # of a batch without gradients

Batch = tuple[Tensor, Tensor]  # images (n, H, W, C), labels (n,)


class AugmentedBatches:
    """The batches of an epoch, each shared out among the processes; what is left over at the end is not seen.

    It is its own sampler: Lightning tells the sampler of what it reads which epoch it is.
    """

    def __init__(self, photographs: Photographs, recipe: Recipe, seed: int) -> None:
        _, of = processes()
        if recipe.batch_size % of:
            raise ValueError(f"batch_size must be a multiple of the {of} processes; {recipe.batch_size} came")
        self._photographs, self._recipe, self._seed, self._epoch = photographs, recipe, seed, 0
        self._size = min(recipe.batch_size, len(photographs))

    @property
    def sampler(self) -> AugmentedBatches:
        """What :meth:`set_epoch` is called of."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, counted from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._photographs) // self._size

    def __iter__(self) -> Iterator[Batch]:
        # nothing here runs before the first batch is asked for: only then the epoch is known
        count, (process, of) = len(self._photographs), processes()
        moves = epoch_moves(count, self._recipe, seed=self._seed, epoch=self._epoch)
        order = torch.randperm(count, generator=generator(Purpose.ORDER, self._seed, self._epoch))
        for batch in order.split(self._size)[: len(self)]:
            numbers = batch[process::of]
            images = moved(self._photographs, numbers, moves.of(numbers), border=self._recipe.border)
            yield images, self._photographs.labels[numbers]


class PlainBatches:
    """Photographs as they are, in big batches, shared out among the processes."""

    def __init__(self, photographs: Photographs) -> None:
        process, of = processes()
        height, width = photographs.shape[1:]
        size = max(1, min(_MOST, _PIXELS // (height * width)))
        self._images, self._labels = (
            tensor[process::of].split(size) for tensor in (photographs.images, photographs.labels)
        )

    def __len__(self) -> int:
        return len(self._images)

    def __iter__(self) -> Iterator[Batch]:
        return zip(self._images, self._labels, strict=True)
