"""``neuroprobe sweep NETWORK --data FOLDER --alpha -1 --alpha 0 --alpha 1 --seeds 3 --out RUNS``."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import neuroprobe
from neuroprobe.cli.running import app, errors_in_one_line, launched_as, print_table, say_written, write
from neuroprobe.cli.training_options import (
    Accelerator,
    BatchSize,
    Corrupted,
    Devices,
    Epochs,
    Images,
    LearningRate,
    Network,
    Photographs,
    Precision,
    RecipeName,
    learner,
    recipe_with,
    trainer_options,
)

if TYPE_CHECKING:
    from neuroprobe.results import Sweep

_COLUMNS = {
    "accuracy": "accuracy",
    "accuracy_change": "change of accuracy",
    "si": "si",
    "si_live": "si of live units",
    "dead": "share dead",
    "gosi": "gosi",
}


@app.command()
def sweep(
    network: Network,
    data: Photographs,
    out: Annotated[Path, typer.Option(help="A folder for all runs; the same command goes on, or adds to them.")],
    alpha: Annotated[list[float], typer.Option(help="A strength of the penalty; give it once for each, 0 among them.")],
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings at each alpha: seeds 0, 1, ...")] = 1,
    penalty: Annotated[str, typer.Option(help="What is pushed: class or orientation selectivity.")] = "class",
    layers: Annotated[list[str] | None, typer.Option(help="A layer or a glob that is pushed; default: all.")] = None,
    recipe: RecipeName = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    images: Images = None,
    corrupted: Corrupted = 0.0,
    precision: Precision = None,
    accelerator: Accelerator = None,
    devices: Devices = None,
) -> None:
    """Train at several strengths of a penalty from several seeds; accuracy and selectivity of each."""
    with errors_in_one_line():
        result = neuroprobe.sweep(
            alpha,
            seeds,
            learner(network),
            data,
            out=out,
            penalty=penalty,
            layers=layers or None,
            recipe=recipe_with(recipe or network, epochs=epochs, batch_size=batch_size, lr=lr),
            images=images,
            corrupted=corrupted,
            trainer=trainer_options(precision=precision, accelerator=accelerator, devices=devices),
        )
        _print(result)
        if launched_as() == 0:
            write(result, out, overwrite=True)
    say_written(result, out)


def _print(result: Sweep) -> None:
    """Print a row an alpha: means over seeds, with their intervals where there are several."""
    summary = result.summary().rename(index="{:g}".format)
    shown = {
        label: [_said(*values) for values in summary[[name, f"{name}_low", f"{name}_high"]].to_numpy()]
        for name, label in _COLUMNS.items()
    }
    print_table(summary[["seeds"]].assign(**shown).reset_index(), title=repr(result))


def _said(mean: float, low: float, high: float) -> str:
    return f"{mean:.3f}" if isnan(low) else f"{mean:.3f} [{low:.3f}, {high:.3f}]"
