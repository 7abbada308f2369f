"""The columns of all results as the page has them: a name that is theirs alone, and numbers packed small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuroprobe.page.catalogue import entry

if TYPE_CHECKING:
    import pandas as pd

    from neuroprobe.page.joining import Joined
    from neuroprobe.results import Result

_SHARED = ("status", "p_value", "q_value")  # every kind has its own
_OF_CLASSES = ("preferred_class", "worst_class", "correlated_class")


def columns(joined: Joined) -> list[dict[str, Any]]:
    """Return every column of every kind of result, one value a unit of all layers; what was not measured is missing."""
    taken: set[str] = set()
    made = []
    for kind, results in joined.kinds.items():
        for name, values in _by_name(results, joined.index):
            identity = f"{kind}.{name}" if name in _SHARED or name in taken else name
            taken.add(identity)
            made.append({"id": identity, "kind": kind, "name": name} | _shown(kind, name, values, results))
    return made


def _by_name(results: Sequence[Result], index: pd.MultiIndex) -> Iterator[tuple[str, pd.Series[Any]]]:
    """Yield the columns of one kind, put together from results of different layers."""
    import pandas as pd

    for name in dict.fromkeys(name for result in results for name in result.units):
        parts = [result.units[name] for result in results if name in result.units]
        whole = pd.concat(parts)
        yield str(name), whole[~whole.index.duplicated()].reindex(index)


def _shown(kind: str, name: str, values: pd.Series[Any], results: Sequence[Result]) -> dict[str, Any]:
    known = entry(kind, name)
    words = {"label": known.label, "unit": known.unit, "meaning": known.meaning, "shown": known.shown}
    if (coded := _coded(name, values, results)) is not None:
        return words | {"type": "category"} | coded
    return words | {
        "type": "number",
        "scale": known.scale,
        "domain": None if known.domain is None else list(known.domain),
        "values": values.astype("Float64").to_numpy(dtype=np.float32, na_value=np.nan),
    }


def _coded(name: str, values: pd.Series[Any], results: Sequence[Result]) -> dict[str, Any] | None:
    """Return words, yes or no, and classes as codes, -1 for what is missing; None for numbers."""
    import pandas as pd

    if name in _OF_CLASSES:
        codes = values.astype("Int64").to_numpy(dtype=np.int64, na_value=-1)
        names = class_names(results[0].meta, int(codes.max(initial=-1)) + 1)
        return {"categories": names, "values": codes.astype(np.int32)}
    if _is_yes_or_no(values):
        codes = values.astype("boolean").astype("Int8").to_numpy(dtype=np.int64, na_value=-1)
        return {"categories": ["no", "yes"], "values": codes.astype(np.int32)}
    if pd.api.types.is_numeric_dtype(values):
        return None
    codes, distinct = pd.factorize(values)
    return {"categories": [str(word) for word in distinct], "values": codes.astype(np.int32)}


def _is_yes_or_no(values: pd.Series[Any]) -> bool:
    """Whether a column holds booleans; where units are missing pandas makes objects of them."""
    import pandas as pd

    known = values.dropna()
    return pd.api.types.is_bool_dtype(values) or (known.dtype == object and set(known.map(type)) <= {bool, np.bool_})


def class_names(meta: Mapping[str, Any], fewest: int) -> list[str]:
    """Return the names of the classes, and numbers for those beyond."""
    names = [str(name) for name in meta.get("classes") or ()]
    return names + [str(number) for number in range(len(names), fewest)]
