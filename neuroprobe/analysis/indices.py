"""Indices of orientation tuning, for all units of a layer at once.

Curves are (units, orientations), orientations ascending in degrees in [0, 180). A unit whose index is not
defined (no response, a zero denominator, a missing value) gets NaN.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# below this share of the summed response a vector sum is rounding error, and points nowhere
_NO_DIRECTION = 1e-12
_FEWEST_PHASES = 8
_NO_RESPONSE = 1e-12


def vector_sum(curves: ArrayLike, orientations: ArrayLike) -> NDArray[np.complex128]:
    """Add responses up as vectors at twice their orientation, so that 0 and 180 degrees are one: (units,)."""
    waves: NDArray[np.complex128] = np.exp(2j * np.deg2rad(np.asarray(orientations, dtype=np.float64)))
    return np.asarray(curves, dtype=np.float64) @ waves


def gosi(curves: ArrayLike, orientations: ArrayLike) -> Floats:
    """Global orientation selectivity, |sum r e^(2 i theta)| / sum |r|: 1 minus the circular variance, 0 to 1.

    Example:
        >>> theta = np.arange(0, 180, 15)
        >>> gosi([1 + np.cos(2 * np.deg2rad(theta))], theta).round(6).tolist()
        [0.5]

    Source: Ringach et al., J. Neurosci. 22 (2002) 5639-5651.
    """
    return ratio(np.abs(vector_sum(curves, orientations)), np.abs(curves).sum(axis=-1))


def osi(curves: ArrayLike, orientations: ArrayLike) -> Floats:
    """Two-point orientation selectivity, (r_pref - r_orth) / (r_pref + r_orth), 0 to 1."""
    preferred, orthogonal = _preferred_and_orthogonal(curves, orientations)
    return ratio(preferred - orthogonal, preferred + orthogonal)


def orthogonal_ratio(curves: ArrayLike, orientations: ArrayLike) -> Floats:
    """Response at right angles to the preferred orientation over that to the preferred, 0 to 1."""
    preferred, orthogonal = _preferred_and_orthogonal(curves, orientations)
    return ratio(orthogonal, preferred)


def preferred_orientation(curves: ArrayLike, orientations: ArrayLike) -> Floats:
    """Half the angle of the vector sum, degrees in [0, 180); NaN for a flat curve, which points nowhere."""
    vectors = vector_sum(curves, orientations)
    angles = np.rad2deg(np.angle(vectors)) / 2 % 180 % 180  # twice: -1e-17 % 180 is 180.0
    return np.where(np.abs(vectors) > _NO_DIRECTION * np.abs(curves).sum(axis=-1), angles, np.nan)


def orientation_range(tuning: ArrayLike, orientations: ArrayLike) -> Floats:
    """Spread of the best orientation over spatial frequencies, or other conditions, degrees in [0, 180).

    Conditions count whose best response exceeds the middle between the largest and the smallest best
    response; the range is the smallest arc that holds their best orientations.

    Args:
        tuning: responses (units, conditions, orientations).
        orientations: degrees.
    """
    tuning, orientations = np.asarray(tuning, dtype=np.float64), np.asarray(orientations, dtype=np.float64)
    best = tuning.max(axis=2)
    level = (best.max(axis=1) + best.min(axis=1)) / 2
    counts = (best > level[:, None]) | (best == best.max(axis=1, keepdims=True))  # the second where all are equal
    angles = orientations[tuning.argmax(axis=2)]
    # a condition that does not count takes the place of the strongest, which always does
    strongest = np.take_along_axis(angles, best.argmax(axis=1)[:, None], axis=1)
    arcs = _smallest_arc(np.where(counts, angles, strongest))
    return np.where(best.max(axis=1) > 0, arcs, np.nan)


def f1_f0(phase_responses: ArrayLike, phases: ArrayLike, blank: ArrayLike) -> Floats:
    """Modulation ratio: amplitude of the first harmonic over phase / (mean over phase - blank response).

    Above 1 as in simple cells, below 1 as in complex cells. NaN with fewer than 8 phases, where a
    rectified sine may give anything from 1.4 to 2, and where the mean does not exceed the blank's response.

    Args:
        phase_responses: responses (units, phases) at one place and one grating.
        phases: degrees.
        blank: responses (units,) to the blank.

    Source: Skottun et al., Vision Research 31 (1991) 1079-1086.
    """
    responses, phases = np.asarray(phase_responses, dtype=np.float64), np.deg2rad(np.asarray(phases, dtype=np.float64))
    elevation = responses.mean(axis=1) - np.asarray(blank, dtype=np.float64)
    defined = (elevation > _NO_RESPONSE) & (phases.size >= _FEWEST_PHASES)
    return ratio(_first_harmonic(responses, phases), np.where(defined, elevation, np.nan))


def _first_harmonic(responses: Floats, phases: Floats) -> Floats:
    """Fit a sinusoid and an offset by least squares, which serves phases that are not evenly spaced too."""
    design = np.stack((np.ones_like(phases), np.cos(phases), np.sin(phases)), axis=1)
    _, cosine, sine = np.linalg.pinv(design) @ responses.T
    return np.hypot(cosine, sine)


def _preferred_and_orthogonal(curves: ArrayLike, orientations: ArrayLike) -> tuple[Floats, Floats]:
    """Read each curve at its largest bin and 90 degrees from it."""
    curves = np.asarray(curves, dtype=np.float64)
    best = curves.argmax(axis=1)[:, None]
    orthogonal = curves @ _orthogonal_weights(np.asarray(orientations, dtype=np.float64))
    return np.take_along_axis(curves, best, axis=1)[:, 0], np.take_along_axis(orthogonal, best, axis=1)[:, 0]


def _orthogonal_weights(orientations: Floats) -> Floats:
    """Weigh the bins so that ``curves @ weights`` is every curve 90 degrees on, interpolated between bins."""
    bins = np.eye(orientations.size)
    return np.stack([np.interp(orientations + 90, orientations, single, period=180) for single in bins])


def _smallest_arc(angles: Floats) -> Floats:
    """Measure the smallest arc on the circle of 180 degrees that holds each row's angles."""
    ordered = np.sort(angles, axis=1)
    gaps = np.diff(ordered, axis=1, append=ordered[:, :1] + 180)
    return 180 - gaps.max(axis=1)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with NaN and no warning where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0)
