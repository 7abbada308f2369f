"""Tables, curves and states as xarray Datasets that Zarr can hold, and back, exactly.

Zarr's native types are plain numbers and booleans. Everything else a result holds (words, nullable
columns) is kept as codes into a list of its distinct values: -1 is a missing value. Coordinates that only count from 0
are kept by name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    import xarray as xr

_NUMBERS = "biuf"  # NumPy kinds that Zarr holds as they are
_CODED = ("boolean", "Int", "UInt", "Float", "str", "object")  # openings of the names of dtypes kept as codes
VALUES = "values"  # the one variable of a DataArray's group


@dataclass(frozen=True, eq=False)
class Contents:
    """What a result holds, whichever its class: the currency between results and the disk."""

    kind: str
    meta: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    curves: dict[str, xr.DataArray | xr.Dataset]
    states: dict[str, dict[str, Any]] = field(default_factory=dict)  # reducer -> layer -> state

    def to_datasets(self) -> dict[str, xr.Dataset]:
        """Give every part its place in the tree; layers are numbered, since their names may hold a slash."""
        tables = {f"/tables/{name}": pack_table(table) for name, table in self.tables.items()}
        curves = {f"/curves/{i}": pack_curves(*item) for i, item in enumerate(self.curves.items())}
        states = [(reducer, layer, state) for reducer, by in self.states.items() for layer, state in by.items()]
        return tables | curves | {f"/states/{i}": pack_state(*item) for i, item in enumerate(states)}

    @classmethod
    def from_datasets(
        cls, kind: str, meta: dict[str, Any], datasets: Mapping[str, Mapping[str, xr.Dataset]]
    ) -> Contents:
        """Take the parts back from ``{"tables": {name: dataset}, "curves": {"0": dataset, ...}, ...}``."""
        states: dict[str, dict[str, Any]] = {}
        for packed in _numbered(datasets.get("states", {})):
            states.setdefault(packed.attrs["reducer"], {})[packed.attrs["layer"]] = unpack_state(packed)
        tables = {name: unpack_table(packed) for name, packed in datasets.get("tables", {}).items()}
        return cls(kind, meta, tables, dict(map(unpack_curves, _numbered(datasets.get("curves", {})))), states)


def _numbered(datasets: Mapping[str, xr.Dataset]) -> list[xr.Dataset]:
    """Order groups by their number: a store lists them as it likes."""
    return [datasets[name] for name in sorted(datasets, key=int)]


def pack_table(table: pd.DataFrame) -> xr.Dataset:
    """Turn a table into one variable a column, its index first."""
    import xarray as xr

    flat = table.reset_index()
    columns = {quote(str(name), safe=""): _pack_column(flat[name]) for name in flat}
    return xr.Dataset(columns, attrs={"columns": list(flat), "index_levels": table.index.nlevels})


def unpack_table(packed: xr.Dataset) -> pd.DataFrame:
    """Undo :func:`pack_table`."""
    import pandas as pd

    names = packed.attrs["columns"]
    flat = pd.DataFrame({name: _unpack_column(packed[quote(name, safe="")]) for name in names})
    return flat.set_index(names[: packed.attrs["index_levels"]])


def _pack_column(column: pd.Series[Any]) -> xr.Variable:
    """Keep plain numbers as they are and anything else as codes."""
    import pandas as pd
    import xarray as xr

    dtype = str(column.dtype)
    if column.dtype.kind in _NUMBERS and not pd.api.types.is_extension_array_dtype(column.dtype):
        return xr.Variable("row", column.to_numpy())
    if not dtype.startswith(_CODED):
        raise TypeError(f"column {column.name!r} of dtype {dtype} cannot be saved; make it numbers, booleans or words")
    codes, distinct = pd.factorize(column)
    return xr.Variable("row", codes, attrs={"dtype": dtype, "distinct": distinct.tolist()})


def _unpack_column(packed: xr.DataArray) -> Any:
    """Undo :func:`_pack_column`."""
    import pandas as pd

    if "distinct" not in packed.attrs:
        return packed.to_numpy()
    distinct = pd.Series(packed.attrs["distinct"], dtype=packed.attrs["dtype"])
    return distinct.array.take(packed.to_numpy(), allow_fill=True)


def pack_curves(layer: str, curves: xr.DataArray | xr.Dataset) -> xr.Dataset:
    """Turn a layer's curves into a group that carries the layer's name."""
    import xarray as xr

    if isinstance(curves, xr.Dataset):
        packed = _code_words(curves).assign_attrs(layer=layer, own_attrs=dict(curves.attrs))
    else:
        packed = _code_words(curves.to_dataset(name=VALUES)).assign_attrs(layer=layer, array_name=curves.name)
    counted = [str(name) for name in packed.coords if _only_counts(packed, str(name))]
    return packed.drop_vars(counted).assign_attrs(counted=counted)


def unpack_curves(packed: xr.Dataset) -> tuple[str, xr.DataArray | xr.Dataset]:
    """Undo :func:`pack_curves`: the layer and its curves."""
    import pandas as pd

    layer, counted = packed.attrs["layer"], packed.attrs.get("counted", ())
    curves = _decode_words(packed).assign_coords({name: pd.RangeIndex(packed.sizes[name]) for name in counted})
    if "array_name" not in packed.attrs:
        return layer, curves.drop_attrs(deep=False).assign_attrs(packed.attrs["own_attrs"])
    return layer, curves[VALUES].rename(packed.attrs["array_name"])


def _only_counts(dataset: xr.Dataset, name: str) -> bool:
    """Whether a coordinate is 0, 1, 2, ... along a variable: of a million images that would be 8 MB a layer."""
    import pandas as pd

    if not any(name in variable.dims for variable in dataset.data_vars.values()) or dataset[name].attrs:
        return False
    index = dataset.indexes[name]
    return index.dtype == int and pd.RangeIndex(len(index)).equals(index)


def _code_words(dataset: xr.Dataset) -> xr.Dataset:
    """Replace coordinates that hold words (classes, polarities) by codes."""
    import pandas as pd

    coded = {}
    for name, variable in dataset.coords.items():
        if variable.dtype.kind not in _NUMBERS:
            codes, distinct = pd.factorize(variable.to_numpy().astype(object).ravel())
            if (codes < 0).any():
                raise ValueError(f"coordinate {name!r} has missing values, which cannot be saved")
            attributes = {**variable.attrs, "distinct": distinct.tolist()}
            coded[name] = (variable.dims, codes.reshape(variable.shape), attributes)
    return dataset.assign_coords(coded)


def _decode_words(dataset: xr.Dataset) -> xr.Dataset:
    """Undo :func:`_code_words`."""
    import numpy as np

    words = {}
    for name, variable in dataset.coords.items():
        if "distinct" in variable.attrs:
            attrs = dict(variable.attrs)
            distinct = np.array(attrs.pop("distinct"))
            words[name] = (variable.dims, distinct[variable.to_numpy()], attrs)
    return dataset.assign_coords(words)


def pack_state(reducer: str, layer: str, state: Any) -> xr.Dataset:
    """Turn a reducer's state (a dataclass of tensors and numbers) into arrays and attributes."""
    import xarray as xr
    from torch import Tensor

    from neuroprobe.reducers import STATES

    if type(state) not in STATES.values():
        kind = type(state).__name__
        raise TypeError(
            f"reducer {reducer!r} made a {kind}, which has no place on disk; decorate it with reducers.savable"
        )
    values = {part.name: getattr(state, part.name) for part in fields(state)}
    tensors = {name: value.detach().cpu().numpy() for name, value in values.items() if isinstance(value, Tensor)}
    arrays = {name: ([f"{name}_{axis}" for axis in range(value.ndim)], value) for name, value in tensors.items()}
    rest = {name: value for name, value in values.items() if name not in tensors}
    return xr.Dataset(arrays, attrs={"reducer": reducer, "layer": layer, "state": type(state).__name__, "values": rest})


def unpack_state(packed: xr.Dataset) -> Any:
    """Undo :func:`pack_state`; the class is looked up by name, never unpickled."""
    import torch

    from neuroprobe.reducers import STATES

    name = packed.attrs["state"]
    if name not in STATES:
        raise ValueError(
            f"the store holds a state {name!r}, which is none of {', '.join(STATES)}: import the module that "
            "defines it, its class decorated with reducers.savable, before loading"
        )
    tensors = {str(part): torch.from_numpy(values.to_numpy().copy()) for part, values in packed.data_vars.items()}
    return STATES[name](**tensors, **packed.attrs["values"])
