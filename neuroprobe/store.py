"""Results on disk: one Zarr store a result, whole or not at all, never pickle.

A store is written beside its place and moved there when it is whole. The mark of a whole store is the
count of its files, written last: a store whose writing or copying stopped midway says so when loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuroprobe.folders import moved_when_whole
from neuroprobe.packing import Contents

if TYPE_CHECKING:
    import xarray as xr

FORMAT = 1  # raise it when an older neuroprobe could not read what this one writes


def write(contents: Contents, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a result's contents to ``path`` and return where they lie."""
    place = Path(path).expanduser().resolve()
    refuse_to_clobber(place, overwrite=overwrite)
    with moved_when_whole(place) as partial:
        _write_tree(contents, partial)
    return place


def read(path: str | Path) -> Contents:
    """Read back what :func:`write` wrote."""
    place = Path(path).expanduser()
    marks = _marks(place)
    tree = _read_tree(place)
    datasets = {part: {name: leaf.to_dataset() for name, leaf in group.items()} for part, group in tree.items()}
    return Contents.from_datasets(marks["kind"], json.loads(marks["meta"]), datasets)


def refuse_to_clobber(place: Path, *, overwrite: bool) -> None:
    """Raise where something lies at ``place``: a result unless told, anything else whatever was told."""
    if not place.exists():
        return
    if "neuroprobe_format" not in _attributes(place):
        raise FileExistsError(f"{place} exists and is no neuroprobe result; save to another path")
    if not overwrite:
        raise FileExistsError(f"{place} already holds a result; save to another path, or pass overwrite=True")


def _write_tree(contents: Contents, folder: Path) -> None:
    """Write the tree, then the mark that it is whole."""
    import xarray as xr
    import zarr

    marks = {"neuroprobe_format": FORMAT, "kind": contents.kind, "meta": json.dumps(contents.meta)}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=marks), **contents.to_datasets()})
    tree.to_zarr(folder, mode="w-", consolidated=False)
    zarr.open_group(folder, mode="r+").attrs["files"] = _count_files(folder)


def _read_tree(place: Path) -> xr.DataTree:
    """Read every group into memory, so that the store may move or go afterwards."""
    import xarray as xr

    with xr.open_datatree(place, engine="zarr", consolidated=False, decode_times=False, decode_timedelta=False) as tree:
        return tree.load()


def _marks(place: Path) -> dict[str, Any]:
    """Read the root attributes of a whole store of a format we know, or say what is wrong."""
    if not place.exists():
        raise FileNotFoundError(f"no such result: {place}")
    marks = _attributes(place)
    if "neuroprobe_format" not in marks:
        inside = next(place.glob("*.zarr"), None) if place.is_dir() else None
        raise ValueError(f"{place} is no neuroprobe result" + (f"; it holds one: load {inside}" if inside else ""))
    if marks["neuroprobe_format"] > FORMAT:
        newer = f"{place} has format {marks['neuroprobe_format']}, this neuroprobe reads up to {FORMAT}"
        raise ValueError(f"{newer}: install a newer neuroprobe")
    if _count_files(place) < marks.get("files", float("inf")):
        raise ValueError(f"{place} is not whole: its writing or copying stopped midway; make or copy it again")
    return marks


def _attributes(place: Path) -> dict[str, Any]:
    """Read a Zarr group's attributes; empty where ``place`` is not one."""
    try:
        return json.loads((place / "zarr.json").read_text(encoding="utf-8"))["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _count_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
