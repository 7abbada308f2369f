"""What ablated networks answer: loss and correct answers of each trial, summed as the images come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from neuroprobe.adding import with_added
from neuroprobe.analysis.indices import Floats
from neuroprobe.answers import labels_among
from neuroprobe.data import Batch

if TYPE_CHECKING:
    from neuroprobe.analysis.bootstrap import Bootstrap


class Outcomes:
    """Loss and accuracy of the intact network and of each trial, over all images and class by class.

    Row 0 of every array is the intact network and row n + 1 is trial n, so ``loss[1:] - loss[0]`` is what the trials
    did. Memory is a number for each row and class, however many images there are.

    Example:
        >>> outcomes, batch = Outcomes(trials=1), Batch(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.arange(2))
        >>> outcomes.intact(batch, 9 * torch.eye(2))
        >>> outcomes.held([0], torch.zeros(1, 2, 2))  # an answer of "all alike" counts as the first class
        >>> outcomes.accuracy.tolist(), outcomes.class_accuracy[1].tolist(), outcomes.loss.round(2).tolist()
        ([1.0, 0.5], [1.0, 0.0], [0.0, 0.69])

    Args:
        trials: how many ablated networks will be seen.
        bootstrap: is shown each image's loss and answer too, for intervals.

    Raises:
        ValueError: as batches come, if they have no labels or a label has no logit; as ``loss`` is read, if a trial's
            is not finite.
    """

    def __init__(self, trials: int, bootstrap: Bootstrap | None = None) -> None:
        self._rows, self._bootstrap = 1 + trials, bootstrap
        self._labels = self._images = self._losses = self._correct = torch.zeros(0)  # made when the classes are known

    def intact(self, batch: Batch, logits: Tensor) -> None:
        """Add what the intact network gave to a batch, (images, classes)."""
        self.again(batch, logits)
        self._images += torch.bincount(self._labels, minlength=len(self._images))
        if self._bootstrap is not None:
            self._bootstrap.count()
        self._add([0], logits[None])

    def again(self, batch: Batch, logits: Tensor) -> None:
        """Take up a batch that has been added before, in an earlier pass over the data, for more trials."""
        self._labels = labels_among(logits, batch.labels, who="loss and accuracy need")
        if not len(self._images):
            self._begin(logits)
        if self._bootstrap is not None:
            self._bootstrap.draw(batch.numbers, logits.device)

    def held(self, numbers: Sequence[int], logits: Tensor) -> None:
        """Add what some trials, by number, gave to the same batch, (trials, images, classes)."""
        self._add([number + 1 for number in numbers], logits)

    def _begin(self, logits: Tensor) -> None:
        classes = logits.shape[1]
        self._images = logits.new_zeros(classes, dtype=torch.float64)
        self._losses = logits.new_zeros(self._rows, dtype=torch.float64)  # nats
        self._correct = logits.new_zeros(self._rows, classes, dtype=torch.float64)

    def _add(self, rows: Sequence[int], logits: Tensor) -> None:
        losses = F.cross_entropy(logits.float().movedim(2, 1), self._labels.expand(len(rows), -1), reduction="none")
        correct = logits.argmax(2) == self._labels
        self._losses[list(rows)] += losses.double().sum(1)
        self._correct[list(rows)] += correct.double() @ F.one_hot(self._labels, logits.shape[2]).double()
        if self._bootstrap is not None:
            self._bootstrap.add(rows, losses, correct)

    def __add__(self, other: Outcomes) -> Outcomes:
        """Return the outcomes over both sets of images; the bootstrap is added apart."""
        return with_added(self, other, "_images", "_losses", "_correct")

    @property
    def images(self) -> NDArray[np.int64]:
        """How many images of each class were seen, (classes,)."""
        return self._images.long().cpu().numpy()

    @property
    def loss(self) -> Floats:
        """Mean cross-entropy in nats, (1 + trials,)."""
        loss = (self._losses / self._images.sum()).cpu().numpy()
        if not np.isfinite(loss).all():
            row = int(np.flatnonzero(~np.isfinite(loss))[0])
            who = f"ablated as in trial {row - 1}" if row else "intact"
            raise ValueError(f"the network {who} gave NaN or infinite logits: is its precision wide enough?")
        return loss

    @property
    def accuracy(self) -> Floats:
        """Share of images answered with their label, (1 + trials,)."""
        return (self._correct.sum(1) / self._images.sum()).cpu().numpy()

    @property
    def class_accuracy(self) -> Floats:
        """The same of each class's images, (1 + trials, classes); NaN where a class has none."""
        return (self._correct / self._images).cpu().numpy()
