"""The command line: ``neuroprobe COMMAND MODEL ...``, a module for each command."""

from __future__ import annotations

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
    shift_invariance,
    stimuli,
)
from neuroprobe.cli.running import app

__all__ = ["app"]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"neuroprobe {neuroprobe.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Electrophysiology for trained image networks."""
