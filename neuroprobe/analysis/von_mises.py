"""Width of orientation tuning: a von Mises fit, and the half width of Ringach et al. (2002).

The fit is r = c + a g(theta) with g = (e^(k (cos 2d - 1)) - e^(-2k)) / (1 - e^(-2k)), d = theta - preferred: the
shape g runs from 0 at right angles to 1 at the peak. Whatever g, trough c and amplitude a follow by linear least
squares, so the search is for the concentration k and the preferred angle whose g correlates most with the curve.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuroprobe.analysis.indices import Floats
from neuroprobe.curves import von_mises

_SMALLEST_CONCENTRATION = 0.05  # a cosine to within 1%: smaller values draw the same curve
_GRID_CONCENTRATIONS, _GRID_ANGLES = 12, 36
_ROUNDS, _SHRINK = 3, 4  # refinements of the grid's best point, each with steps a quarter of the last's
_FEWEST_ORIENTATIONS = 5  # the curve has four parameters: it runs through any four points
_FLAT = 1e-9  # a spread over orientations below this share of the largest response is rounding error
_LEAST_R2 = 0.5

_HANNING_REACH = 27.0  # degrees: a raised cosine that has fallen to a half at 13.5
_FINE_STEP = 0.5  # degrees


@dataclass(frozen=True, eq=False)  # eq=False: == on arrays has no single truth value
class VonMisesFit:
    """A von Mises curve for each unit; NaN throughout where there was nothing to fit.

    Attributes:
        trough: response (units,) at right angles to the preferred orientation.
        amplitude: rise (units,) from trough to peak, 0 or more.
        concentration: k (units,), larger for narrower curves.
        preferred: degrees (units,) in [0, 180).
        r2: share (units,) of the variance over orientations that the curve explains.
        largest_concentration: upper bound of k, the narrowest curve these orientations could show.
    """

    trough: Floats
    amplitude: Floats
    concentration: Floats
    preferred: Floats
    r2: Floats
    largest_concentration: float

    @property
    def bandwidth(self) -> Floats:
        """Half width (units,) at half height between trough and peak, degrees.

        NaN where the curve explains less than half of the variance, or is narrower than the orientations could show.
        """
        k = self.concentration
        half_height = np.log((1 + np.exp(-2 * k)) / 2) / k
        trusted = (self.r2 >= _LEAST_R2) & (k < self.largest_concentration * (1 - 1e-9))
        return np.where(trusted, np.rad2deg(np.arccos(1 + half_height)) / 2, np.nan)


def fit_von_mises(curves: ArrayLike, orientations: ArrayLike) -> VonMisesFit:
    """Fit every unit's tuning curve at once.

    Curves that are flat or hold NaN, and all curves of fewer than 5 orientations, are not fitted (NaN).

    Args:
        curves: responses (units, orientations).
        orientations: degrees, evenly spaced over [0, 180).

    Example:
        >>> theta = np.arange(0, 180, 15)
        >>> fit = fit_von_mises([np.exp(np.cos(2 * np.deg2rad(theta - 40)))], theta)
        >>> fit.preferred.round(2).tolist(), fit.bandwidth.round(1).tolist()
        ([40.0], [32.1])
    """
    curves, orientations = np.asarray(curves, dtype=np.float64), np.asarray(orientations, dtype=np.float64)
    fitted = _can_be_fitted(curves)
    curves = np.where(fitted[:, None], curves, np.nan)
    unit_curves, curve_length = _centred(curves)
    search = _Search(np.nan_to_num(unit_curves), orientations)
    log_k, preferred = search.refine(*search.best_of_grid())
    shape = von_mises(orientations, 0, 1, np.exp(log_k), preferred)
    unit_shapes, shape_length = _centred(shape)
    correlation = _dot(unit_curves, unit_shapes)  # NaN where not fitted, and so all that follows from it
    amplitude = correlation * curve_length / shape_length
    return VonMisesFit(
        trough=curves.mean(axis=1) - amplitude * shape.mean(axis=1),
        amplitude=amplitude,
        concentration=np.where(fitted, np.exp(log_k), np.nan),
        preferred=np.where(fitted, preferred % 180 % 180, np.nan),  # twice: -1e-17 % 180 is 180.0
        r2=correlation**2,
        largest_concentration=search.largest,
    )


def hanning_half_width(curves: ArrayLike, orientations: ArrayLike) -> Floats:
    """Half the width (units,) of a curve at 1/sqrt 2 of its peak, degrees, after smoothing with a Hanning window.

    NaN where the smoothed curve never falls that low. Heights count from zero, not from the trough.

    Args:
        curves: responses (units, orientations).
        orientations: degrees, ascending in [0, 180).

    Source: Ringach et al., J. Neurosci. 22 (2002) 5639-5651.
    """
    smooth = np.asarray(curves, dtype=np.float64) @ _smoothing(np.asarray(orientations, dtype=np.float64))
    steps = np.arange(smooth.shape[1])
    from_peak = np.take_along_axis(smooth, (smooth.argmax(axis=1)[:, None] + steps) % steps.size, axis=1)
    level = np.where(from_peak[:, 0] > 0, from_peak[:, 0], np.nan) / np.sqrt(2)
    ahead = _first_fall(from_peak, level)
    behind = _first_fall(from_peak[:, -steps], level)
    return _FINE_STEP * (ahead + behind) / 2


class _Search:
    """The search for log k and the preferred orientation (degrees) of unit-length, centred curves."""

    def __init__(self, unit_curves: Floats, orientations: Floats) -> None:
        self.unit_curves, self.directions = unit_curves, _directions(orientations)
        self.largest = float(np.log(2) / (1 - np.cos(2 * np.pi / orientations.size)))
        self.log_k_grid = np.linspace(np.log(_SMALLEST_CONCENTRATION), np.log(self.largest), _GRID_CONCENTRATIONS)
        self.angle_grid = np.arange(_GRID_ANGLES) * (180 / _GRID_ANGLES)

    def correlation(self, log_k: Floats, angle: Floats) -> Floats:
        """Correlate each curve with a shape of its own."""
        return _dot(self.unit_curves, self.shapes(log_k, angle))

    def shapes(self, log_k: Floats, angle: Floats) -> Floats:
        """Draw the shapes of some parameters, centred and of length 1: (parameters, orientations)."""
        cosine = _directions(angle) @ self.directions.T  # of twice the distance: few cosines, where pairs are many
        return _centred(np.exp(np.exp(log_k)[:, None] * (cosine - 1)))[0]  # which leaves no trough and no amplitude

    def best_of_grid(self) -> tuple[Floats, Floats]:
        """Try every pair of the grid on every curve, in one matrix product."""
        log_k, angle = (grid.ravel() for grid in np.meshgrid(self.log_k_grid, self.angle_grid))
        best = (self.unit_curves @ self.shapes(log_k, angle).T).argmax(axis=1)
        return log_k[best], angle[best]

    def refine(self, log_k: Floats, angle: Floats) -> tuple[Floats, Floats]:
        """Climb from the grid's best, along the angle and along log k in turn.

        The two hardly interact: about the peak, a change of angle is odd and a change of width is even.
        """
        k_step, angle_step = self.log_k_grid[1] - self.log_k_grid[0], self.angle_grid[1]
        for _ in range(_ROUNDS):
            nearby = [self.correlation(log_k, angle + shift) for shift in (-angle_step, 0, angle_step)]
            angle = angle + angle_step * _summit(*nearby)
            nearby = [self.correlation(log_k + shift, angle) for shift in (-k_step, 0, k_step)]
            log_k = np.clip(log_k + k_step * _summit(*nearby), self.log_k_grid[0], self.log_k_grid[-1])
            k_step, angle_step = k_step / _SHRINK, angle_step / _SHRINK
        return log_k, angle


def _directions(angles: Floats) -> Floats:
    """Point to angles (n,), degrees, on a circle of 180: unit vectors (n, 2)."""
    doubled = np.deg2rad(2 * angles)
    return np.stack((np.cos(doubled), np.sin(doubled)), axis=1)


def _summit(before: Floats, here: Floats, after: Floats) -> Floats:
    """Find where the parabola through three points one step apart is highest, within those points."""
    slope, bend = (after - before) / 2, 2 * here - before - after
    curved = bend > np.abs(slope)  # else the summit lies at or beyond the higher end
    return np.divide(slope, bend, out=np.sign(slope), where=curved)


def _can_be_fitted(curves: Floats) -> NDArray[np.bool_]:
    """Tell which curves are complete, not flat, and of enough orientations."""
    if curves.shape[1] < _FEWEST_ORIENTATIONS:
        return np.zeros(len(curves), dtype=bool)
    complete = np.all(np.isfinite(curves), axis=1)
    known = np.where(complete[:, None], curves, 0.0)
    return known.max(axis=1) - known.min(axis=1) > _FLAT * np.abs(known).max(axis=1)


def _centred(curves: Floats) -> tuple[Floats, Floats]:
    """Take the mean out of each curve and scale it to length 1; the length (units,) comes along."""
    centred = curves - curves.mean(axis=1, keepdims=True)
    length = np.sqrt(_dot(centred, centred))
    return centred / length[:, None], length


def _dot(left: Floats, right: Floats) -> Floats:
    """Multiply row by row: (units, n) and (units, n) to (units,)."""
    return np.einsum("un,un->u", left, right)


def _smoothing(orientations: Floats) -> Floats:
    """Weigh the bins so that ``curves @ weights`` is every curve smoothed, on a fine grid around the circle."""
    from scipy.interpolate import CubicSpline  # here, as it takes longer to load than all else in this package

    apart = np.abs((orientations[:, None] - orientations + 90) % 180 - 90)
    window = np.where(apart < _HANNING_REACH, (1 + np.cos(np.pi * apart / _HANNING_REACH)) / 2, 0.0)
    window /= window.sum(axis=0)
    circle = np.append(orientations, orientations[0] + 180)
    spline = CubicSpline(circle, np.vstack((window.T, window.T[:1])), bc_type="periodic")
    return spline(np.arange(0, 180, _FINE_STEP)).T


def _first_fall(from_peak: Floats, level: Floats) -> Floats:
    """Count the steps from the first column to where each row falls below its level; NaN if it never does."""
    below = from_peak < level[:, None]
    step = np.maximum(below.argmax(axis=1), 1)
    rows = np.arange(len(step))
    last_above, first_below = from_peak[rows, step - 1], from_peak[rows, step]
    share = np.divide(last_above - level, last_above - first_below, out=np.zeros_like(level), where=below.any(axis=1))
    return np.where(below.any(axis=1), step - 1 + share, np.nan)
