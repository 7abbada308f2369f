"""Synthetic images with known parameters, drawn lazily on the device that needs them."""

from neuroprobe.stimuli.gratings import gratings
from neuroprobe.stimuli.sets import StimulusSet

__all__ = ["StimulusSet", "gratings"]
