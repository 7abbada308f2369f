"""What a reducer is shown of a batch, and what it must return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Observed:
    """What one layer did for one batch: all that a reducer may look at.

    Valid only while the reducer runs: later operations of the network may overwrite the maps.
    """

    responses: Tensor  # (images, units)
    maps: Tensor  # (images, units, *grid), what the responses were reduced from
    images: Tensor  # (images,), their numbers in the data
    labels: Tensor | None  # (images,), class indices
    fingerprints: Tensor | None = None  # (images,), by which images are known again, on the CPU

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


def observed(values: Any, labels: Any = None, first: int = 0) -> Observed:
    """Wrap responses that are at hand, (images, units), as one batch: for tests and for a reducer of one's own."""
    responses = torch.as_tensor(values)
    images = torch.arange(first, first + len(responses))
    return Observed(responses, responses, images, None if labels is None else torch.as_tensor(labels))
