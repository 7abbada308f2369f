"""``neuroprobe orientation MODEL --out DIR``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

import neuroprobe
from neuroprobe.cli.options import (
    BatchSize,
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
from neuroprobe.readout import one_of

if TYPE_CHECKING:
    from neuroprobe.results import Tuning

_COLUMNS = {
    "units": "units",
    "unresponsive": "unresponsive",
    "median_gosi": "gosi",
    "median_gosi_blank": "gosi - blank",
    "share_selective": "gosi > 0.33",
    "share_tuned": "tuned",
    "median_bandwidth": "bandwidth (deg)",
    "median_gosi_control": "gosi of control",
}


@app.command()
def orientation(
    model: Model,
    weights: Weights = None,
    layers: Layers = None,
    stimuli: Annotated[str, typer.Option(help="gratings, bars or gabors: the default set of each.")] = "gratings",
    preset: Annotated[str | None, typer.Option(help="ukita2020 or ringach2002.")] = None,
    reduce: Reduce = "mean",
    control: Annotated[str | None, typer.Option(help="untrained or shuffled.")] = None,
    input_size: InputSize = None,
    preprocess: Preprocessing = Preprocess.AUTO,
    permutations: Annotated[int, typer.Option(help="For p and q; 0 for none.")] = 1000,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure the orientation tuning of every unit with gratings, bars or Gabor patches."""
    with errors_in_one_line(), new_folder(out, "orientation", overwrite=overwrite) as folder:
        one_of("--stimuli", stimuli, ("gratings", "bars", "gabors"))
        tuning = neuroprobe.orientation(
            network(model, weights, seed),
            layers,
            None if stimuli == "gratings" else getattr(neuroprobe.stimuli, stimuli),  # gratings are the preset's own
            preset=preset,
            reduce=reduce,
            control=control,
            input_size=input_size,
            permutations=permutations,
            seed=seed,
            preprocess=preprocess.value_in_python,
            batch_size=batch_size,
            device=device,
        )
        print_table(renamed(tuning.summary(), _COLUMNS), title=_title(tuning))
        if folder is not None:
            write(tuning, folder)
    if out is not None:
        say_written(tuning, out)


def _title(tuning: Tuning) -> str:
    shown = tuning.meta["stimuli"]
    images = math.prod(len(values) for values in shown["axes"].values())
    size = "x".join(map(str, shown["size"]))
    return f"{tuning.meta['model']}: {len(tuning.units):,} units, {images:,} {shown['kind']} of {size}"
