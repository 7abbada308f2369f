"""Results: what one measurement found, unit by unit, and what it was made from.

A result is frozen. It holds a table with one row a unit, the curves behind the numbers, and the
provenance; it sums up, saves and draws itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from neuroprobe.results.saved import Saved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from neuroprobe.packing import Contents

STATUSES = ("ok", "rectified", "dead", "unresponsive", "signed", "too_few")
SELECTIVE = 0.33  # gosi above which a unit counts as selective, where no control says better


@dataclass(frozen=True, eq=False, repr=False)
class Result(Saved):
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
        """Check what can be checked."""
        if list(self.units.index.names) != ["layer", "unit"]:
            raise ValueError(f"units must be indexed by layer and unit; {list(self.units.index.names)} came")
        if self.control is not None and not _same_frame(self.control, self.units):
            raise ValueError("the control's table must have the rows and columns of the unit table")
        super().__post_init__()

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The unit table, and the control's where there is one."""
        return {"units": self.units} if self.control is None else {"units": self.units, "control": self.control}

    @property
    def layer_names(self) -> list[str]:
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
        known_layer(layer, self.layer_names)
        column = str(self.numbers(by).name)
        rows = self.units.loc[[layer]]
        if not 1 <= k <= len(rows):
            raise ValueError(f"layer {layer!r} has {len(rows)} units: k must be 1 to {len(rows)}; {k} came")
        return rows.dropna(subset=[column]).sort_values(column, ascending=False, kind="stable").head(k)

    def numbers(self, column: str | None = None) -> pd.Series[float]:
        """Return a column of the unit table that holds numbers, the headline by default; what is missing is NaN."""
        known = self.units.select_dtypes(["number", "boolean", "bool"])
        if column in self.units and column not in known:
            raise ValueError(
                f"column {column!r} holds words, and numbers are wanted: there are {', '.join(map(str, known))}"
            )
        return known[named("column", column or self.headline, known)].astype(float)

    def plot(self) -> Figure:
        """Draw the headline layer by layer."""
        from neuroprobe import plots

        return cast("Figure", plots.index_by_layer(self, self.headline).figure)

    @classmethod
    def from_contents(cls, contents: Contents) -> Self:
        """Undo :meth:`to_contents`."""
        return cls(contents.tables["units"], contents.curves, contents.meta, contents.tables.get("control"))

    def __repr__(self) -> str:
        parts = [f"{len(self.units):,} units", f"{len(self.layer_names)} layers"]
        if self.headline in self.units:
            parts.append(f"median {self.headline} {self.units[self.headline].median():.2f}")
        if "model" in self.meta:
            parts.insert(0, " ".join(str(self.meta["model"]).split()))
        return f"{type(self).__name__}({', '.join(parts)})"

    def _picture(self) -> str:
        """Draw a small picture as an <img>; empty where there is nothing to draw."""
        from neuroprobe.plots import index_by_layer
        from neuroprobe.plots.style import as_img, unseen_axes

        if self.headline not in self.units:
            return ""
        return as_img(index_by_layer(self, self.headline, ax=unseen_axes(7, 2)).figure)


def known_layer(layer: str, known: Iterable[str]) -> str:
    """Return ``layer`` if it is known; otherwise raise the error that names the nearest."""
    from neuroprobe.addresses import unknown_layer

    names = list(known)
    if layer not in names:
        raise unknown_layer(layer, names, of_network=False)
    return layer


def unit_index(units: Mapping[str, int]) -> pd.MultiIndex:
    """Make the index (``layer``, ``unit``) of a unit table from the number of units of each layer."""
    import numpy as np
    import pandas as pd

    counts = list(units.values())
    names = np.repeat(np.array(list(units), dtype=object), counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    return pd.MultiIndex.from_arrays([names, numbers], names=["layer", "unit"])


def no_rows() -> pd.DataFrame:
    """Return a table of nothing."""
    import pandas as pd

    return pd.DataFrame()


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


def _same_frame(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return one.index.equals(other.index) and one.columns.equals(other.columns)
