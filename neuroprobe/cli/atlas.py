"""``neuroprobe atlas MODEL [--data FOLDER] --out atlas/``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import neuroprobe
from neuroprobe.cli.options import (
    BatchSize,
    Device,
    InputSize,
    Layers,
    Model,
    Overwrite,
    Preprocess,
    Preprocessing,
    Seed,
    Weights,
)
from neuroprobe.cli.running import app, errors_in_one_line, network, store_name

if TYPE_CHECKING:
    from torch import nn

    from neuroprobe.results.saved import Saved

_MEGABYTE = 1e6


@app.command()
def atlas(
    model: Model,
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of photographs, one sub-folder a class: adds class profiles and top images."),
    ] = None,
    impact: Annotated[
        bool, typer.Option("--impact", help="With data: what the network loses without each unit.")
    ] = False,
    shift_invariance: Annotated[
        bool, typer.Option("--shift-invariance", help="With data: what stays the same when images move.")
    ] = False,
    result: Annotated[
        list[Path] | None,
        typer.Option(help="A saved result, in place of measuring its kind; may be given more than once."),
    ] = None,
    control: Annotated[str | None, typer.Option(help="Of orientation: untrained or shuffled.")] = None,
    weights: Weights = None,
    layers: Layers = None,
    input_size: InputSize = None,
    preprocess: Preprocessing = Preprocess.AUTO,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = None,
    keep: Annotated[
        Path | None, typer.Option(help="Save what is measured to this folder too (Zarr), for --result.")
    ] = None,
    out: Annotated[Path, typer.Option(help="A new folder for the page.")] = Path("atlas"),
    overwrite: Overwrite = False,
) -> None:
    """Make a web page of every unit: tuning, best stimuli, top images, classes. It opens from disk."""
    with errors_in_one_line():
        from neuroprobe.page.folder import refuse_to_clobber
        from neuroprobe.page.joining import Joined

        refuse_to_clobber(out.expanduser().resolve(), overwrite=overwrite)
        loaded = network(model, weights, seed)
        results = [neuroprobe.load(path) for path in result or []]
        if results:  # what does not fit is said before hours of measuring
            Joined.of(results).refuse_another(loaded)
        how: dict[str, Any] = {
            "input_size": input_size, "preprocess": preprocess.value_in_python, "batch_size": batch_size,
            "device": device,
        }  # fmt: skip
        tuned = {"control": control, "seed": seed}
        wanted = _wanted(data, tuned, impact=impact, shift_invariance=shift_invariance)
        for made in _measured(loaded, layers, wanted, {given.kind for given in results}, how):
            if keep is not None:
                made.save(keep / store_name(made.kind), overwrite=overwrite)
            results.append(made)
        random = weights is not None and weights.lower() == "none"
        title = f"{results[0].meta['model']}, random weights" if random else None
        place = neuroprobe.atlas(results, out, model=loaded, data=data, title=title, overwrite=overwrite)
    typer.echo(f"{place}: {_size(place.parent):.1f} MB; open it in a browser")


Measure = Callable[..., "Saved"]


def _wanted(
    data: Path | None, tuned: dict[str, Any], *, impact: bool, shift_invariance: bool
) -> dict[str, tuple[Measure, dict[str, Any]]]:
    """Return what is to be measured, kind by kind, with the arguments that are its own."""
    if data is None and (impact or shift_invariance):
        raise ValueError("--impact and --shift-invariance need photographs: give --data FOLDER")
    wanted: dict[str, tuple[Measure, dict[str, Any]]] = {"orientation": (neuroprobe.orientation, tuned)}
    if data is not None:
        neuroprobe.data.open_images(data)  # a folder that is none is said before anything is measured
        seed = {"seed": tuned["seed"]}
        wanted["class_selectivity"] = (neuroprobe.class_selectivity, {"data": data, **seed})
        wanted["recording"] = (neuroprobe.record, {"data": data, "reducers": ["top_images"]})
        if impact:
            wanted["unit_impact"] = (neuroprobe.unit_impact, {"data": data, **seed})
        if shift_invariance:
            wanted["shift_invariance"] = (neuroprobe.shift_invariance, {"data": data})
    return wanted


def _measured(
    model: nn.Module,
    layers: list[str] | None,
    wanted: dict[str, tuple[Measure, dict[str, Any]]],
    given: set[str],
    how: dict[str, Any],
) -> Iterator[Saved]:
    """Measure what no given result holds."""
    for kind, (measure, own) in wanted.items():
        if kind not in given:
            typer.echo(f"measuring {kind.replace('_', ' ')}", err=True)
            yield measure(model, layers=layers, **own, **how)


def _size(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / _MEGABYTE
