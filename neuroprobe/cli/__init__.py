"""The command line: ``neuroprobe COMMAND MODEL ...``, a module for each command."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Annotated

import typer

import neuroprobe
from neuroprobe.cli import (  # noqa: F401 - each adds its command
    ablate,
    atlas,
    class_selectivity,
    impact,
    importance,
    layers,
    orientation,
    record,
    shift_invariance,
    stimuli,
    sweep,
    train,
)
from neuroprobe.cli.running import app, launched_as

__all__ = ["app"]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"neuroprobe {neuroprobe.__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does it all
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Electrophysiology for trained image networks."""
    if launched_as() != 0:  # of several processes the first one speaks
        context.with_resource(redirect_stdout(StringIO()))
