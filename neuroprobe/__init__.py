"""neuroprobe: electrophysiology for trained image networks.

The names below are loaded on first use, so ``import neuroprobe`` stays as quick as it looks.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "layers": "addresses",
    "Probe": "probe",
    "record": "recording",
    "orientation": "analysis.orientation",
    "class_selectivity": "analysis.class_selectivity",
    "shift_invariance": "analysis.shift_invariance",
    "importance": "analysis.importance",
    "ablate": "ablating",
    "unit_impact": "analysis.unit_impact",
    "ablation": "analysis.ablation",
    "noise_curves": "analysis.noise",
    "UnitTracker": "training.tracker",
    "track_units": "training.development",
    "train": "training.train",
    "sweep": "training.sweep",
    "SelectivityPenalty": "training.class_penalty",
    "OrientationPenalty": "training.orientation_penalty",
    "load_network": "networks",
    "load": "results",
    "atlas": "page.atlas",
}
_SUBMODULES = ("data", "distributed", "networks", "plots", "reducers", "results", "stimuli")

__all__ = [*_HOMES, *_SUBMODULES]


def __getattr__(name: str) -> Any:
    """Load a public name on its first use and keep it."""
    if name in _HOMES:
        value = getattr(import_module(f"neuroprobe.{_HOMES[name]}"), name)
    elif name in _SUBMODULES:
        value = import_module(f"neuroprobe.{name}")
    else:
        raise AttributeError(f"module 'neuroprobe' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
