"""Results: what one measurement found, unit by unit; the base of all, and a module for each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuroprobe import store
from neuroprobe.results.ablation import Ablation
from neuroprobe.results.base import SELECTIVE, STATUSES, Result, by_layer, known_layer, named, quartiles, unit_index
from neuroprobe.results.class_selectivity import ClassSelectivity
from neuroprobe.results.development import Development
from neuroprobe.results.importance import Importance
from neuroprobe.results.recording import Recording
from neuroprobe.results.saved import Saved
from neuroprobe.results.shift_invariance import ShiftInvariance
from neuroprobe.results.sweep import Sweep
from neuroprobe.results.training_run import TrainingRun
from neuroprobe.results.tuning import Tuning
from neuroprobe.results.unit_impact import UnitImpact

if TYPE_CHECKING:
    from pathlib import Path

KINDS: dict[str, type[Saved]] = {
    kind.kind: kind
    for kind in (
        Ablation, ClassSelectivity, Development, Importance, Recording, Tuning, ShiftInvariance, Sweep, UnitImpact,
    )
}  # fmt: skip

__all__ = [
    "KINDS", "SELECTIVE", "STATUSES", "Ablation", "ClassSelectivity", "Development", "Importance", "Recording",
    "Result", "Saved", "ShiftInvariance", "Sweep", "TrainingRun", "Tuning", "UnitImpact", "by_layer", "known_layer",
    "load", "named", "quartiles", "unit_index",
]  # fmt: skip


def load(path: str | Path) -> Saved:
    """Load a saved result; what loads equals what was saved."""
    contents = store.read(path)
    if contents.kind not in KINDS:
        raise ValueError(f"{path} holds a result of kind {contents.kind!r}; known kinds are {', '.join(KINDS)}")
    return KINDS[contents.kind].from_contents(contents)
