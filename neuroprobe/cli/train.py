"""``neuroprobe train NETWORK --data FOLDER --alpha -1 --out RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

import neuroprobe
from neuroprobe.cli.options import Seed
from neuroprobe.cli.running import app, errors_in_one_line, print_table
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
    from neuroprobe.results import TrainingRun

_COLUMNS = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "si": "si on batches",
    "gosi": "gosi on batches",
    "lr": "learning rate",
}
_ROWS = 20  # of epochs, from the first to the last
_Layers = Annotated[list[str] | None, typer.Option(help="A layer or a glob that alpha acts on; default: all.")]
_OrientationLayers = Annotated[list[str] | None, typer.Option(help="The same for --orientation-alpha.")]


@app.command()
def train(
    network: Network,
    data: Photographs,
    out: Annotated[Path, typer.Option(help="The training's folder; one that was cut short goes on where it stopped.")],
    alpha: Annotated[float, typer.Option(help="Pushes class selectivity up; down below 0.")] = 0.0,
    orientation_alpha: Annotated[float, typer.Option(help="The same for orientation selectivity.")] = 0.0,
    layers: _Layers = None,
    orientation_layers: _OrientationLayers = None,
    recipe: RecipeName = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    images: Images = None,
    corrupted: Corrupted = 0.0,
    validation: Annotated[float | None, typer.Option(help="Share held out, where there is no val/.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many epochs that were no better.")] = None,
    keep_every: Annotated[int, typer.Option(help="Keep the weights of every so many epochs; 0 for none.")] = 0,
    seed: Seed = 0,
    precision: Precision = None,
    accelerator: Accelerator = None,
    devices: Devices = None,
) -> None:
    """Train a network, with selectivity pushed up or down; killed anywhere, the same command goes on."""
    with errors_in_one_line():
        run = neuroprobe.train(
            learner(network, seed),
            data,
            out=out,
            alpha=alpha,
            orientation_alpha=orientation_alpha,
            layers=layers or None,
            orientation_layers=orientation_layers or None,
            recipe=recipe_with(recipe or network, epochs=epochs, batch_size=batch_size, lr=lr),
            images=images,
            corrupted=corrupted,
            validation=validation,
            patience=patience,
            keep_every=keep_every,
            seed=seed,
            trainer=trainer_options(precision=precision, accelerator=accelerator, devices=devices),
        )
        _print(run)
    typer.echo(f"weights, metrics and checkpoints in {out}: the same command loads them")


def _print(run: TrainingRun) -> None:
    some = sorted({round(row) for row in np.linspace(0, len(run.history) - 1, _ROWS)})
    table = run.history[list(_COLUMNS)].rename(columns=_COLUMNS).dropna(axis="columns", how="all").iloc[some]
    title = f"{run.meta['network']}: {run.test['accuracy']:.2%} of the test photographs, loss {run.test['loss']:.3f}"
    print_table(table.map("{:.3g}".format).reset_index(), title=title)
