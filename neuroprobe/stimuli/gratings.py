"""Sine gratings: the stimuli of orientation tuning, our own set and those of published protocols."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuroprobe.stimuli.arguments import (
    CountOrValues,
    Floats,
    angles,
    ascending,
    axis_values,
    count,
    default,
    image_size,
    luminance,
)
from neuroprobe.stimuli.plane import Window, known_window, outer, pixels, window_profile
from neuroprobe.stimuli.sets import StimulusSet

_NYQUIST = 0.5  # cycles/pixel
_LOWEST, _HIGHEST = 0.025, 0.25  # cycles/pixel, between which a count of frequencies is spread


@dataclass(frozen=True)
class _Protocol:
    """What a preset changes about the stimuli."""

    phases: int = 8
    rescaled: bool = False  # each image stretched to [0, 1] by its own minimum and maximum
    own_grid: Mapping[int, int] = field(default_factory=dict)  # side of the image to number of frequencies


_DEFAULT = _Protocol()
_PRESETS = {
    "ringach2002": _DEFAULT,  # a protocol of analysis only
    "ukita2020": _Protocol(phases=4, rescaled=True, own_grid={32: 9, 224: 57}),
}


def gratings(
    size: int | Sequence[int],
    *,
    preset: str | None = None,
    orientations: CountOrValues | None = None,
    frequencies: CountOrValues | None = None,
    n_frequencies: int | None = None,
    phases: CountOrValues | None = None,
    contrast: float | None = None,
    mean: float | None = None,
    window: Window | None = None,
) -> StimulusSet:
    """Make gratings of every frequency, orientation and phase.

    The luminance is mean x (1 + contrast x cos(2 pi f (x cos w + y sin w) + phase)) with w = orientation + 90,
    y pointing up and the origin at pixel (H // 2, W // 2).

    Args:
        size: a side, (H, W) or (C, H, W) in pixels; three channels where none are given.
        preset: ``"ukita2020"`` (12 orientations x the protocol's own frequencies x 4 phases, each image
            stretched to [0, 1]) or ``"ringach2002"`` (the default set).
        orientations: of the stripes, degrees counter-clockwise from horizontal; a count (12) spreads over 180.
        frequencies: cycles/pixel; a count (6) spreads log-evenly over 0.025-0.25.
        n_frequencies: how many of the preset's own frequencies to show.
        phases: degrees; a count (8; 4 in ``"ukita2020"``) spreads over 360.
        contrast: of Michelson, in (0, 1]; 1 where not given.
        mean: luminance of the blank; 0.5 where not given.
        window: multiplies the contrast, about the origin: a disc as wide as fits the image, its edge one pixel soft
            (``"circular"``), a Gaussian whose sd is a sixth of the shorter side (``"gaussian"``), or none.

    Example:
        >>> gratings(32, preset="ukita2020")
        StimulusSet(gratings: 9 frequency x 12 orientation x 4 phase = 432 images of 3x32x32, preset ukita2020)

    Source: Ukita, Neural Networks 125 (2020) 185-193; Ringach et al., J. Neurosci. 22 (2002) 5639-5651.
    """
    channels, height, width = image_size(size)
    protocol = _protocol(preset)
    if protocol.rescaled:
        _refuse_given(preset, contrast=contrast, mean=mean, window=window)
    settings = luminance(contrast, mean) | {"window": known_window(window), "rescaled": protocol.rescaled}
    axes = {
        "frequency": _frequencies(frequencies, n_frequencies, protocol, preset, height),
        "orientation": angles("orientations", default(orientations, 12), period=180, fewest=3),
        "phase": angles("phases", default(phases, protocol.phases), period=360),
    }
    draw = partial(draw_gratings, height=height, width=width, **settings)
    return StimulusSet(
        "gratings", axes, (channels, height, width), draw, settings["mean"], preset, settings, ("phase",)
    )


def draw_gratings(
    parameters: Mapping[str, Tensor],
    *,
    height: int,
    width: int,
    contrast: float,
    mean: float,
    window: Window | None,
    rescaled: bool,
) -> Tensor:
    """Draw grey gratings (n, height, width) in [0, 1], float32, on the device of their parameters, each (n,)."""
    column, row = pixels(height, width, like=parameters["frequency"])
    pattern = carrier(parameters, column, row)
    if rescaled:
        return _stretch(pattern)
    return (mean * (1 + contrast * window_profile(window, column, row) * pattern)).clamp_(0, 1)


def carrier(parameters: Mapping[str, Tensor], column: Tensor, row: Tensor) -> Tensor:
    """Draw cosine waves (n, H, W), -1 to 1, float32, over pixels x (W,) or (n, W) and y (H,) or (n, H)."""
    wave = torch.deg2rad(parameters["orientation"] + 90)
    turns = 2 * math.pi * parameters["frequency"]
    along_x = (turns * wave.cos())[:, None] * column + torch.deg2rad(parameters["phase"])[:, None]
    along_y = (turns * wave.sin())[:, None] * row
    # cos(a + b) taken apart: the angles, up to thousands of radians, keep the parameters' full precision on
    # n x (H + W) numbers, and the n x H x W pixels are products of small float32 factors
    return outer(along_y.cos(), along_x.cos()) - outer(along_y.sin(), along_x.sin())


def _stretch(pattern: Tensor) -> Tensor:
    """Scale each image to [0, 1] by its own minimum and maximum."""
    low, high = pattern.amin((1, 2), keepdim=True), pattern.amax((1, 2), keepdim=True)
    # at 0.5 cycles/pixel a phase of 90 degrees leaves rounding noise and nothing else: that is grey
    return torch.where(high - low > 1e-5, (pattern - low) / (high - low), 0.5)


def _protocol(preset: str | None) -> _Protocol:
    """Look a preset up."""
    if preset is None:
        return _DEFAULT
    if preset not in _PRESETS:
        raise ValueError(f"preset {preset!r} is not known; gratings have {', '.join(map(repr, _PRESETS))}")
    return _PRESETS[preset]


def _refuse_given(preset: str | None, **arguments: Any) -> None:
    """Raise where an argument was given that means nothing under a preset that stretches its images."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"preset {preset!r} stretches each full-field image to [0, 1], so {name} has no meaning in it; "
                f"{name}={value!r} came: leave out {name} or the preset"
            )


def frequency_values(given: CountOrValues | None) -> Floats:
    """Choose frequencies, ascending; 6 over 0.025-0.25 cycles/pixel where none are given."""
    return _up_to_nyquist(axis_values("frequencies", default(given, 6), partial(np.geomspace, _LOWEST, _HIGHEST)))


def _frequencies(
    given: CountOrValues | None, n_frequencies: int | None, protocol: _Protocol, preset: str | None, height: int
) -> Floats:
    """Choose the frequencies, those given or the preset's own."""
    if n_frequencies is None and (given is not None or not protocol.own_grid):
        return frequency_values(given)
    if given is not None:
        raise ValueError(f"give frequencies or n_frequencies, not both; {given!r} and {n_frequencies!r} came")
    return _up_to_nyquist(_own_grid(n_frequencies, protocol, preset, height))


def _up_to_nyquist(values: Floats) -> Floats:
    """Sort frequencies; one that no image can show is an error."""
    values = ascending("frequencies", values)
    if values[0] <= 0 or values[-1] > _NYQUIST:
        wrong = values[0] if values[0] <= 0 else values[-1]
        raise ValueError(f"frequencies lie above 0 and up to 0.5 cycles/pixel (Nyquist); {wrong:g} came: take it out")
    return values


def _own_grid(number: int | None, protocol: _Protocol, preset: str | None, height: int) -> Floats:
    """Count out Ukita's frequencies, (s + 1) / (H + 8) cycles/pixel."""
    if not protocol.own_grid:
        raise ValueError(
            f"n_frequencies counts a preset's own grid; preset {preset!r} has none: give frequencies={number}"
        )
    number = protocol.own_grid.get(height) if number is None else count("n_frequencies", number)
    if number is None:
        raise ValueError(
            f"preset {preset!r} knows its frequencies for sides {' and '.join(map(str, protocol.own_grid))}; "
            f"{height} came: pass stimuli=gratings({height}, preset={preset!r}, n_frequencies=...)"
        )
    return np.arange(1, number + 1) / (height + 8)
