"""``neuroprobe class-selectivity MODEL --data FOLDER``."""

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
    Reduce,
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
    from neuroprobe.results import ClassSelectivity

_COLUMNS = {
    "units": "units",
    "dead": "dead",
    "median_si": "si, median",
    "mean_si": "si, mean",
    "mean_si_cv": "cross-validated",
    "mean_si_null": "labels permuted",
    "share_selective": "q < 0.05",
    "reading": "si is",
}


@app.command()
def class_selectivity(
    model: Model,
    data: Data,
    weights: Weights = None,
    layers: Layers = None,
    preset: Annotated[str | None, typer.Option(help="leavitt2020, morcos2018 or ranadive2023.")] = None,
    reduce: Reduce = "mean",
    input_size: InputSize = None,
    preprocess: Preprocessing = Preprocess.AUTO,
    permutations: Annotated[
        int, typer.Option(help="Of labels, for what chance gives; 0 for none, and nothing put on disk.")
    ] = 200,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure the class selectivity of every unit with labelled photographs."""
    with errors_in_one_line(), new_folder(out, "class_selectivity", overwrite=overwrite) as folder:
        classes = neuroprobe.class_selectivity(
            network(model, weights, seed),
            data,
            layers,
            preset=preset,
            reduce=reduce,
            permutations=permutations,
            seed=seed,
            input_size=input_size,
            preprocess=preprocess.value_in_python,
            batch_size=batch_size,
            device=device,
        )
        print_table(renamed(classes.summary(), _COLUMNS), title=_title(classes))
        if classes.caution:
            typer.echo(classes.caution)
        if folder is not None:
            write(classes, folder)
    if out is not None:
        say_written(classes, out)


def _title(classes: ClassSelectivity) -> str:
    counts = [count for count in classes.meta["images_per_class"] if count]
    images = f"{sum(counts):,} images of {len(counts)} classes, {min(counts):,} or more of each"
    return f"{classes.meta['model']}: {len(classes.units):,} units, {images}, mean si of a layer {classes.mean_si:.3f}"
