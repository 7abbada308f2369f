"""What data say of a layer's maps, summed as the batches come: what ablated units may be held at."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from zlib import crc32

import torch
from torch import Tensor

from neuroprobe.adding import with_added
from neuroprobe.reducers import Observed

_DONOR_VALUES, _MOST_DONORS = 2**26, 128  # values that a layer's donors may hold together; donors


class MapMoments:
    """Mean and standard deviation of a layer's maps over images and places, or the mean of each place."""

    def __init__(self, *, per_position: bool) -> None:
        self._per_position = per_position
        self._values = 0
        self._sum = self._squares = torch.zeros((), dtype=torch.float64)

    def add(self, seen: Observed) -> None:
        """Add one batch."""
        maps = seen.maps.double()
        if not self._per_position:
            maps = maps.movedim(1, -1).reshape(-1, maps.shape[1])
        self._values += len(maps)
        self._sum = self._sum.to(maps.device) + maps.sum(0)
        self._squares = self._squares.to(maps.device) + maps.square().sum(0)

    def __add__(self, other: MapMoments) -> MapMoments:
        return with_added(self, other, "_values", "_sum", "_squares")

    @property
    def mean(self) -> Tensor:
        """The mean, (units,), or (units, *grid) of each place."""
        return self._sum / self._values

    @property
    def std(self) -> Tensor:
        """The standard deviation, of the same shape."""
        return (self._squares / self._values - self.mean.square()).clamp_min(0).sqrt()


class Donors:
    """A layer's maps for some of the images, to be given to others.

    They are the images whose keys come first, so the same whatever the order or the batches.
    """

    def __init__(self, *, per_position: bool) -> None:  # noqa: ARG002 - made like the other statistics
        self._maps: Tensor | None = None  # (donors, units, *grid)
        self._keys = torch.zeros(0, dtype=torch.long)

    def add(self, seen: Observed) -> None:
        """Add one batch, whose images go by their keys."""
        maps = seen.maps.cpu()
        self._take(maps.clone() if self._maps is None else torch.cat([self._maps, maps]), seen.images)

    def __add__(self, other: Donors) -> Donors:
        both = copy(self)
        both._take(torch.cat([maps for maps in (self._maps, other._maps) if maps is not None]), other._keys)
        return both

    def _take(self, maps: Tensor, keys: Tensor) -> None:
        """Keep the maps whose keys come first, of those that were there and some more behind them."""
        keys, places = torch.cat([self._keys, keys]).unique(return_inverse=True)
        most = max(2, min(_MOST_DONORS, _DONOR_VALUES // maps[0].numel()))
        first = [int((places == place).nonzero()[0]) for place in range(min(most, len(keys)))]
        self._maps, self._keys = maps[first], keys[:most]

    def given(self, keys: Sequence[int], units: Tensor, seed: int) -> Tensor:
        """Return another image's maps of some units for each image, drawn by its key.

        Raises:
            ValueError: if the data hold fewer than two different images.
        """
        if self._maps is None or len(self._maps) < 2:
            raise ValueError("value='resample' takes another image's map: data with two different images are wanted")
        chosen = [crc32(f"{key} {seed}".encode()) % len(self._maps) for key in keys]
        own = [int(self._keys[donor]) == key for donor, key in zip(chosen, keys, strict=True)]
        donors = [(donor + is_own) % len(self._maps) for donor, is_own in zip(chosen, own, strict=True)]
        return self._maps[torch.tensor(donors)[:, None], units]
