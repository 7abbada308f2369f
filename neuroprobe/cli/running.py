"""What every command does: load a network, print a table, write a folder whole, say errors in one line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

import neuroprobe
from neuroprobe.folders import moved_when_whole

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from neuroprobe.results.saved import Saved

app = typer.Typer(
    help="Electrophysiology for trained image networks.", no_args_is_help=True, pretty_exceptions_show_locals=False
)


def network(model: str, weights: str | None, seed: int = 0) -> nn.Module:
    """Load the network that a command names."""
    import torch

    torch.manual_seed(seed)  # random weights are the same ones each time
    if weights is None:
        return neuroprobe.load_network(model)
    return neuroprobe.load_network(model, None if weights.lower() == "none" else weights)


def launched_as() -> int:
    """Return the number of this process among those that ``torchrun`` has started; 0 where it has not."""
    return int(os.environ["RANK"]) if os.environ.keys() >= {"RANK", "MASTER_ADDR"} else 0


@contextmanager
def new_folder(place: Path | None, kind: str, *, overwrite: bool) -> Iterator[Path | None]:
    """Yield a folder to write to that takes its place when all is there; refuse at once where one is.

    None where nothing is to be written, as by all processes but the first.
    """
    if place is None or launched_as() != 0:
        yield None
        return
    place = place.expanduser().resolve()
    if place.exists() and not (place / store_name(kind)).is_dir():
        raise FileExistsError(f"{place} exists and holds no {kind} result: choose another folder with --out")
    if place.exists() and not overwrite:
        raise FileExistsError(f"{place} already holds a result: choose another folder, or pass --overwrite")
    try:
        with moved_when_whole(place) as partial:
            partial.mkdir()
            yield partial
    except OSError as error:
        raise OSError(f"nothing was written to {place}: {error.strerror or error}") from error


def store_name(kind: str) -> str:
    """Return the name of a result's store in a command's folder."""
    return f"{kind}.zarr"


def write(result: Saved, folder: Path, *, overwrite: bool = False) -> None:
    """Write a result, its main table and its figure."""
    draw_to_files()
    result.save(folder / store_name(result.kind), overwrite=overwrite)
    name, table = _main_table(result)
    table.to_csv(folder / f"{name}.csv")
    figure = result.plot()
    figure.savefig(folder / "overview.png", dpi=200)
    figure.savefig(folder / "overview.svg")


def draw_to_files() -> None:
    """Let pictures open no window."""
    import matplotlib as mpl

    mpl.use("agg")


def say_written(result: Saved, place: Path) -> None:
    """Say what is in the folder."""
    name, table = _main_table(result)
    files = f"{store_name(result.kind)}, {name}.csv, overview.png, overview.svg"
    typer.echo(f"{len(table):,} {'units' if name == 'units' else 'rows'} in {place}: {files}")


def _main_table(result: Saved) -> tuple[str, pd.DataFrame]:
    return next(iter(result.tables.items()))


def print_table(table: pd.DataFrame, title: str | None = None) -> None:
    """Print a table to the terminal."""
    from rich.console import Console
    from rich.table import Table

    printed = Table(*map(str, table.columns), title=title)
    for column in printed.columns[1:]:
        column.justify = "right"
    for row in table.itertuples(index=False):
        printed.add_row(*map(_cell, row))
    console = Console()
    if not console.is_terminal:
        console.width = 200  # piped: nothing is to be cut to the width of a screen that is not there
    console.print(printed)


def renamed(summary: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Return the columns that fit a terminal, under short names; the rest is in the saved result."""
    shown = summary[[name for name in names if name in summary]].rename(columns=names)
    return shown.rename_axis("layer").reset_index()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "-" if isnan(value) else f"{value:.2f}"
    return str(value)


def _in_options(said: str) -> str:
    """Put a message that advises on arguments in Python into the words of the command line."""
    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    options = {option.name: option.opts[0] for command in commands for option in command.params}

    def option(argument: re.Match[str]) -> str:
        name, value = argument.groups(default="")
        return f"{options[name]} {value}".replace("None", "none").rstrip() if name in options else argument.group()

    said = re.sub(r"\b(\w+)=(FILE|None)?(?=[\s,;:.)]|$)", option, said)
    return said.replace("neuroprobe.layers(model)", "neuroprobe layers MODEL")


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Print what a user can mend as one message, with no traceback; errors of our own keep theirs.

    Under ``torchrun`` the processes work together while the block lasts.
    """
    from neuroprobe.distributed import session

    try:
        with session():
            yield
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if getattr(error, "raised_in", launched_as()) == launched_as():  # else another process says it
            said = _in_options("\n".join([str(error), *getattr(error, "__notes__", [])]))
            typer.secho(f"neuroprobe: {said}", err=True, fg="red" if sys.stderr.isatty() else None)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stop:
        written = "; ".join(getattr(stop, "__notes__", ["nothing was written"]))
        typer.echo(f"neuroprobe: stopped; {written}", err=True)
        raise typer.Exit(130) from stop
