"""The two halves of a set of labelled images: what one of them finds, the other checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuroprobe.analysis.indices import Floats
from neuroprobe.data import Batch
from neuroprobe.reducers import ClassMoments, Observed


class Labelling:
    """Tells each class's images apart into halves, by turns as they come, and remembers the labels."""

    def __init__(self) -> None:
        self._labels: list[NDArray[np.int64]] = []
        self._seen = np.zeros(0, np.int64)  # (classes,), images so far

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of every image so far (images,)."""
        return np.concatenate(self._labels)

    def with_halves(self, batch: Batch) -> Batch:
        """Return the batch with labels 2 x class + half, so that one set of class moments holds both halves."""
        if batch.labels is None:
            raise ValueError(
                "class selectivity needs labels: give data as (images, labels) or a folder with one for each class"
            )
        labels = batch.labels.cpu().numpy()
        self._labels.append(labels)
        # by turns within a class: where classes alternate, the even-numbered of all images are half of the classes
        return replace(batch, labels=torch.from_numpy(2 * labels + self._turns(labels) % 2))

    def _turns(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count how many images of its class came before each image."""
        counts = np.bincount(labels)
        self._seen = np.pad(self._seen, (0, max(len(counts) - len(self._seen), 0)))
        by_class = np.argsort(labels, kind="stable")
        turns = np.empty_like(labels)
        turns[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
        turns += self._seen[labels]
        self._seen[: len(counts)] += counts
        return turns


class ClassTally:
    """Class moments of all images so far, grown in place: a batch costs no more where there are a thousand classes."""

    def __init__(self) -> None:
        self._state: ClassMoments | None = None

    def __call__(self, seen: Observed) -> None:
        """Add one batch of labelled responses."""
        classes, labels = torch.unique(seen.labels, return_inverse=True)
        new = ClassMoments.of(replace(seen, labels=labels))
        rows = classes.to(new.mean.device)
        state = self._state = self._with_room(int(classes.max()) + 1, new.mean)
        merged = ClassMoments(state.count[rows], state.mean[rows], state.sum_sq_dev[rows]) + new
        for name in ("count", "mean", "sum_sq_dev"):
            getattr(state, name)[rows] = getattr(merged, name)

    @property
    def state(self) -> ClassMoments:
        """The moments (classes, units), up to the last class with an image."""
        if self._state is None:
            raise ValueError("no batch has been added yet")
        classes = int(self._state.count.nonzero().max()) + 1
        return ClassMoments(*(getattr(self._state, name)[:classes] for name in ("count", "mean", "sum_sq_dev")))

    def _with_room(self, classes: int, like: Tensor) -> ClassMoments:
        """Return the state with rows for so many classes; twice as many when it grows, so that it grows seldom."""
        if self._state is None:
            return ClassMoments(like.new_zeros(classes), *(like.new_zeros(classes, like.shape[1]) for _ in range(2)))
        if classes <= len(self._state.count):
            return self._state
        count, mean = like.new_zeros(2 * classes), like.new_zeros(2 * classes, like.shape[1])
        return self._state + ClassMoments(count, mean, mean)


@dataclass(frozen=True, eq=False)
class Halves:
    """The class moments of all units, over the even- and over the odd-numbered images of each class."""

    even: ClassMoments
    odd: ClassMoments

    @classmethod
    def of(cls, moments: ClassMoments) -> Halves:
        """Take apart the halves that :class:`Labelling` told apart."""
        parts = [getattr(moments, name).cpu() for name in ("count", "mean", "sum_sq_dev")]
        return cls(*(ClassMoments(*(part[half::2] for part in parts)) for half in (0, 1)))

    def __add__(self, later: Halves) -> Halves:
        """Return the halves of these images and of more that come after them.

        Where these are an odd number of a class, its turns go on with the other half.
        """
        odd = np.resize(self.images % 2 == 1, len(later.images))
        odd[len(self.images) :] = False
        same, other = ~torch.from_numpy(odd), torch.from_numpy(odd)
        return Halves(
            self.even + _of_classes(later.even, same) + _of_classes(later.odd, other),
            self.odd + _of_classes(later.odd, same) + _of_classes(later.even, other),
        )

    @cached_property
    def _whole(self) -> ClassMoments:
        return self.even + self.odd

    @property
    def images(self) -> NDArray[np.int64]:
        """The images of each class (all classes,), 0 where it is absent."""
        return self._whole.count.long().numpy()

    @cached_property
    def present(self) -> NDArray[np.intp]:
        """The classes that have images (classes,)."""
        return np.flatnonzero(self.images)

    @property
    def count(self) -> Floats:
        """The images of each class that has any (classes,)."""
        return self._whole.count.numpy()[self.present]

    @cached_property
    def means(self) -> Floats:
        """The class means (classes, units), response units."""
        return self._whole.mean.numpy()[self.present]

    @property
    def variances(self) -> Floats:
        """The unbiased variance within each class (classes, units); NaN for a single image."""
        return self._whole.variance.numpy()[self.present]

    @property
    def sum_sq_dev(self) -> Floats:
        """The squared deviations from the class mean, summed (classes, units)."""
        return self._whole.sum_sq_dev.numpy()[self.present]

    def apart(self) -> tuple[Floats, Floats]:
        """Return the class means in either half, each (classes, units), of the classes that both have."""
        both = np.flatnonzero(self.odd.count.numpy())  # a class's first image is in the even half
        return self.even.mean.numpy()[both], self.odd.mean.numpy()[both]


def _of_classes(moments: ClassMoments, classes: Tensor) -> ClassMoments:
    """Return moments without the images of other classes; ``classes`` says which are kept."""
    kept = classes[: len(moments.count)].double()
    return ClassMoments(moments.count * kept, moments.mean * kept[:, None], moments.sum_sq_dev * kept[:, None])
