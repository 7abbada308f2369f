"""Gabor patches: gratings under a Gaussian, wherever in the image."""

from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from neuroprobe.stimuli.arguments import CountOrValues, Floats, angles, default, image_size, luminance
from neuroprobe.stimuli.gratings import carrier, frequency_values
from neuroprobe.stimuli.plane import gaussian, gaussian_sd, pixels
from neuroprobe.stimuli.sets import StimulusSet


def gabors(
    size: int | Sequence[int],
    *,
    orientations: CountOrValues | None = None,
    frequencies: CountOrValues | None = None,
    phases: CountOrValues | None = None,
    positions: Sequence[Sequence[float]] | NDArray[Any] | None = None,
    sigma: float | None = None,
    contrast: float | None = None,
    mean: float | None = None,
) -> StimulusSet:
    """Make Gabor patches of every frequency, orientation and phase, at every position where any are given.

    The luminance is mean x (1 + contrast x e^(-(x^2 + y^2) / (2 sigma^2)) x cos(2 pi f (x cos w + y sin w) + phase))
    with w = orientation + 90, and x and y counted from the patch's own middle. Where a sigma holds less than half a
    cycle, light and dark do not balance, and the mean level of a patch goes with its phase.

    A tuning curve is pooled over phase, at the frequency and position of the largest response.

    Args:
        size: a side, (H, W) or (C, H, W) in pixels; three channels where none are given.
        orientations: of the stripes, degrees counter-clockwise from horizontal; a count (12) spreads over 180.
        frequencies: cycles/pixel; a count (6) spreads log-evenly over 0.025-0.25.
        phases: degrees, counted at the patch's middle; a count (8) spreads over 360.
        positions: (x, y) pairs, pixels from the origin, y up; none for the origin alone, with no axis of its own.
        sigma: sd of the Gaussian in pixels; a sixth of the shorter side where not given.
        contrast: of Michelson, in (0, 1]; 1 where not given.
        mean: luminance of the blank; 0.5 where not given.

    Example:
        >>> st = gabors(32, frequencies=[0.1, 0.2], positions=[(0, 0), (-8, 4)], sigma=3)
        >>> st
        StimulusSet(gabors: 2 frequency x 12 orientation x 8 phase x 2 position = 384 images of 3x32x32)
        >>> st.parameters.loc[1].to_dict()
        {'frequency': 0.1, 'orientation': 0.0, 'phase': 0.0, 'position': 1.0, 'x': -8.0, 'y': 4.0}
    """
    channels, height, width = image_size(size)
    settings = luminance(contrast, mean) | {"sigma": _sigma(default(sigma, gaussian_sd(height, width)))}
    axes = {
        "frequency": frequency_values(frequencies),
        "orientation": angles("orientations", default(orientations, 12), period=180, fewest=3),
        "phase": angles("phases", default(phases, 8), period=360),
    }
    coordinates = {}
    if positions is not None:
        x, y = _places(positions, height, width).T
        axes["position"] = np.arange(len(x), dtype=np.float64)
        coordinates = {"x": ("position", x), "y": ("position", y)}
    draw = partial(draw_gabors, height=height, width=width, **settings)
    shape = (channels, height, width)
    return StimulusSet("gabors", axes, shape, draw, settings["mean"], None, settings, ("phase",), coordinates)


def draw_gabors(
    parameters: Mapping[str, Tensor], *, height: int, width: int, contrast: float, mean: float, sigma: float
) -> Tensor:
    """Draw grey Gabor patches (n, height, width) in [0, 1], float32, on the device of their parameters, each (n,)."""
    x, y = pixels(height, width, like=parameters["frequency"])
    origin = parameters["frequency"].new_zeros(1)
    column, row = x - parameters.get("x", origin)[:, None], y - parameters.get("y", origin)[:, None]
    return (mean * (1 + contrast * gaussian(column, row, sigma) * carrier(parameters, column, row))).clamp_(0, 1)


def _sigma(given: float) -> float:
    """Read the sd of the Gaussian."""
    if not isinstance(given, Real) or not 0 < given < np.inf:
        raise ValueError(f"sigma must be a number of pixels above 0; {given!r} came")
    return float(given)


def _places(given: Any, height: int, width: int) -> Floats:
    """Read the positions (n, 2), which must lie on the image and differ."""
    try:
        places = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"positions are (x, y) pairs, one or more; {given!r:.60} came") from error
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise ValueError(f"positions are (x, y) pairs, one or more; an array of shape {places.shape} came")
    inside = np.all(np.abs(places) <= (width / 2, height / 2), axis=1)  # so written, NaN fails too
    if not inside.all():
        raise ValueError(
            f"positions must lie on the image, up to {width / 2:g} and {height / 2:g} pixels from its origin; "
            f"{tuple(places[~inside][0].tolist())} came"
        )
    unique, times = np.unique(places, axis=0, return_counts=True)
    if len(unique) < len(places):
        raise ValueError(f"positions must all differ; {tuple(unique[times > 1][0].tolist())} came twice: keep one")
    return places
