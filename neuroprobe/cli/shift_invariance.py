"""``neuroprobe shift-invariance MODEL --data FOLDER``."""

from __future__ import annotations

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
    Out,
    Overwrite,
    Preprocess,
    Preprocessing,
    Seed,
    Weights,
)
from neuroprobe.cli.running import (
    app,
    errors_in_one_line,
    network,
    new_folder,
    print_table,
    renamed,
    say_written,
    write,
)

if TYPE_CHECKING:
    from neuroprobe.results import ShiftInvariance

_COLUMNS = {
    "units": "units",
    "constant": "constant",
    "median_pearson": "pearson",
    "q25_pearson": "q25",
    "q75_pearson": "q75",
    "mean_cosine_map": "cosine",
    "mean_cosine_aligned": "cosine, moved back",
}


@app.command()
def shift_invariance(
    model: Model,
    data: Data,
    weights: Weights = None,
    layers: Layers = None,
    max_shift: Annotated[int, typer.Option(min=1, help="Images move by 1 to this many pixels, each way.")] = 4,
    border: Annotated[
        str, typer.Option(help="What enters: reflect, zero, circular; or crop larger images.")
    ] = "reflect",
    input_size: InputSize = None,
    preprocess: Preprocessing = Preprocess.AUTO,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure what stays the same when images move: units, layers, decisions."""
    with errors_in_one_line(), new_folder(out, "shift_invariance", overwrite=overwrite) as folder:
        result = neuroprobe.shift_invariance(
            network(model, weights, seed),
            data,
            layers,
            shifts=[*range(-max_shift, 0), *range(1, max_shift + 1)],
            border=border,
            input_size=input_size,
            preprocess=preprocess.value_in_python,
            batch_size=batch_size,
            device=device,
        )
        print_table(renamed(result.summary(), _COLUMNS), title=_title(result))
        print_table(result.network.reset_index())
        if folder is not None:
            write(result, folder)
    if out is not None:
        say_written(result, out)


def _title(result: ShiftInvariance) -> str:
    meta = result.meta
    return f"{meta['model']}: {len(result.units):,} units, {meta['images']:,} images, accuracy {result.accuracy:.3f}"
