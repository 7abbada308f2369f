"""How far a network's loss and accuracy would differ on other images: the bootstrap, as the images stream by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from neuroprobe.adding import with_added
from neuroprobe.analysis.indices import Floats


class Bootstrap:
    """Loss and accuracy of groups of trials over images drawn anew: each counts 0, 1, 2, ... times in a replicate.

    How often, a Poisson number of mean 1, hangs on the seed and the image's number alone: all trials meet the same
    replicates (so differences between them are paired), however the batches are cut. A group's numbers are the means
    over its trials. Memory is a number for each group and replicate, however many images there are.

    Example:
        >>> bootstrap = Bootstrap([[0]], replicates=100)
        >>> bootstrap.draw(torch.arange(50), torch.device("cpu"))
        >>> bootstrap.count()
        >>> bootstrap.add([0], torch.ones(1, 50), torch.arange(50)[None] % 2 == 0)
        >>> bool((bootstrap.loss == 1).all()), interval(bootstrap.accuracy[0]).round(1)
        (True, array([0.4, 0.6]))

    Args:
        groups: the rows of :class:`~neuroprobe.analysis.outcomes.Outcomes` that make up each group; 0 is the intact
            network.
        replicates: how many times the images are drawn anew.
        seed: of the draw.

    Source: Poisson weights for streams of data, Oza and Russell (2001), Chamandy et al. (2012).
    """

    def __init__(self, groups: Sequence[Sequence[int]], *, replicates: int = 1000, seed: int = 0) -> None:
        self._sizes = torch.tensor([len(rows) for rows in groups])
        self._groups_of: dict[int, list[int]] = {}
        for group, rows in enumerate(groups):
            for row in rows:
                self._groups_of.setdefault(row, []).append(group)
        self._replicates, self._seed = replicates, seed
        self._weights = torch.zeros(0)  # (images of the batch, replicates)
        self._images = torch.zeros(replicates, dtype=torch.float64)
        self._sums = torch.zeros(2, len(groups), replicates, dtype=torch.float64)  # of loss, of correct answers

    def draw(self, numbers: Tensor, device: torch.device) -> None:
        """Draw how often each image of a batch counts, from the images' numbers in the data."""
        drawn = [np.random.default_rng((self._seed, int(n))).poisson(size=self._replicates) for n in numbers]
        self._weights = torch.from_numpy(np.stack(drawn)).to(device, torch.float64)
        self._images, self._sums = self._images.to(device), self._sums.to(device)

    def count(self) -> None:
        """Count the images drawn last; where they come again for other trials, they are not counted again."""
        self._images += self._weights.sum(0)

    def add(self, rows: Sequence[int], losses: Tensor, correct: Tensor) -> None:
        """Add the losses and the answers of some rows to the images drawn last, (rows, images) each."""
        seen = sorted({group for row in rows for group in self._groups_of.get(row, ())})
        if not seen:
            return
        slots = {group: slot for slot, group in enumerate(seen)}
        members = np.zeros((len(seen), len(rows)))  # how often a group has a row
        for place, row in enumerate(rows):
            for group in self._groups_of.get(row, ()):
                members[slots[group], place] += 1
        summing = torch.from_numpy(members).to(self._weights)
        for sums, values in zip(self._sums, (losses, correct), strict=True):
            sums[seen] += summing @ values.to(self._weights) @ self._weights

    def __add__(self, other: Bootstrap) -> Bootstrap:
        """Return the replicates over both sets of images."""
        return with_added(self, other, "_images", "_sums")

    @property
    def loss(self) -> Floats:
        """Mean cross-entropy in nats, (groups, replicates); NaN in a replicate without an image."""
        return self._means(0)

    @property
    def accuracy(self) -> Floats:
        """Share of images answered with their label, (groups, replicates)."""
        return self._means(1)

    def _means(self, what: int) -> Floats:
        per_group = self._sums[what].cpu() / self._sizes[:, None]
        return (per_group / self._images.cpu()).numpy()


def interval(replicates: Floats, coverage: float = 0.95) -> Floats:
    """Return the ends (2, ...) of the percentile interval over the last axis; replicates without a number are left out.

    Example:
        >>> interval(np.arange(101.0), coverage=0.9)
        array([ 5., 95.])
    """
    outside = (1 - coverage) / 2
    return np.nanquantile(replicates, [outside, 1 - outside], axis=-1)
