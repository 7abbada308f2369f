"""Statistics that stream: each is a value made from one batch, and two of them add up.

A reducer is any function from ``Observed`` to a value with ``+``. So batches, processes and resumed runs are all sums,
and the answer does not depend on how the images were cut or ordered. Sums that grow are float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

_NO_RESPONSE = 1e-12  # response units
_ROUNDING = 1e-6  # of a mean over many places in single precision, relative


@dataclass(frozen=True, eq=False)
class Observed:
    """What one layer did for one batch: all that a reducer may look at.

    Valid only while the reducer runs: later operations of the network may overwrite the maps.
    """

    responses: Tensor  # (images, units)
    maps: Tensor  # (images, units, *grid), what the responses were reduced from
    images: Tensor  # (images,), their numbers in the data
    labels: Tensor | None  # (images,), class indices

    @cached_property
    def places(self) -> Tensor:
        """Where each unit's map is largest: (images, units, axes of the grid), the first place where there are ties."""
        grid = self.maps.shape[2:]
        flat = self.maps.flatten(2).argmax(2) if grid else self.maps.new_zeros(self.maps.shape, dtype=torch.long)
        return torch.stack(torch.unravel_index(flat, grid), -1) if grid else flat[..., None][..., :0]


class Summable(Protocol):
    """A statistic of some images that can be added to that of others."""

    def __add__(self, other: Any, /) -> Any:
        """Return the statistic of both sets of images."""


Reducer = Callable[[Observed], Summable]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean, variance, smallest and largest response of each unit.

    Example:
        >>> a, b = (Moments.of(observed(values)) for values in ([[0.0], [2.0]], [[4.0]]))
        >>> (a + b).mean.item(), (a + b).variance.item(), (a + b).maximum.item()
        (2.0, 4.0, 4.0)

    Source: the merge law is that of Chan, Golub and LeVeque (1983).
    """

    count: int
    mean: Tensor  # (units,), response units
    sum_sq_dev: Tensor  # (units,), response units squared
    minimum: Tensor  # (units,)
    maximum: Tensor  # (units,)

    @classmethod
    def of(cls, observed: Observed) -> Moments:
        """Return the moments of one batch."""
        values = observed.responses.double()
        mean = values.mean(0)
        return cls(len(values), mean, (values - mean).square().sum(0), values.amin(0), values.amax(0))

    @property
    def variance(self) -> Tensor:
        """The unbiased variance (units,); NaN for a single image."""
        return self.sum_sq_dev / (self.count - 1) if self.count > 1 else torch.full_like(self.mean, torch.nan)

    def __add__(self, other: Moments) -> Moments:
        count, gap = self.count + other.count, other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * (other.count / count),
            self.sum_sq_dev + other.sum_sq_dev + gap.square() * (self.count * other.count / count),
            torch.minimum(self.minimum, other.minimum),
            torch.maximum(self.maximum, other.maximum),
        )


@dataclass(frozen=True, eq=False)
class CoMoments:
    """How two responses of each unit vary together: means, sums of squares and of products about them.

    Example:
        >>> a = CoMoments.of(torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [7.0]]))
        >>> b = CoMoments.of(torch.tensor([[2.0]]), torch.tensor([[9.0]]))
        >>> (a + b).pearson.item()
        1.0

    Source: the merge law is that of Chan, Golub and LeVeque (1983), for products as for squares.
    """

    count: int
    mean: Tensor  # (2, units), of the one response and of the other, response units
    sum_sq_dev: Tensor  # (2, units), response units squared
    sum_product: Tensor  # (units,), of the two deviations from the mean

    @classmethod
    def of(cls, one: Tensor, other: Tensor) -> CoMoments:
        """Return the co-moments of one batch of two responses, each (images, units)."""
        values = torch.stack([one, other]).double()
        mean = values.mean(1)
        deviations = values - mean[:, None]
        return cls(len(one), mean, deviations.square().sum(1), deviations.prod(0).sum(0))

    @property
    def pearson(self) -> Tensor:
        """Pearson's r over images (units,); NaN where one of the two responses is constant but for rounding."""
        spread = self.sum_sq_dev.sqrt()
        r = (self.sum_product / spread.prod(0)).clamp(-1, 1)
        return torch.where(self.constant.any(0), torch.nan, r)

    @property
    def constant(self) -> Tensor:
        """Whether a response is the same for all images (2, units), up to the rounding of single precision."""
        return (self.sum_sq_dev / self.count).sqrt() <= _ROUNDING * self.mean.abs() + _NO_RESPONSE

    def __add__(self, other: CoMoments) -> CoMoments:
        count, gap = self.count + other.count, other.mean - self.mean
        weight = self.count * other.count / count
        return CoMoments(
            count,
            self.mean + gap * (other.count / count),
            self.sum_sq_dev + other.sum_sq_dev + gap.square() * weight,
            self.sum_product + other.sum_product + gap.prod(0) * weight,
        )


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """Count of images, mean and variance of each unit's response, for each class apart."""

    count: Tensor  # (classes,), images
    mean: Tensor  # (classes, units), 0 where a class has no image
    sum_sq_dev: Tensor  # (classes, units)

    @classmethod
    def of(cls, observed: Observed) -> ClassMoments:
        """Return the moments of one batch, for as many classes as its largest label asks for."""
        if observed.labels is None:
            raise ValueError(
                "class moments need labels: give data as (images, labels) or a folder with one for each class"
            )
        labels, values = observed.labels.to(observed.responses.device), observed.responses.double()
        count = torch.bincount(labels).double()
        sums = values.new_zeros(len(count), values.shape[1]).index_add_(0, labels, values)
        mean = sums / count.clamp_min(1)[:, None]
        sum_sq_dev = torch.zeros_like(mean).index_add_(0, labels, (values - mean[labels]).square())
        return cls(count, mean, sum_sq_dev)

    @property
    def variance(self) -> Tensor:
        """The unbiased variance (classes, units); NaN where a class has fewer than two images."""
        return self.sum_sq_dev / torch.where(self.count > 1, self.count - 1, torch.nan)[:, None]

    def __add__(self, other: ClassMoments) -> ClassMoments:
        a, b = self._with_classes(len(other.count)), other._with_classes(len(self.count))
        count, gap = a.count + b.count, b.mean - a.mean
        share = (b.count / count.clamp_min(1))[:, None]
        return ClassMoments(
            count, a.mean + gap * share, a.sum_sq_dev + b.sum_sq_dev + gap.square() * share * a.count[:, None]
        )

    def _with_classes(self, classes: int) -> ClassMoments:
        """Return the same with empty classes added at the end, up to a number."""
        more = max(classes - len(self.count), 0)
        pad = torch.nn.functional.pad
        return ClassMoments(
            pad(self.count, (0, more)), pad(self.mean, (0, 0, 0, more)), pad(self.sum_sq_dev, (0, 0, 0, more))
        )


@dataclass(frozen=True, eq=False)
class TopImages:
    """The images that drive each unit most, and where in its map; of equal responses the lower number comes first.

    For another number of images than nine: ``functools.partial(TopImages.of, k=25)``.
    """

    k: int
    values: Tensor  # (units, up to k), largest first
    images: Tensor  # (units, up to k), numbers in the data
    places: Tensor  # (units, up to k, axes of the grid), place of the maximum: (row, column) of a map

    @classmethod
    def of(cls, observed: Observed, k: int = 9) -> TopImages:
        """Return the top images of one batch."""
        if k < 1:
            raise ValueError(f"k, the number of top images, must be at least 1; {k} came")
        values = observed.responses.T
        images = observed.images.to(values.device).expand(values.shape)
        return _best(cls(k, values, images, observed.places.transpose(0, 1)))

    def __add__(self, other: TopImages) -> TopImages:
        if self.k != other.k:
            raise ValueError(f"the top {self.k} and the top {other.k} images do not add up: use one k")
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("values", "images", "places")]
        return _best(TopImages(self.k, *(torch.cat(pair, 1) for pair in pairs)))


def _best(top: TopImages) -> TopImages:
    """Keep the first k of what is there, in order."""
    by_image = top.images.argsort(1)  # so that the stable sort by value leaves ties in this order
    order = top.values.gather(1, by_image).argsort(dim=1, descending=True, stable=True)
    best = by_image.gather(1, order)[:, : top.k]
    places = top.places.gather(1, best[..., None].expand(-1, -1, top.places.shape[2]))
    return TopImages(top.k, top.values.gather(1, best), top.images.gather(1, best), places)


STATES: dict[str, type] = {kind.__name__: kind for kind in (Moments, ClassMoments, TopImages)}
_BY_NAME: dict[str, Reducer] = {"moments": Moments.of, "class_moments": ClassMoments.of, "top_images": TopImages.of}


def named_reducers(reducers: Mapping[str, Any] | str | Sequence[str]) -> dict[str, Reducer]:
    """Return reducers by name, from a mapping or from names of our own.

    Raises:
        ValueError: if a name is none of ours; TypeError: if a value is not a function of ``Observed``.
    """
    if not isinstance(reducers, Mapping):
        names = [reducers] if isinstance(reducers, str) else list(reducers)
        unknown = [name for name in names if name not in _BY_NAME]
        if unknown or not names:
            raise ValueError(f"reducers has {unknown}; by name there are {', '.join(_BY_NAME)}, else give a mapping")
        return {name: _BY_NAME[name] for name in names}
    if not reducers:
        raise ValueError("reducers is empty: name at least one, or None to keep every response")
    return {name: _callable(name, reducer) for name, reducer in reducers.items()}


def _callable(name: str, reducer: Any) -> Reducer:
    reducer = _BY_NAME.get(reducer, reducer) if isinstance(reducer, str) else getattr(reducer, "of", reducer)
    if not callable(reducer):
        raise TypeError(f"reducer {name!r} must be a function from Observed to a value with +; {reducer!r} came")
    return reducer


def observed(values: Any, labels: Any = None, first: int = 0) -> Observed:
    """Wrap responses that are at hand, (images, units), as one batch: for tests and for a reducer of one's own."""
    responses = torch.as_tensor(values)
    images = torch.arange(first, first + len(responses))
    return Observed(responses, responses, images, None if labels is None else torch.as_tensor(labels))
