"""Results: what one measurement found, unit by unit, and what it was made from.

A result is frozen. It holds a table with one row a unit, the curves behind the numbers, and the
provenance; it sums up, saves and draws itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from neuroprobe import store
from neuroprobe.curves import von_mises
from neuroprobe.packing import Contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

STATUSES = ("ok", "rectified", "dead", "unresponsive", "signed", "too_few")
SELECTIVE = 0.33  # gosi above which a unit counts as selective, where no control says better


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """One measurement of a network's units.

    Attributes:
        units: One row a unit, index (``layer``, ``unit``); among the columns ``status``.
        curves: Layer -> labelled array.
        meta: What the numbers were made from: model, stimuli or data, definitions, seed, versions.
        control: The unit table of the control measurement, same rows and columns; None without one.
    """

    kind: ClassVar[str] = "result"
    headline: ClassVar[str] = ""  # the column that summary and top go by

    units: pd.DataFrame
    curves: Mapping[str, Any]
    meta: Mapping[str, Any]
    control: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        """Check what can be checked and make the mappings read-only."""
        if list(self.units.index.names) != ["layer", "unit"]:
            raise ValueError(f"units must be indexed by layer and unit; {list(self.units.index.names)} came")
        if self.control is not None and not _same_frame(self.control, self.units):
            raise ValueError("the control's table must have the rows and columns of the unit table")
        object.__setattr__(self, "curves", MappingProxyType(dict(self.curves)))
        object.__setattr__(self, "meta", MappingProxyType(_as_json(self.meta)))

    @property
    def layers(self) -> list[str]:
        """The layers, in order of execution."""
        return list(self.units.index.unique("layer"))

    def summary(self) -> pd.DataFrame:
        """Sum up each layer: its units, how many of each status, median and quartiles of the headline.

        NaN is left out of the quartiles; the status counts say how many units that leaves out.
        """
        import pandas as pd

        status = self.units["status"]
        occurring = [name for name in STATUSES if (status == name).any()]
        counts = {name: by_layer(status == name).sum() for name in occurring}
        table = pd.DataFrame({"units": by_layer(status).size(), **counts})
        return table if self.headline not in self.units else table.join(quartiles(self.units[self.headline]))

    def top(self, layer: str, k: int = 10, by: str | None = None) -> pd.DataFrame:
        """Slice out a layer's ``k`` units with the largest ``by`` (the headline by default), largest first.

        Units without a number are left out, so fewer than ``k`` may come back; ties keep their order.
        """
        known_layer(layer, self.layers)
        sortable = self.units.select_dtypes(["number", "boolean", "bool"]).columns
        column = named("column", by or self.headline, sortable)
        rows = self.units.loc[[layer]]
        if not 1 <= k <= len(rows):
            raise ValueError(f"layer {layer!r} has {len(rows)} units: k must be 1 to {len(rows)}; {k} came")
        return rows.dropna(subset=[column]).sort_values(column, ascending=False, kind="stable").head(k)

    def plot(self) -> Figure:
        """Draw the headline layer by layer."""
        from neuroprobe import plots

        return cast("Figure", plots.index_by_layer(self, self.headline).figure)

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Save to one Zarr store, whole or not at all; :func:`load` reads it back."""
        return store.write(self.to_contents(), path, overwrite=overwrite)

    def to_contents(self) -> Contents:
        """Lay out what the store is to hold; a subclass with more fields adds them."""
        tables = {"units": self.units} if self.control is None else {"units": self.units, "control": self.control}
        return Contents(self.kind, dict(self.meta), tables, dict(self.curves))

    @classmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""
        return cls(contents.tables["units"], contents.curves, contents.meta, contents.tables.get("control"))

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """Travel between processes and through ``copy``: read-only mappings cannot, so they go as dicts."""
        return type(self), tuple(_thawed(getattr(self, part.name)) for part in fields(self))

    def __repr__(self) -> str:
        parts = [f"{len(self.units):,} units", f"{len(self.layers)} layers"]
        if self.headline in self.units:
            parts.append(f"median {self.headline} {self.units[self.headline].median():.2f}")
        if "model" in self.meta:
            parts.insert(0, " ".join(str(self.meta["model"]).split()))
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_html_(self) -> str:
        """Show the summary and a small picture in Jupyter."""
        table = self.summary().to_html(float_format="{:.3g}".format, border=0)
        scroll = f'<div style="max-height: 24em; overflow: auto">{table}</div>'
        return f"<p>{escape(repr(self))}</p>{scroll}{self._picture()}"

    def _picture(self) -> str:
        """Draw a small picture as an <img>; empty where there is nothing to draw."""
        from neuroprobe.plots import index_by_layer
        from neuroprobe.plots.style import as_img, unseen_axes

        if self.headline not in self.units:
            return ""
        return as_img(index_by_layer(self, self.headline, ax=unseen_axes(7, 2)).figure)


class Tuning(Result):
    """What :func:`neuroprobe.orientation` found: how each unit responds to orientation.

    ``curves[layer]`` has dims (unit, frequency, orientation, phase), in degrees and cycles/pixel.
    Orientation is that of the stripes' long axis, counter-clockwise from horizontal, in [0, 180).
    """

    kind = "orientation"
    headline = "gosi"

    def curve(self, layer: str) -> xr.DataArray:
        """Give each unit's response (unit, orientation) at its preferred frequency, pooled over phase.

        The preferred frequency, that of the unit's largest response, comes along as a coordinate.
        """
        cube = self.curves[known_layer(layer, self.curves)]
        drift = [dim for dim in ("orientation", "phase") if dim in cube.dims]
        settings = [dim for dim in cube.dims if dim not in ("unit", *drift)]
        best = cube.fillna(float("-inf")).max(drift).argmax(settings)  # fillna: a unit may be all NaN
        at_best = cube.isel(best)
        return at_best if "phase" not in drift else _pool(at_best, self.meta.get("pooling", "mean"))

    def fit(self, layer: str) -> xr.DataArray:
        """Draw out each unit's fitted von Mises curve (unit, orientation), every degree from 0 to 180."""
        import numpy as np
        import xarray as xr

        rows = self.units.loc[known_layer(layer, self.layers)]
        parameters = (rows[f"fit_{name}"] for name in ("trough", "amplitude", "concentration", "preferred"))
        orientations = np.arange(181.0)
        coords = {"unit": rows.index.to_numpy(), "orientation": orientations}
        return xr.DataArray(von_mises(orientations, *parameters), coords, dims=("unit", "orientation"))

    def verdicts(self) -> pd.DataFrame:
        """Give each layer's shares of units: tuned, not tuned, without a verdict, unresponsive; they sum to 1."""
        import pandas as pd

        unresponsive = self.units["status"].isin(["unresponsive", "dead"])
        tuned = self.units["tuned"].astype("boolean")
        verdicts = {"tuned": tuned.fillna(False), "not_tuned": ~tuned.fillna(True), "no_verdict": tuned.isna()}
        shares = {name: by_layer((flag & ~unresponsive).astype(float)).mean() for name, flag in verdicts.items()}
        return pd.DataFrame({**shares, "unresponsive": by_layer(unresponsive).mean()})

    def summary(self) -> pd.DataFrame:
        """Sum up each layer: status counts, gosi, the shares of selective and of tuned units, bandwidth.

        ``share_selective`` is the share with gosi above 0.33, of units that have one; ``share_tuned`` that of
        tuned units, of those with a verdict. Medians leave NaN out.
        """
        table = super().summary()
        if "unresponsive" not in table:  # always shown: none is news too
            table.insert(1, "unresponsive", 0)
        gosi, tuned = self.units["gosi"], self.units["tuned"].astype("boolean").astype(float)
        table["median_gosi_blank"] = by_layer(self.units["gosi_blank"]).median()
        table["share_selective"] = by_layer((gosi > SELECTIVE).astype(float).where(gosi.notna())).mean()
        table["share_tuned"] = by_layer(tuned).mean()
        table["median_bandwidth"] = by_layer(self.units["bandwidth"]).median()
        if self.control is not None:
            table["median_gosi_control"] = by_layer(self.control["gosi"]).median()
        return table

    def plot(self) -> Figure:
        """Draw the overview: selectivity by layer, verdicts, preferred orientations, example curves."""
        from neuroprobe import plots

        return plots.overview(self)

    def _picture(self) -> str:
        from neuroprobe.plots import overview
        from neuroprobe.plots.style import as_img

        return as_img(overview(self, compact=True))


@dataclass(frozen=True, eq=False, repr=False)
class Recording(Result):
    """What :func:`neuroprobe.record` kept: responses to every image, or statistics of them.

    ``curves[layer]`` is (image, unit), with (y, x) or (token) after it where whole maps were kept.

    Attributes:
        reduced: Reducer -> layer -> state, a frozen dataclass listed in ``reducers.STATES``.
    """

    kind: ClassVar[str] = "recording"
    headline: ClassVar[str] = "mean"

    reduced: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        states = {name: MappingProxyType(dict(by_layer)) for name, by_layer in self.reduced.items()}
        object.__setattr__(self, "reduced", MappingProxyType(states))

    def to_contents(self) -> Contents:
        """Add the states to what every result holds."""
        base = super().to_contents()
        states = {name: dict(by_layer) for name, by_layer in self.reduced.items()}
        return Contents(base.kind, base.meta, base.tables, base.curves, states)

    @classmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""
        tables = contents.tables
        return cls(tables["units"], contents.curves, contents.meta, tables.get("control"), contents.states)


def load(path: str | Path) -> Result:
    """Load a saved result; what loads equals what was saved."""
    contents = store.read(path)
    kinds = {kind.kind: kind for kind in Result.__subclasses__()}
    if contents.kind not in kinds:
        raise ValueError(f"{path} holds a result of kind {contents.kind!r}; known kinds are {', '.join(kinds)}")
    return kinds[contents.kind].from_contents(contents)


def known_layer(layer: str, known: Iterable[str]) -> str:
    """Return ``layer`` if it is known; otherwise raise the error that names the nearest."""
    from neuroprobe.addresses import unknown_layer

    names = list(known)
    if layer not in names:
        raise unknown_layer(layer, names)
    return layer


def unit_index(units: Mapping[str, int]) -> pd.MultiIndex:
    """Make the index (``layer``, ``unit``) of a unit table from the number of units of each layer."""
    import numpy as np
    import pandas as pd

    counts = list(units.values())
    names = np.repeat(np.array(list(units), dtype=object), counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    return pd.MultiIndex.from_arrays([names, numbers], names=["layer", "unit"])


def named(what: str, name: str, known: Iterable[Any]) -> str:
    """Return ``name`` if it is known; otherwise raise an error that names the nearest right ones."""
    names = list(known)
    if name in names:
        return name
    nearest = get_close_matches(name, names, n=3, cutoff=0.0)
    advice = f"the nearest are {', '.join(map(repr, nearest))}" if nearest else "there are none"
    raise ValueError(f"no {what} {name!r}; {advice}")


def by_layer(values: pd.Series[Any]) -> Any:
    """Group a unit column by layer, in order of execution."""
    return values.groupby(level="layer", sort=False)


def quartiles(values: pd.Series[Any]) -> pd.DataFrame:
    """Give each layer's median and quartiles of a unit column."""
    table = by_layer(values).quantile([0.25, 0.5, 0.75]).unstack()
    table = table.reindex(values.index.unique("layer"))[[0.5, 0.25, 0.75]]  # unstack sorts by name
    return table.set_axis([f"{name}_{values.name}" for name in ("median", "q25", "q75")], axis="columns")


def _pool(curve: xr.DataArray, pooling: str) -> xr.DataArray:
    """Take the phases together; a unit that is NaN stays NaN."""
    if named("pooling", pooling, ("mean", "max")) == "max":
        return curve.max("phase")
    return curve.mean("phase")


def _thawed(value: Any) -> Any:
    """Turn read-only mappings, nested ones too, into dicts."""
    return {key: _thawed(item) for key, item in value.items()} if isinstance(value, MappingProxyType) else value


def _same_frame(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return one.index.equals(other.index) and one.columns.equals(other.columns)


def _as_json(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Copy provenance through JSON, so that it is the same before and after the disk."""
    return json.loads(json.dumps(dict(meta), default=_plain))


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers and arrays into Python's; anything else is no provenance."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(
        f"meta must hold what JSON can (words, numbers, lists, dicts); {type(value).__name__} came: {value!r}"
    )
