"""What the cards of one layer show: curves, maps, profiles and the numbers of the images that drive its units most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isqrt, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.page.columns import class_names
from neuroprobe.page.encoding import scaled
from neuroprobe.page.joining import grid_of
from neuroprobe.results import ClassSelectivity, Recording, Result, ShiftInvariance, Tuning, UnitImpact

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from neuroprobe.analysis.receptive_fields import ReceptiveFields
    from neuroprobe.page.insight import Insight
    from neuroprobe.page.joining import Joined
    from neuroprobe.reducers import TopImages

_BEST = 6  # stimuli on a card
_ALL_CLASSES, _MOST_CLASSES = 100, 40  # a profile shows all of so many, else the strongest


def layer_details(joined: Joined, layer: str, insight: Insight) -> dict[str, Any]:
    """Return what the cards of a layer show, part by part; a part that was not measured is left out."""
    made: dict[str, Any] = {}
    for number, result in enumerate(joined.results):
        if layer not in result.layer_names:
            continue
        if isinstance(result, Tuning):
            made["tuning"] = {"sheets": number, **_tuning(result, layer)}
        elif isinstance(result, ClassSelectivity):
            made["classes"] = _profile(result, layer, sign=1)
        elif isinstance(result, UnitImpact):
            made["impact"] = _profile(result, layer, sign=-1)
        elif isinstance(result, ShiftInvariance):
            made["shifts"] = _shifts(result.curves[layer])
        elif isinstance(result, Recording) and (top := _top_images(result, layer)) is not None:
            made["images"] = _top(top, grid_of(result, layer), insight.fields.get(layer))
    return made | ({"filters": insight.filters[layer]} if layer in insight.filters else {})


def _tuning(tuning: Tuning, layer: str) -> dict[str, Any]:
    plane, curve = tuning.plane(layer), tuning.curve(layer)
    numbers, responses = best_stimuli(tuning.curves[layer], _pooled(tuning))
    row = plane.dims[1] if plane.ndim > 2 else None
    return {
        "axes": {str(name): values.to_numpy().tolist() for name, values in _axes(tuning.curves[layer]).items()},
        "pooled": f"{tuning.meta.get('pooling', 'mean')} over {' and '.join(_pooled(tuning))}",
        "row": row,
        "preferred": None if row is None else _rows_of(curve, plane, str(row)).astype(np.uint16),
        "plane": scaled(plane.to_numpy()),
        "curve": curve.to_numpy().astype(np.float32),
        "best": {"stimuli": numbers.astype(np.uint32), "responses": responses.astype(np.float32)},
    }


def _pooled(tuning: Tuning) -> list[str]:
    """Return the axes that curves are pooled over."""
    return list(tuning.meta["stimuli"].get("pooled", ["phase"]))


def _axes(cube: xr.DataArray) -> dict[Any, xr.DataArray]:
    return {dim: cube[dim] for dim in cube.dims if dim != "unit"}


def _rows_of(curve: xr.DataArray, plane: xr.DataArray, row: str) -> NDArray[np.intp]:
    """Return in which row of its plane (units,) each unit's curve lies: that of its preferred frequency."""
    return np.searchsorted(plane[row].to_numpy(), curve[row].to_numpy())


def best_stimuli(
    cube: xr.DataArray, pooled: Sequence[str] = ("phase",), most: int = _BEST
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the numbers of the stimuli that drive each unit most, and its responses, both (units, most).

    Of those that differ only along pooled axes, as in phase, the best stands for all.
    """
    folded = [dim for dim in cube.dims if dim in pooled]
    ordered = cube.fillna(-np.inf).transpose("unit", ..., *folded)
    stimuli = np.arange(cube[0].size).reshape(cube.shape[1:])  # their numbers, the last axis fastest
    stimuli = stimuli.transpose([cube.dims.index(dim) - 1 for dim in ordered.dims[1:]])
    alike = prod(cube.sizes[dim] for dim in folded)
    values, stimuli = ordered.to_numpy().reshape(len(cube), -1, alike), stimuli.reshape(-1, alike)
    numbers = stimuli[np.arange(len(stimuli)), values.argmax(axis=2)]
    order = np.argsort(-values.max(axis=2), axis=1, kind="stable")[:, :most]
    return np.take_along_axis(numbers, order, 1), np.take_along_axis(values.max(axis=2), order, 1)


def _profile(result: Result, layer: str, *, sign: int) -> dict[str, Any]:
    """Return a value a unit and class; of many classes those where ``sign`` times the value is largest."""
    values = result.curves[layer].to_numpy().astype(np.float32)
    count = values.shape[1]
    names = class_names(result.meta, count)[:count]
    if count <= _ALL_CLASSES:
        return {"classes": names, "values": values}
    order = np.argsort(-sign * np.nan_to_num(values, nan=-sign * np.inf), axis=1, kind="stable")[:, :_MOST_CLASSES]
    return {"classes": names, "strongest": order.astype(np.uint16), "values": np.take_along_axis(values, order, 1)}


def _shifts(curves: xr.DataArray) -> dict[str, Any]:
    ordered = curves.transpose("unit", "axis", "shift")
    axes = {name: ordered[name].to_numpy().tolist() for name in ("axis", "shift")}
    return {"axes": axes, "values": ordered.to_numpy().astype(np.float32)}


def _top_images(recording: Recording, layer: str) -> TopImages | None:
    """Return the images that drive each unit most; None where other things were recorded."""
    try:
        return recording.top_images(layer)
    except ValueError:
        return None


def _top(top: TopImages, grid: Sequence[int], fields: ReceptiveFields | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "numbers": top.images.cpu().numpy().astype(np.uint32),
        "responses": top.values.cpu().numpy().astype(np.float32),
    }
    places = top.places.cpu().numpy()
    if places.shape[2] == 1 and len(grid) == 1:  # tokens are the patches of a square
        side = isqrt(grid[0])
        grid, places = (side, side), np.concatenate([places // side, places % side], axis=2)
    if places.shape[2] == len(grid) == 2 and max(grid) > 1:  # of a map of one place there is nothing to mark
        made |= {"grid": list(grid), "places": places.astype(np.uint16), "fields": fields and asdict(fields)}
    return made
