"""The strength of a penalty: a number, or one for each epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from numbers import Real

from neuroprobe.readout import whole_number

Alpha = float | Sequence[float] | Callable[[int], float]


def alpha_at(alpha: Alpha, epoch: int) -> float:
    """Return the strength in an epoch, counted from 0; the last of a sequence holds on.

    Example:
        >>> [alpha_at([0, 0.5, 1], epoch) for epoch in range(4)]
        [0.0, 0.5, 1.0, 1.0]
        >>> alpha_at(lambda epoch: -0.1 * epoch, 3)
        -0.3...

    Raises:
        ValueError: if it is no finite number, or the epoch no whole number from 0.
    """
    whole_number("epoch", epoch)
    if hasattr(alpha, "tolist"):  # of NumPy or torch
        alpha = alpha.tolist()
    if callable(alpha):
        return _finite(alpha(epoch), f"of epoch {epoch}")
    if not isinstance(alpha, Sequence) or isinstance(alpha, str):
        return _finite(alpha)
    if not alpha:
        raise ValueError("alpha is an empty sequence: give a number, or one for each epoch")
    strengths = [_finite(value, f"of epoch {number}") for number, value in enumerate(alpha)]
    return strengths[min(epoch, len(alpha) - 1)]


def _finite(value: object, of: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        raise ValueError(f"alpha {of}".rstrip() + f" must be a finite number; {value!r} came")
    return float(value)
