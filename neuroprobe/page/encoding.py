"""Numbers and words as text that a page on disk can load: scripts, since a page may not read other files of its own."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 65534  # between the smallest and the largest value
MISSING = 65535

_UNSAFE = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}  # would end a script, or its line


def script(call: str, *arguments: Any) -> str:
    r"""Return the line of JavaScript that hands arguments over, arrays packed; markup in their words stays words.

    Example:
        >>> script("show", "</script>", [1.5, None])
        'show("\\u003c/script\\u003e",[1.5,null]);\n'
    """
    said = (json.dumps(argument, separators=(",", ":"), default=packed) for argument in arguments)
    return f"{call}({','.join(said)});\n".translate(_UNSAFE)


def packed(array: NDArray[Any]) -> dict[str, Any]:
    """Pack an array as text, little end first.

    Example:
        >>> packed(np.array([1, 2], np.uint8))
        {'type': 'uint8', 'shape': [2], 'data': 'AQI='}
    """
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return {"type": array.dtype.name, "shape": list(array.shape), "data": b64encode(data).decode()}


def scaled(values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Bring one row a unit to two bytes a value, from its own smallest to its largest: to 1/65,534 of that range.

    NaN and infinite values go missing.

    Example:
        >>> scaled(np.array([[1.0, 2.0, 3.0, np.nan]]))["levels"]
        array([[    0, 32767, 65534, 65535]], dtype=uint16)
    """
    rows = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    finite = np.isfinite(rows)
    low = np.where(finite, rows, np.inf).min(axis=1, initial=np.inf)
    high = np.where(finite, rows, -np.inf).max(axis=1, initial=-np.inf)
    low, high = np.where(finite.any(axis=1), (low, high), 0.0)
    span = np.where(high > low, high - low, 1.0)
    shares = (np.where(finite, rows, low[:, None]) - low[:, None]) / span[:, None]
    levels = np.where(finite, np.rint(shares * LEVELS), MISSING).astype(np.uint16)
    return {"low": low.astype(np.float32), "high": high.astype(np.float32), "levels": levels.reshape(np.shape(values))}
