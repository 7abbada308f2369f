"""What a training pushes selectivity by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from neuroprobe.digests import described
from neuroprobe.training.alpha import Alpha
from neuroprobe.training.class_penalty import SelectivityPenalty
from neuroprobe.training.orientation_penalty import OrientationPenalty


@dataclass(frozen=True)
class Dials:
    """The strengths of both penalties and where they act; 0 is none."""

    alpha: Alpha = 0.0
    orientation_alpha: Alpha = 0.0
    layers: str | Sequence[str] | None = None
    orientation_layers: str | Sequence[str] | None = None

    def penalties(self, network: nn.Module) -> list[SelectivityPenalty | OrientationPenalty]:
        """Return the penalties that are to act."""
        acting: list[SelectivityPenalty | OrientationPenalty] = []
        if not _is_off(self.alpha):
            acting.append(SelectivityPenalty(network, self.alpha, self.layers))
        if not _is_off(self.orientation_alpha):
            acting.append(OrientationPenalty(network, self.orientation_alpha, self.orientation_layers))
        return acting

    def described(self) -> dict[str, Any]:
        """Describe them in words that can be compared."""
        return described(asdict(self))


def _is_off(alpha: Alpha) -> bool:
    return isinstance(alpha, int | float) and alpha == 0
