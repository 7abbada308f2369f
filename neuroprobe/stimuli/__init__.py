"""Synthetic images with known parameters, drawn lazily on the device that needs them; and a user's own."""

from neuroprobe.stimuli.bars import bars
from neuroprobe.stimuli.gabors import gabors
from neuroprobe.stimuli.gratings import gratings
from neuroprobe.stimuli.own import from_function, from_images
from neuroprobe.stimuli.sets import StimulusSet

__all__ = ["StimulusSet", "bars", "from_function", "from_images", "gabors", "gratings"]
