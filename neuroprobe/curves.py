"""The shape of a tuning curve, shared by what fits it, what draws it and what stores it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def von_mises(
    orientations: ArrayLike,
    trough: ArrayLike,
    amplitude: ArrayLike,
    concentration: ArrayLike,
    preferred: ArrayLike,
) -> NDArray[np.float64]:
    """Evaluate von Mises tuning curves of period 180 degrees, one a unit.

    The curve is ``trough`` at 90 degrees from ``preferred`` and ``trough + amplitude`` at it.

    Args:
        orientations: (orientations,), degrees.
        trough: Lowest response, (units,) or one number, response units.
        amplitude: From trough to peak, response units.
        concentration: Sharpness, above 0; larger is narrower.
        preferred: Orientation of the peak, degrees.

    Returns:
        Responses (units, orientations), or (orientations,) where every parameter is one number.

    Example:
        >>> von_mises([0, 45, 90], trough=1, amplitude=2, concentration=1, preferred=45).round(2)
        array([1.54, 3.  , 1.54])
    """
    trough, amplitude, sharpness, preferred = (
        np.asarray(value, dtype=np.float64)[..., np.newaxis] for value in (trough, amplitude, concentration, preferred)
    )
    distance = np.radians(np.asarray(orientations, dtype=np.float64) - preferred)
    floor = np.exp(-2 * sharpness)  # the bare curve at 90 degrees, which becomes the trough
    return trough + amplitude * (np.exp(sharpness * (np.cos(2 * distance) - 1)) - floor) / (1 - floor)
