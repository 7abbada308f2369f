"""The options of commands that train, and what they are made into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuroprobe.cli.running import network as load

if TYPE_CHECKING:
    from torch import nn

    from neuroprobe.training.recipes import Recipe

Network = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="cnn7, cnn7-ukita, resnet20, resnet18, vgg16_bn, built anew; or file.py:function, with --recipe.",
    ),
]
Photographs = Annotated[
    Path, typer.Option(help="A folder with train/ and test/ (and val/), each one sub-folder a class.")
]
RecipeName = Annotated[str | None, typer.Option(help="A recipe's name, in place of the network's own.")]
Epochs = Annotated[int | None, typer.Option(help="In place of the recipe's.")]
BatchSize = Annotated[int | None, typer.Option(help="In place of the recipe's.")]
LearningRate = Annotated[float | None, typer.Option(help="The learning rate, in place of the recipe's.")]
Images = Annotated[int | None, typer.Option(help="Learn only so many photographs, classes in turn.")]
Corrupted = Annotated[float, typer.Option(help="Share of the labels that are replaced by another's.")]
Precision = Annotated[str | None, typer.Option(help="Of Lightning: 32-true, bf16-mixed, ...")]
Accelerator = Annotated[str | None, typer.Option(help="Of Lightning: cpu, gpu, ...; default: what is there.")]
Devices = Annotated[int | None, typer.Option(help="How many share a batch; default: one.")]


def learner(network: str, seed: int = 0) -> str | nn.Module:
    """Return a recipe's name as it is, or what a function of the user's makes."""
    return load(network, "none", seed) if ":" in network else network


def recipe_with(name: str, **given: float | None) -> Recipe:
    """Return a recipe with what was given in place of its own; of a user's network the default one."""
    from neuroprobe.training.recipes import DEFAULT, recipe_named

    changes = {what: value for what, value in given.items() if value is not None}
    return replace(recipe_named(DEFAULT if ":" in name else name), **changes)  # type: ignore[arg-type]


def trainer_options(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}
