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
