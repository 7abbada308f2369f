"""``neuroprobe train NETWORK --data FOLDER --alpha -1 --out RUN``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

import neuroprobe
from neuroprobe.cli.options import Seed
from neuroprobe.cli.running import app, errors_in_one_line, print_table
from neuroprobe.cli.running import network as load

if TYPE_CHECKING:
    from torch import nn

    from neuroprobe.results import TrainingRun
    from neuroprobe.training.recipes import Recipe

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
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="cnn7, cnn7-ukita, resnet20, resnet18, vgg16_bn, built anew; or file.py:function, with --recipe.",
        ),
    ],
    data: Annotated[Path, typer.Option(help="A folder with train/ and test/ (and val/), each one sub-folder a class.")],
    out: Annotated[Path, typer.Option(help="The training's folder; one that was cut short goes on where it stopped.")],
    alpha: Annotated[float, typer.Option(help="Pushes class selectivity up; down below 0.")] = 0.0,
    orientation_alpha: Annotated[float, typer.Option(help="The same for orientation selectivity.")] = 0.0,
    layers: _Layers = None,
    orientation_layers: _OrientationLayers = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe's name, in place of the network's own.")] = None,
    epochs: Annotated[int | None, typer.Option(help="In place of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="In place of the recipe's.")] = None,
    lr: Annotated[float | None, typer.Option(help="The learning rate, in place of the recipe's.")] = None,
    images: Annotated[int | None, typer.Option(help="Learn only so many photographs, classes in turn.")] = None,
    corrupted: Annotated[float, typer.Option(help="Share of the labels that are replaced by another's.")] = 0.0,
    validation: Annotated[float | None, typer.Option(help="Share held out, where there is no val/.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many epochs that were no better.")] = None,
    keep_every: Annotated[int, typer.Option(help="Keep the weights of every so many epochs; 0 for none.")] = 0,
    seed: Seed = 0,
    precision: Annotated[str | None, typer.Option(help="Of Lightning: 32-true, bf16-mixed, ...")] = None,
    accelerator: Annotated[
        str | None, typer.Option(help="Of Lightning: cpu, gpu, ...; default: what is there.")
    ] = None,
    devices: Annotated[int, typer.Option(help="How many share a batch.")] = 1,
) -> None:
    """Train a network, with selectivity pushed up or down; killed anywhere, the same command goes on."""
    with errors_in_one_line():
        options = {"precision": precision, "accelerator": accelerator, "devices": devices}
        run = neuroprobe.train(
            _learner(network, seed),
            data,
            out=out,
            alpha=alpha,
            orientation_alpha=orientation_alpha,
            layers=layers or None,
            orientation_layers=orientation_layers or None,
            recipe=_recipe(recipe or network, epochs=epochs, batch_size=batch_size, lr=lr),
            images=images,
            corrupted=corrupted,
            validation=validation,
            patience=patience,
            keep_every=keep_every,
            seed=seed,
            trainer={name: value for name, value in options.items() if value is not None},
        )
        _print(run)
    typer.echo(f"weights, metrics and checkpoints in {out}: the same command loads them")


def _learner(network: str, seed: int) -> str | nn.Module:
    """Return a recipe's name as it is, or what a function of the user's makes."""
    return load(network, "none", seed) if ":" in network else network


def _recipe(name: str, **given: float | None) -> Recipe:
    """Return a recipe with what was given in place of its own; of a user's network the default one."""
    from neuroprobe.training.recipes import DEFAULT, recipe_named

    changes = {what: value for what, value in given.items() if value is not None}
    return replace(recipe_named(DEFAULT if ":" in name else name), **changes)  # type: ignore[arg-type]


def _print(run: TrainingRun) -> None:
    some = sorted({round(row) for row in np.linspace(0, len(run.history) - 1, _ROWS)})
    table = run.history[list(_COLUMNS)].rename(columns=_COLUMNS).dropna(axis="columns", how="all").iloc[some]
    title = f"{run.meta['network']}: {run.test['accuracy']:.2%} of the test photographs, loss {run.test['loss']:.3f}"
    print_table(table.map("{:.3g}".format).reset_index(), title=title)
