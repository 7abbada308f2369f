"""``neuroprobe record MODEL --data FOLDER --out STORE``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import neuroprobe
from neuroprobe.cli.options import (
    BatchSize,
    Data,
    Device,
    InputSize,
    Layers,
    Model,
    Preprocess,
    Preprocessing,
    Seed,
    Weights,
)
from neuroprobe.cli.running import app, errors_in_one_line, network, print_table, renamed
from neuroprobe.unfinished import progress_at

if TYPE_CHECKING:
    from neuroprobe.results import Recording

_COLUMNS = {
    "units": "units",
    "dead": "dead",
    "median_mean": "mean response, median",
    "q25_mean": "q25",
    "q75_mean": "q75",
}


@app.command()
def record(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(help="A Zarr store; one that was cut short goes on where it stopped.")],
    weights: Weights = None,
    layers: Layers = None,
    reduce: Annotated[
        str, typer.Option(help="How a map becomes one response: mean, max, center; none keeps it.")
    ] = "mean",
    reducers: Annotated[
        list[str] | None,
        typer.Option(
            help="A statistic to keep in place of responses (moments, top_images, ...); more than one may come."
        ),
    ] = None,
    input_size: InputSize = None,
    tokens: Annotated[str, typer.Option(help="Which tokens of a token layer are read: patch, cls or all.")] = "patch",
    preprocess: Preprocessing = Preprocess.AUTO,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = None,
) -> None:
    """Record the response of every unit to every photograph, or statistics of them."""
    with errors_in_one_line():
        progress = progress_at(out)
        if progress is not None and progress.images:
            typer.echo(f"{out} has {progress} from before")
        recording = neuroprobe.record(
            network(model, weights, seed),
            data,
            layers or None,
            reduce=reduce,
            reducers=reducers or None,
            out=out,
            input_size=input_size,
            tokens=tokens,
            preprocess=preprocess.value_in_python,
            batch_size=batch_size,
            device=device,
        )
        print_table(renamed(recording.summary(), _COLUMNS), title=_title(recording))
    typer.echo(f"{', '.join(recording.reduced) or 'responses'} in {out}: neuroprobe.load({str(out)!r}) opens it")


def _title(recording: Recording) -> str:
    return f"{recording.meta['model']}: {len(recording.units):,} units, {recording.meta['images']:,} images"
