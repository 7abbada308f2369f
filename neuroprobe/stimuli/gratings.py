"""Sine gratings: the stimuli of orientation tuning, our own set and those of published protocols."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuroprobe.stimuli.arguments import CountOrValues, angles, axis_values, count, image_size, refuse_repeats
from neuroprobe.stimuli.sets import StimulusSet

Window = Literal["circular", "gaussian"]

_NYQUIST = 0.5  # cycles/pixel
_LOWEST, _HIGHEST = 0.025, 0.25  # cycles/pixel, between which a count of frequencies is spread
_WINDOWS = ("circular", "gaussian")


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
        window: multiplies the contrast, about the origin: a hard disc as wide as the shorter side
            (``"circular"``), a Gaussian whose sd is a sixth of it (``"gaussian"``), or none.

    Example:
        >>> gratings(32, preset="ukita2020")
        StimulusSet(gratings: 9 frequency x 12 orientation x 4 phase = 432 images of 3x32x32, preset ukita2020)

    Source: Ukita, Neural Networks 125 (2020) 185-193; Ringach et al., J. Neurosci. 22 (2002) 5639-5651.
    """
    channels, height, width = image_size(size)
    protocol = _protocol(preset)
    if protocol.rescaled:
        _refuse_given(preset, contrast=contrast, mean=mean, window=window)
    settings = _settings(contrast, mean, window) | {"rescaled": protocol.rescaled}
    axes = {
        "frequency": _frequencies(frequencies, n_frequencies, protocol, preset, height),
        "orientation": angles("orientations", _default(orientations, 12), period=180, fewest=3),
        "phase": angles("phases", _default(phases, protocol.phases), period=360),
    }
    draw = partial(draw_gratings, height=height, width=width, **settings)
    return StimulusSet("gratings", axes, (channels, height, width), draw, settings["mean"], preset, settings)


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
    column, row = _axes(height, width, like=parameters["frequency"])
    wave = torch.deg2rad(parameters["orientation"] + 90)
    turns = 2 * math.pi * parameters["frequency"]
    along_x = torch.outer(turns * wave.cos(), column) + torch.deg2rad(parameters["phase"])[:, None]
    along_y = torch.outer(turns * wave.sin(), row)
    # cos(a + b) taken apart: the angles, up to thousands of radians, keep the parameters' full precision on
    # n x (H + W) numbers, and the n x H x W pixels are products of small float32 factors
    pattern = _outer(along_y.cos(), along_x.cos()) - _outer(along_y.sin(), along_x.sin())
    if rescaled:
        return _stretch(pattern)
    profile = 1.0 if window is None else _window(window, column, row)
    return (mean * (1 + contrast * profile * pattern)).clamp_(0, 1)


def _axes(height: int, width: int, *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Lay out x (width,) and y (height,) in pixels about the origin; rows run down, y up."""
    column = torch.arange(width, dtype=like.dtype, device=like.device) - width // 2
    row = torch.arange(height, dtype=like.dtype, device=like.device) - height // 2
    return column, -row


def _outer(rows: Tensor, columns: Tensor) -> Tensor:
    """Multiply (n, H) by (n, W) into (n, H, W), in float32."""
    return rows.float()[:, :, None] * columns.float()[:, None, :]


def _window(window: Window, column: Tensor, row: Tensor) -> Tensor:
    """Lay out the factor (H, W) that a window puts on the contrast."""
    side = min(len(column), len(row))
    squared_radius = column[None, :] ** 2 + row[:, None] ** 2
    if window == "circular":
        return (squared_radius < (side / 2) ** 2).float()
    return torch.exp(-squared_radius / (2 * (side / 6) ** 2)).float()


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


def _settings(contrast: float | None, mean: float | None, window: Window | None) -> dict[str, Any]:
    """Fill in and check what all gratings share."""
    contrast, mean = float(_default(contrast, 1.0)), float(_default(mean, 0.5))
    if not 0 < contrast <= 1:
        raise ValueError(f"contrast lies in (0, 1]; {contrast:g} came")
    highest = mean * (1 + contrast)
    if not (mean > 0 and highest <= 1 + 1e-9):  # so written, NaN fails too
        raise ValueError(
            f"luminance must stay in [0, 1]; mean {mean:g} with contrast {contrast:g} spans "
            f"{mean * (1 - contrast):g} to {highest:g}: lower one of them, with mean above 0"
        )
    if window not in (None, *_WINDOWS):
        raise ValueError(f"window is None, {' or '.join(map(repr, _WINDOWS))}; {window!r} came")
    return {"contrast": contrast, "mean": mean, "window": window}


def _frequencies(
    given: CountOrValues | None, n_frequencies: int | None, protocol: _Protocol, preset: str | None, height: int
) -> NDArray[np.float64]:
    """Choose the frequencies, ascending and none above Nyquist's."""
    if n_frequencies is not None or (given is None and protocol.own_grid):
        if given is not None:
            raise ValueError(f"give frequencies or n_frequencies, not both; {given!r} and {n_frequencies!r} came")
        values = _own_grid(n_frequencies, protocol, preset, height)
    else:
        values = axis_values("frequencies", _default(given, 6), partial(np.geomspace, _LOWEST, _HIGHEST))
    values = np.sort(values)
    if values[0] <= 0 or values[-1] > _NYQUIST:
        wrong = values[0] if values[0] <= 0 else values[-1]
        raise ValueError(f"frequencies lie above 0 and up to 0.5 cycles/pixel (Nyquist); {wrong:g} came: take it out")
    refuse_repeats("frequencies", values)
    return values


def _own_grid(number: int | None, protocol: _Protocol, preset: str | None, height: int) -> NDArray[np.float64]:
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


def _default(given: Any, default: Any) -> Any:
    """Put a default in where nothing was given (an array has no truth value for ``or``)."""
    return default if given is None else given
