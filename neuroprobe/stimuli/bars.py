"""Bars: bright or dark rectangles on the mean level, with the same ink at every angle."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

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
    positive,
)
from neuroprobe.stimuli.coverage import coverage
from neuroprobe.stimuli.plane import Window, inscribed_radius, known_window, pixels, window_profile
from neuroprobe.stimuli.sets import StimulusSet

_FAR = 8  # pixels: the widest default bar, and how far from the middle bars lie; a quarter of it is the narrowest
_HALF_DIAGONAL = 0.71  # pixels: from a pixel's centre to its corner, and a little more


def bars(
    size: int | Sequence[int],
    *,
    orientations: CountOrValues | None = None,
    widths: CountOrValues | None = None,
    lengths: CountOrValues | None = None,
    positions: CountOrValues | None = None,
    polarities: CountOrValues | None = None,
    contrast: float | None = None,
    mean: float | None = None,
    window: Window | None = None,
) -> StimulusSet:
    """Make bars of every orientation, width, length, position and polarity.

    The luminance is mean x (1 + polarity x contrast x the share of the pixel that the bar covers). The share is exact,
    and bars lie within the image: the ink of a bar is its width x length at every angle.

    A tuning curve is pooled over position and polarity, as that of gratings is over phase, at the width and length of
    the largest response.

    Args:
        size: a side, (H, W) or (C, H, W) in pixels; three channels where none are given.
        orientations: of the long axis, degrees counter-clockwise from horizontal; a count (12) spreads over 180.
        widths: pixels; a count (3) spreads log-evenly from 2 to 8, less in images below 32 pixels.
        lengths: pixels; a count (1) halves from the longest whole number at which all bars lie within the image.
            ``math.inf`` is across the whole image: the ink then differs with the angle, unless there is a window.
        positions: of the bar's middle from the origin, pixels along its orientation + 90; a count (5) spreads evenly
            from -8 to 8, less in images below 32 pixels. Turned by 180 degrees, a bar lies at minus its position: give
            both signs.
        polarities: 1 bright, -1 dark; both where none are given.
        contrast: in (0, 1]; 1 where not given.
        mean: luminance of the blank; 0.5 where not given.
        window: multiplies the contrast, as in ``gratings``.

    Raises:
        ValueError: for what is no bar, and where one would not lie within the image at every angle.

    Example:
        >>> bars(32, widths=[1, 2, 4])
        StimulusSet(bars: 12 orientation x 3 width x 1 length x 5 position x 2 polarity = 360 images of 3x32x32)
    """
    channels, height, width = image_size(size)
    far, radius = min(_FAR, max(1, min(height, width) // 4)), inscribed_radius(height, width)
    broad = positive("widths", axis_values("widths", default(widths, 3), partial(np.geomspace, far / 4, far)))
    offsets = ascending("positions", axis_values("positions", default(positions, 5), partial(_either_way, far)))
    edge = np.abs(offsets).max() + broad.max() / 2  # of the farthest and widest bar, from the origin
    if edge >= radius:
        raise ValueError(
            f"bars must lie within the image at every angle, up to {radius:g} pixels from its origin; position "
            f"{np.abs(offsets).max():g} with width {broad.max():g} reaches {edge:g}: give smaller ones"
        )
    longest = math.floor(2 * math.sqrt(radius**2 - edge**2))
    axes = {
        "orientation": angles("orientations", default(orientations, 12), period=180, fewest=3),
        "width": broad,
        "length": _lengths(default(lengths, 1), longest),
        "position": offsets,
        "polarity": _polarities(default(polarities, 2)),
    }
    settings = luminance(contrast, mean) | {"window": known_window(window)}
    draw = partial(draw_bars, height=height, width=width, **settings)
    pooled = ("position", "polarity")
    return StimulusSet("bars", axes, (channels, height, width), draw, settings["mean"], None, settings, pooled)


def draw_bars(
    parameters: Mapping[str, Tensor], *, height: int, width: int, contrast: float, mean: float, window: Window | None
) -> Tensor:
    """Draw grey bars (n, height, width) in [0, 1], float32, on the device of their parameters, each (n,)."""
    column, row = pixels(height, width, like=parameters["orientation"])
    across_all = 2.0 * (height + width)  # what is endless needs corners too
    ink = _covered({**parameters, "length": parameters["length"].clamp(max=across_all)}, column, row)
    signed = parameters["polarity"].float()[:, None, None] * ink * window_profile(window, column, row)
    return (mean * (1 + contrast * signed)).clamp_(0, 1)


def _covered(parameters: Mapping[str, Tensor], column: Tensor, row: Tensor) -> Tensor:
    """Return the share (n, H, W), float32, of every pixel that each bar covers."""
    angle, width, length, position = (
        parameters[name][:, None] for name in ("orientation", "width", "length", "position")
    )
    cosine, sine = torch.deg2rad(angle).cos(), torch.deg2rad(angle).sin()
    # how far each pixel's centre lies beyond the bar's ends and its sides: outside where either is above 0
    beyond_ends = _sum(cosine * column, sine * row).abs_() - length[:, :, None] / 2
    beyond_sides = _sum(-sine * column, cosine * row - position).abs_() - width[:, :, None] / 2
    outside = torch.maximum(beyond_ends, beyond_sides)
    covered = (outside < 0).float()
    bar, i, j = (outside.abs_() < _HALF_DIAGONAL).nonzero(as_tuple=True)  # an edge crosses none but these
    covered[bar, i, j] = coverage(_corners(parameters)[bar], column[j], row[i]).float()
    return covered


def _sum(columns: Tensor, rows: Tensor) -> Tensor:
    """Add (n, W) and (n, H) to (n, H, W), in float32."""
    return rows.float()[:, :, None] + columns.float()[:, None, :]


def _corners(parameters: Mapping[str, Tensor]) -> Tensor:
    """Return the corners of the bars (n, 4, 2), counter-clockwise from the lower right of a horizontal one."""
    angle = torch.deg2rad(parameters["orientation"])
    along, up = torch.stack((angle.cos(), angle.sin()), 1), torch.stack((-angle.sin(), angle.cos()), 1)
    to_end = parameters["length"][:, None] / 2 * along
    to_side, middle = parameters["width"][:, None] / 2 * up, parameters["position"][:, None] * up
    signs = ((1, -1), (1, 1), (-1, 1), (-1, -1))
    return torch.stack([middle + end * to_end + side * to_side for end, side in signs], 1)


def _lengths(given: CountOrValues, longest: int) -> Floats:
    """Choose the lengths, ascending; each fits at every angle, or is infinite."""
    if np.ndim(given) == 0:
        return _halved(longest, count("lengths", given))
    wanted = np.asarray(given, dtype=np.float64)
    endless = wanted == math.inf
    # what is endless stands in line with the others as a number that no other may reach
    lengths = positive("lengths", np.where(endless, 2.0 * longest, wanted))
    too_long = wanted[~endless & (wanted > longest)]
    if too_long.size:
        raise ValueError(
            f"bars must lie within the image at every angle, with these widths and positions up to length {longest}; "
            f"{too_long[0]:g} came (math.inf is across the whole image, with more ink where that is longer)"
        )
    return np.where(lengths > longest, math.inf, lengths)


def _halved(longest: int, number: int) -> Floats:
    """Halve the longest length so many times, less one; the shortest comes first."""
    lengths = longest / 2.0 ** np.arange(number)[::-1]
    if lengths[0] < 1:
        raise ValueError(
            f"lengths as a count halve from {longest}, and none may be below a pixel; {number} came: for one length of "
            f"{number} pixels give [{number}]"
        )
    return lengths


def _polarities(given: CountOrValues) -> Floats:
    """Choose bright (1), dark (-1) or both."""
    values = axis_values("polarities", given, lambda number: np.arange(1.0, 1 - 2 * number, -2))
    if not np.isin(values, (-1, 1)).all():
        raise ValueError(f"polarities are 1 (bright), -1 (dark) or both; {given!r} came")
    return ascending("polarities", values)


def _either_way(far: float, number: int) -> Floats:
    """Spread positions evenly from -far to far; a single one lies at the origin."""
    return np.linspace(-far, far, number) if number > 1 else np.zeros(1)
