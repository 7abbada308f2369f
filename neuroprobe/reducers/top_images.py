"""The images that drive each unit most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuroprobe.reducers.observation import Observed


@dataclass(frozen=True, eq=False)
class TopImages:
    """The images that drive each unit most, and where in its map; of equal responses the lower number comes first.

    For another number of images than nine: ``functools.partial(TopImages.of, k=25)``.
    """

    k: int
    values: Tensor  # (units, up to k), largest first
    images: Tensor  # (units, up to k), numbers in the data
    places: Tensor  # (units, up to k, axes of the grid), place of the maximum: (row, column) of a map
    fingerprints: Tensor | None = None  # (units, up to k), by which the images are known again

    @classmethod
    def of(cls, observed: Observed, k: int = 9) -> TopImages:
        """Return the top images of one batch."""
        if k < 1:
            raise ValueError(f"k, the number of top images, must be at least 1; {k} came")
        values, prints = observed.responses.T, observed.fingerprints
        images = _for_each_unit(observed.images, values)
        prints = None if prints is None else _for_each_unit(prints, values)
        return _best(cls(k, values, images, observed.places.transpose(0, 1), prints))

    @property
    def known(self) -> dict[int, float]:
        """The fingerprint of each image, by its number; none where they were not recorded."""
        if self.fingerprints is None:
            return {}
        return dict(zip(self.images.flatten().tolist(), self.fingerprints.flatten().tolist(), strict=True))

    def __add__(self, other: TopImages) -> TopImages:
        if self.k != other.k:
            raise ValueError(f"the top {self.k} and the top {other.k} images do not add up: use one k")
        values, images, places = (
            torch.cat([getattr(self, name), getattr(other, name)], 1) for name in ("values", "images", "places")
        )
        prints = [each.fingerprints for each in (self, other) if each.fingerprints is not None]
        return _best(TopImages(self.k, values, images, places, torch.cat(prints, 1) if len(prints) == 2 else None))


def _for_each_unit(numbers: Tensor, values: Tensor) -> Tensor:
    """Repeat a number for each image, (images,), as values are: (units, images)."""
    return numbers.to(values.device).expand(values.shape)


def _best(top: TopImages) -> TopImages:
    """Keep the first k of what is there, in order."""
    by_image = top.images.argsort(1)  # so that the stable sort by value leaves ties in this order
    order = top.values.gather(1, by_image).argsort(dim=1, descending=True, stable=True)
    best = by_image.gather(1, order)[:, : top.k]
    places = top.places.gather(1, best[..., None].expand(-1, -1, top.places.shape[2]))
    prints = None if top.fingerprints is None else top.fingerprints.gather(1, best)
    return TopImages(top.k, top.values.gather(1, best), top.images.gather(1, best), places, prints)
