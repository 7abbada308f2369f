"""``neuroprobe impact MODEL --data FOLDER``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
    Site,
    Value,
    Weights,
    number_or_word,
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
    import pandas as pd

    from neuroprobe.results import UnitImpact

_BYTES = 2**30  # of a GiB
_LARGEST = 10  # units named one by one
_COLUMNS = {
    "units": "units",
    "exact": "held",
    "dead": "dead",
    "median_delta_loss": "loss (nats), median",
    "q25_delta_loss": "q25",
    "q75_delta_loss": "q75",
    "max_delta_loss": "largest",
    "worst_delta_accuracy": "accuracy, worst unit",
    "worst_class_delta": "of a class, worst unit",
}
_OF_UNITS = {
    "delta_loss": "loss (nats)",
    "delta_accuracy": "accuracy",
    "worst_class": "class hit most",
    "worst_class_delta": "accuracy of it",
}


@app.command()
def impact(
    model: Model,
    data: Data,
    weights: Weights = None,
    layers: Layers = None,
    value: Value = "zero",
    site: Site = "address",
    screen: Annotated[
        bool, typer.Option("--screen", help="Estimate all units from gradients, and hold only the largest.")
    ] = False,
    steps: Annotated[int, typer.Option(help="With --screen: passes a layer, of which more are slower and nearer.")] = 1,
    confirm: Annotated[int, typer.Option(help="With --screen: units to hold, and as many again at random.")] = 100,
    memory: Annotated[float | None, typer.Option(help="What a batch may keep, in GiB.", show_default="1")] = None,
    input_size: InputSize = None,
    preprocess: Preprocessing = Preprocess.AUTO,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Hold every unit alone, and measure what the network loses without it."""
    with errors_in_one_line(), new_folder(out, "unit_impact", overwrite=overwrite) as folder:
        result = neuroprobe.unit_impact(
            network(model, weights, seed),
            data,
            layers,
            value=number_or_word(value),
            site=site,
            screen=screen,
            steps=steps,
            confirm=confirm,
            memory=None if memory is None else int(memory * _BYTES),
            seed=seed,
            input_size=input_size,
            preprocess=preprocess.value_in_python,
            batch_size=batch_size,
            device=device,
        )
        print_table(_signed(renamed(result.summary(), _COLUMNS)), title=_title(result))
        print_table(_signed(_largest(result)), title="Units that cost most")
        if folder is not None:
            write(result, folder)
    if out is not None:
        say_written(result, out)


def _largest(result: UnitImpact) -> pd.DataFrame:
    """Return the units held that cost most, and the class that each hits most, by name where names are known."""
    held = result.units[~result.units["estimated"]].nlargest(_LARGEST, "delta_loss")[list(_OF_UNITS)]
    names = result.meta["classes"] or range(held["worst_class"].max() + 1)
    hit = zip(held["worst_class"], held["worst_class_delta"], strict=True)
    held["worst_class"] = [str(names[number]) if change < 0 else "none" for number, change in hit]
    return held.rename(columns=_OF_UNITS).reset_index()


def _signed(table: pd.DataFrame) -> pd.DataFrame:
    """Write changes with their sign, to a thousandth: most are too small for less."""
    return table.map(_change)


def _change(cell: Any) -> Any:
    return f"{cell:+.3f}" if isinstance(cell, float) else cell


def _title(result: UnitImpact) -> str:
    meta = result.meta
    intact = f"loss {meta['loss']:.3f}, accuracy {meta['accuracy']:.3f} intact"
    title = f"{meta['model']}: {len(result.units):,} units, {meta['images']:,} images, {intact}"
    if (screen := meta["screen"]) is None:
        return title
    return f"{title}; estimates rank units with rho {screen['rank_correlation']:.2f} (sample of {screen['sample']:,})"
