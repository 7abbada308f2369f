"""Responses of a layer's units to images, labelled, and the table of what they are like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from neuroprobe.reducers import Moments
from neuroprobe.results import unit_index

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_NO_RESPONSE = 1e-12  # response units


def unit_table(moments: Mapping[str, Moments]) -> pd.DataFrame:
    """Make the table of a recording from the moments of each layer's responses."""
    import pandas as pd

    states = list(moments.values())
    columns = {
        "mean": [state.mean for state in states],
        "std": [state.variance.sqrt() for state in states],
        "minimum": [state.minimum for state in states],
        "maximum": [state.maximum for state in states],
    }
    table = pd.DataFrame(
        {name: torch.cat(values).cpu().numpy() for name, values in columns.items()},
        index=unit_index({layer: len(state.mean) for layer, state in moments.items()}),
    )
    dead = table[["minimum", "maximum"]].abs().max(axis=1) <= _NO_RESPONSE
    return table.assign(status=dead.map({True: "dead", False: "ok"}))


def labelled(layer: str, responses: NDArray[np.float32]) -> xr.DataArray:
    """Label responses (images, units), or whole maps (images, units, *grid)."""
    import pandas as pd
    import xarray as xr

    places = {0: (), 1: ("token",), 2: ("y", "x"), 3: ("z", "y", "x")}[responses.ndim - 2]
    coordinates = {"image": pd.RangeIndex(len(responses)), "unit": pd.RangeIndex(responses.shape[1])}
    return xr.DataArray(responses, dims=("image", "unit", *places), coords=coordinates, name=layer)
