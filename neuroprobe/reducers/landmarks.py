"""Some of the images, by which the data are known again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuroprobe.fingerprints import are_landmarks
from neuroprobe.reducers.observation import Observed


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The fingerprints of some images, the same wherever they are cut."""

    images: Tensor  # (landmarks,), ascending numbers in the data
    fingerprints: Tensor  # (landmarks,)

    @classmethod
    def of(cls, observed: Observed) -> Landmarks:
        """Return the landmarks of one batch."""
        if observed.fingerprints is None:
            raise ValueError("landmarks need the fingerprints of images, which this batch came without")
        chosen = are_landmarks(observed.images)
        return cls(observed.images[chosen], observed.fingerprints[chosen])

    @property
    def known(self) -> dict[int, float]:
        """The fingerprint of each landmark, by its number."""
        return dict(zip(self.images.tolist(), self.fingerprints.tolist(), strict=True))

    def __add__(self, other: Landmarks) -> Landmarks:
        images = torch.cat([self.images, other.images])
        order = images.argsort()
        return Landmarks(images[order], torch.cat([self.fingerprints, other.fingerprints])[order])
