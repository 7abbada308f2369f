"""Results on disk: one Zarr store a result, whole or not at all, never pickle.

A store is written beside its place and moved there when it is whole. The mark of a whole store is the
count of its files, written last: a store whose writing or copying stopped midway says so when loaded. Responses to
images may be larger than memory: they are written a shard at a time, and stay on disk until they are looked at.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuroprobe import unfinished
from neuroprobe.distributed import is_first
from neuroprobe.folders import move_whole, moved_when_whole
from neuroprobe.packing import VALUES, Contents
from neuroprobe.shards import Shards, write_metadata, write_responses

if TYPE_CHECKING:
    import xarray as xr

FORMAT = 1  # raise it when an older neuroprobe could not read what this one writes
_ROOT = Path("zarr.json")  # the file that makes a store of a folder, and holds its marks


def write(contents: Contents, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a result's contents to ``path`` and return where they lie; of several processes the first does it."""
    place = Path(path).expanduser().resolve()
    if is_first():
        refuse_to_clobber(place, overwrite=overwrite)
        with moved_when_whole(place) as partial:
            _write_tree(contents, partial)
    return place


def complete(contents: Contents, place: Path, shards: Mapping[str, Shards]) -> None:
    """Make a whole store of one whose shards of responses are there: write all else, the mark that it is whole last.

    Of the responses in ``contents`` only the shape counts. The call may be cut short, and made again.
    """
    rest = place / unfinished.FOLDER / "rest"
    shutil.rmtree(rest, ignore_errors=True)
    for part, responses in _write_groups(contents, rest).items():
        write_metadata(shards[str(responses.name)], responses, rest / part)
    _mark_whole(rest, len(_files(rest) | _files(place)))
    for file in sorted(_files(rest), key=lambda file: file == _ROOT):
        move_whole(rest / file, place / file)


def read(path: str | Path) -> Contents:
    """Read back what :func:`write` wrote."""
    place = Path(path).expanduser()
    marks = _marks(place)
    return Contents.from_datasets(marks["kind"], json.loads(marks["meta"]), _read_groups(place))


def is_whole(place: Path) -> bool:
    """Whether a whole result lies at a place."""
    return "neuroprobe_format" in _attributes(place)


def values_of_layer(place: Path, number: int) -> Path:
    """Return the folder of the array of a layer's curves, by the layer's number in the store."""
    return place / "curves" / str(number) / VALUES


def refuse_to_clobber(place: Path, *, overwrite: bool) -> None:
    """Raise where something lies at ``place``: a result unless told, anything else whatever was told."""
    if not place.exists():
        return
    if not is_whole(place):
        raise FileExistsError(f"{place} exists and is no neuroprobe result; save to another path")
    if not overwrite:
        raise FileExistsError(f"{place} already holds a result; save to another path, or pass overwrite=True")


def _write_tree(contents: Contents, folder: Path) -> None:
    """Write the tree, then the mark that it is whole."""
    for part, responses in _write_groups(contents, folder).items():
        write_responses(responses, folder / part)
    _mark_whole(folder, _count_files(folder))


def _write_groups(contents: Contents, folder: Path) -> dict[Path, xr.DataArray]:
    """Write all but responses to images; return those, named by layer, by the place of their arrays in the store."""
    import xarray as xr

    marks = {"neuroprobe_format": FORMAT, "kind": contents.kind, "meta": json.dumps(contents.meta)}
    datasets = contents.to_datasets()
    responses = {
        part: dataset[VALUES].rename(dataset.attrs["layer"])
        for part, dataset in datasets.items()
        if _has_responses(dataset)
    }
    small = {part: dataset.drop_vars(VALUES if part in responses else []) for part, dataset in datasets.items()}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=marks), **small})
    tree.to_zarr(folder, mode="w-", consolidated=False)
    return {Path(part.strip("/")) / VALUES: array for part, array in responses.items()}


def _has_responses(dataset: xr.Dataset) -> bool:
    """Whether a group holds responses to images, (image, unit, ...)."""
    return VALUES in dataset and dataset[VALUES].dims[:2] == ("image", "unit") and dataset[VALUES].dtype == "float32"


def _read_groups(place: Path) -> dict[str, dict[str, xr.Dataset]]:
    """Read every group into memory but for responses to images, which are read when they are looked at."""
    import xarray as xr

    with warnings.catch_warnings():
        # a process killed between the last mark and tidying up leaves a folder that is no part of the store
        warnings.filterwarnings("ignore", message=f"Object at {unfinished.FOLDER}")
        tree = xr.open_datatree(place, engine="zarr", consolidated=False, decode_times=False, decode_timedelta=False)
    groups = {part: {name: leaf.to_dataset() for name, leaf in group.items()} for part, group in tree.items()}
    return {
        part: {name: dataset if _has_responses(dataset) else dataset.load() for name, dataset in group.items()}
        for part, group in groups.items()
    }


def _mark_whole(folder: Path, files: int) -> None:
    import zarr

    zarr.open_group(folder, mode="r+").attrs["files"] = files


def _marks(place: Path) -> dict[str, Any]:
    """Read the root attributes of a whole store of a format we know, or say what is wrong."""
    if not place.exists():
        raise FileNotFoundError(f"no such result: {place}")
    marks = _attributes(place)
    if "neuroprobe_format" not in marks:
        raise ValueError(_why_none(place))
    if marks["neuroprobe_format"] > FORMAT:
        newer = f"{place} has format {marks['neuroprobe_format']}, this neuroprobe reads up to {FORMAT}"
        raise ValueError(f"{newer}: install a newer neuroprobe")
    if _count_files(place) < marks.get("files", float("inf")):
        raise ValueError(f"{place} is not whole: its writing or copying stopped midway; make or copy it again")
    return marks


def _why_none(place: Path) -> str:
    """Say why a place holds no result, and where one may be."""
    progress = unfinished.progress_at(place)
    if progress is not None:
        return f"{place} is not whole: it has {progress} so far; the call that began it goes on from there"
    inside = next(place.glob("*.zarr"), None) if place.is_dir() else None
    return f"{place} is no neuroprobe result" + (f"; it holds one: load {inside}" if inside else "")


def _attributes(place: Path) -> dict[str, Any]:
    """Read a Zarr group's attributes; empty where ``place`` is not one."""
    try:
        return json.loads((place / _ROOT).read_text(encoding="utf-8"))["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _count_files(folder: Path) -> int:
    return len(_files(folder))


def _files(folder: Path) -> set[Path]:
    """Return the files of a store, from its folder on, but for those of its making."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {file for file in files if file.parts[0] != unfinished.FOLDER}
