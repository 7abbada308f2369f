"""What a caller may give for a stimulus set, checked and widened once at the door."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CountOrValues = int | Sequence[float] | NDArray[Any]

# values closer than this are the same stimulus twice (degrees, cycles/pixel)
_SAME = 1e-9


def image_size(size: int | Sequence[int], *, channels: int = 3, name: str = "size") -> tuple[int, int, int]:
    """Widen a side, (H, W) or (C, H, W) to (C, H, W), with so many channels where none are given.

    Example:
        >>> image_size(32), image_size((1, 20, 30))
        ((3, 32, 32), (1, 20, 30))
    """
    given = np.asarray(size)
    if given.dtype.kind not in "iu" or given.shape not in ((), (2,), (3,)) or given.min() < 1:
        raise ValueError(
            f"{name} must be a side, (H, W) or (C, H, W) in whole pixels, 1 or more; {size!r} came: give 224, say"
        )
    *own_channels, height, width = (given if given.ndim else np.repeat(given, 2)).tolist()
    return (own_channels[0] if own_channels else channels, height, width)


def count(name: str, given: Any, *, fewest: int = 1) -> int:
    """Read a whole number that is large enough."""
    if isinstance(given, bool) or not isinstance(given, Integral) or given < fewest:
        raise ValueError(
            f"{name} as a count is a whole number, {fewest} or more; {given!r} came (values are given as a sequence)"
        )
    return int(given)


def axis_values(name: str, given: CountOrValues, spread: Callable[[int], Floats], *, fewest: int = 1) -> Floats:
    """Turn a count into values spread by ``spread``, and take a sequence of finite values as it is."""
    if np.ndim(given) == 0:
        return spread(count(name, given, fewest=fewest))
    values = np.asarray(given, dtype=np.float64)
    if values.ndim != 1 or values.size < fewest:
        raise ValueError(
            f"{name} is a flat sequence of {fewest} or more values; shape {values.shape} came: give others"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite; {values[~np.isfinite(values)][0]} came: take it out")
    return values


def angles(name: str, given: CountOrValues, *, period: float, fewest: int = 1) -> Floats:
    """Turn a count or a sequence into angles (degrees) in [0, period), ascending, each of them once.

    Example:
        >>> angles("orientations", [-30, 45, 190], period=180).tolist()
        [10.0, 45.0, 150.0]
    """
    values = axis_values(name, given, lambda number: np.linspace(0, period, number, endpoint=False), fewest=fewest)
    wrapped = np.sort(values % period % period)  # twice: -1e-17 % 180 is 180.0
    closing = wrapped[0] + period
    refuse_repeats(f"{name} modulo {period:g}", np.append(wrapped, closing))
    return wrapped


def ascending(name: str, values: Floats) -> Floats:
    """Sort values, each of which may come once."""
    values = np.sort(values)
    refuse_repeats(name, values)
    return values


def positive(name: str, given: Sequence[float] | Floats) -> Floats:
    """Take a sequence of values above 0, ascending, each of them once."""
    values = ascending(name, axis_values(name, given, np.asarray))
    if values[0] <= 0:
        raise ValueError(f"{name} must be above 0; {values[0]:g} came: take it out")
    return values


def luminance(contrast: float | None, mean: float | None) -> dict[str, Any]:
    """Fill in contrast (1) and mean (0.5), with which the luminance must stay in [0, 1]."""
    contrast, mean = float(default(contrast, 1.0)), float(default(mean, 0.5))
    if not 0 < contrast <= 1:
        raise ValueError(f"contrast lies in (0, 1]; {contrast:g} came")
    highest = mean * (1 + contrast)
    if not (mean > 0 and highest <= 1 + 1e-9):  # so written, NaN fails too
        raise ValueError(
            f"luminance must stay in [0, 1]; mean {mean:g} with contrast {contrast:g} spans "
            f"{mean * (1 - contrast):g} to {highest:g}: lower one of them, with mean above 0"
        )
    return {"contrast": contrast, "mean": mean}


def default(given: Any, otherwise: Any) -> Any:
    """Put a default in where nothing was given (an array has no truth value for ``or``)."""
    return otherwise if given is None else given


def refuse_repeats(name: str, ascending: Floats) -> None:
    """Raise where two neighbours are the same value."""
    repeated = ascending[:-1][np.diff(ascending) < _SAME]
    if repeated.size:
        raise ValueError(f"{name} must all differ; {repeated[0]:g} came twice: keep one")
