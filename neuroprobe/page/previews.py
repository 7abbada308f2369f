"""What a row of the table shows of a unit at a glance: its tuning curve, and the image that drives it most."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOP, _NONE = 254, 255  # a peak; a unit without a curve
_NO_RESPONSE = 1e-12  # response units

Details = Mapping[str, Mapping[str, Any]]  # layer -> what its cards show


def tuning_previews(details: Details, units: Mapping[str, int]) -> NDArray[np.uint8] | None:
    """Return each unit's tuning curve (units, orientations) from 0 to its peak, in bytes; None where there are none."""
    curves = {layer: said["tuning"]["curve"] for layer, said in details.items() if "tuning" in said}
    if not curves:
        return None
    width = max(curve.shape[1] for curve in curves.values())
    parts = [_in_bytes(curves.get(layer), count, width) for layer, count in units.items()]
    return np.concatenate(parts)


def _in_bytes(curve: NDArray[np.float32] | None, units: int, width: int) -> NDArray[np.uint8]:
    made = np.full((units, width), _NONE, np.uint8)
    if curve is not None and curve.shape[1] == width:
        peak = curve.max(axis=1)
        drawn = np.isfinite(curve).all(axis=1) & (peak > 0)
        made[drawn] = np.rint(_TOP * np.clip(curve[drawn] / peak[drawn, None], 0, 1))
    return made


def image_previews(details: Details, units: Mapping[str, int], written: Collection[int]) -> NDArray[np.int32] | None:
    """Return the number of the image that drives each unit most (units,), -1 for none; None where none is written."""
    if not written:
        return None
    best = {layer: _strongest(said["images"]) for layer, said in details.items() if "images" in said}
    first = np.concatenate([best.get(layer, np.full(count, -1, np.int32)) for layer, count in units.items()])
    return np.where(np.isin(first, list(written)), first, np.int32(-1))


def _strongest(images: Mapping[str, Any]) -> NDArray[np.int32]:
    """Return the number of each unit's first image, -1 where it responds to none."""
    return np.where(images["responses"][:, 0] > _NO_RESPONSE, images["numbers"][:, 0].astype(np.int32), np.int32(-1))
