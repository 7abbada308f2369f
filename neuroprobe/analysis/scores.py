"""A score for each unit, as a user has it: a column of a unit table, checked against the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.addresses import Layer, choose, unknown_layer

if TYPE_CHECKING:
    import pandas as pd


def scored_units(
    scores: pd.Series[Any], found: Sequence[Layer], wanted: str | Sequence[str] | None
) -> pd.Series[float]:
    """Return the scores of the wanted layers' units that have one, layers in order of execution.

    Args:
        scores: numbers indexed by ``layer`` and ``unit``; NaN is no score.
        found: the network's layers.
        wanted: names or globs; None for every layer with a score.

    Raises:
        TypeError: if ``scores`` is no such column; UnknownLayerError: if a layer is not in the network.
        ValueError: if a unit comes twice or is not in its layer, if a score is infinite, or a wanted layer has none.
    """
    column = checked_scores(scores).dropna()
    if column.empty:
        raise ValueError(f"no unit has a score: all {len(scores)} are NaN; rank by another column")
    known, scored = {layer.name: layer for layer in found}, list(column.index.unique("layer"))
    names = scored if wanted is None else [layer.name for layer in choose(found, wanted)]
    for name in names:
        if name not in known:
            raise unknown_layer(name, list(known))
        if name not in scored:
            raise ValueError(f"no unit of layer {name!r} has a score; scores are of {', '.join(map(repr, scored))}")
        _check_range(known[name], column.xs(name, level="layer").index.to_numpy())
    return _in_order(column, [name for name in known if name in names])


def checked_scores(scores: Any) -> pd.Series[float]:
    """Return the column of a unit table as numbers, NaN for none, or raise an error that says what is wrong."""
    import pandas as pd

    wanted = "scores must be a column of a unit table (tuning.units.gosi): numbers indexed by layer and unit"
    if not isinstance(scores, pd.Series):
        raise TypeError(f"{wanted}; {type(scores).__name__} came")
    if list(scores.index.names) != ["layer", "unit"]:
        raise TypeError(f"{wanted}; an index of {list(scores.index.names)} came")
    if not pd.api.types.is_numeric_dtype(scores.dtype):
        raise TypeError(f"{wanted}; {scores.dtype} came")
    column = scores.astype("Float64").astype(np.float64)  # by way of a nullable type: a missing boolean is NaN
    if column.index.duplicated().any():
        raise ValueError(f"scores must have one number a unit; {column.index[column.index.duplicated()][0]} came twice")
    if np.isinf(column).any():
        raise ValueError(f"scores must be finite, or NaN for none; {column.index[np.isinf(column)][0]} is infinite")
    return column


def _check_range(layer: Layer, units: Any) -> None:
    outside = [unit for unit in units if unit not in range(layer.units)]
    if outside:
        raise ValueError(
            f"layer {layer.name!r} has {layer.units} units (0 to {layer.units - 1}); scores have one for unit "
            f"{outside[0]}: were they measured on this network?"
        )


def _in_order(column: pd.Series[float], names: Sequence[str]) -> pd.Series[float]:
    import pandas as pd

    return pd.concat([column.loc[[name]].sort_index() for name in names])
