"""The command line: ``neuroprobe layers MODEL`` and ``neuroprobe orientation MODEL --out DIR``."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import neuroprobe
from neuroprobe.folders import moved_when_whole

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from neuroprobe.results import Tuning

RESULT = "orientation.zarr"


class Preprocess(StrEnum):
    """What is done to images before the network sees them."""

    AUTO = "auto"
    NONE = "none"


app = typer.Typer(
    help="Electrophysiology for trained image networks.", no_args_is_help=True, pretty_exceptions_show_locals=False
)

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="cnn7, resnet20, a torchvision model (vgg16), timm:NAME, file.py:function or package.module:function.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="A checkpoint (safetensors or state_dict), or 'none' for random weights; without it, the default."
    ),
]
InputSize = Annotated[
    int | None, typer.Option(help="Side of the images in pixels, where the network's own is not known.")
]


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


@app.command("layers")
def list_layers(
    model: Model,
    input_size: InputSize = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Only the layers that are read by default.")] = False,
) -> None:
    """List the layers of a network, in order of execution."""
    with _errors_in_one_line():
        table = neuroprobe.layers(_network(model, "none"), input_size)  # layers are the same with any weights
    table = table[table.default].drop(columns="default") if defaults else table
    _print_table(table.assign(shape=["x".join(map(str, shape)) for shape in table["shape"]]))


@app.command()
def orientation(
    model: Model,
    weights: Weights = None,
    layers: Annotated[
        list[str] | None,
        typer.Option(help="A layer or a glob; may be given more than once. Default: every non-linearity."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="ukita2020 or ringach2002.")] = None,
    reduce: Annotated[str, typer.Option(help="How a map becomes one response: mean, max or center.")] = "mean",
    control: Annotated[str | None, typer.Option(help="untrained or shuffled.")] = None,
    input_size: InputSize = None,
    preprocess: Annotated[
        Preprocess, typer.Option(help="auto: the network's own normalisation, else ImageNet's; none: images in [0, 1].")
    ] = Preprocess.AUTO,
    permutations: Annotated[int, typer.Option(help="For p and q; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of random weights, permutations and the untrained control.")] = 0,
    batch_size: Annotated[int | None, typer.Option(help="Images at a time.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; default: the network's own.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the result (Zarr), units.csv and the figure (PNG, SVG).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it is there.")] = False,
) -> None:
    """Measure the orientation tuning of every unit with gratings."""
    with _errors_in_one_line(), _new_folder(out, overwrite=overwrite) as folder:
        tuning = neuroprobe.orientation(
            _network(model, weights, seed),
            layers,
            preset=preset,
            reduce=reduce,
            control=control,
            input_size=input_size,
            permutations=permutations,
            seed=seed,
            preprocess=None if preprocess is Preprocess.NONE else "auto",
            batch_size=batch_size,
            device=device,
        )
        _print_table(_short(tuning.summary()), title=_title(tuning))
        if folder is not None:
            _write(tuning, folder)
    if out is not None:
        typer.echo(f"{len(tuning.units):,} units in {out}: {RESULT}, units.csv, overview.png, overview.svg")


def _network(model: str, weights: str | None, seed: int = 0) -> nn.Module:
    import torch

    torch.manual_seed(seed)  # random weights are the same ones each time
    if weights is None:
        return neuroprobe.load_network(model)
    return neuroprobe.load_network(model, None if weights.lower() == "none" else weights)


@contextmanager
def _new_folder(place: Path | None, *, overwrite: bool) -> Iterator[Path | None]:
    """Yield a folder to write to that takes its place when all is there; refuse at once where one is."""
    if place is None:
        yield None
        return
    place = place.expanduser().resolve()
    if place.exists() and not (place / RESULT).is_dir():
        raise FileExistsError(f"{place} exists and holds no orientation result: choose another folder with --out")
    if place.exists() and not overwrite:
        raise FileExistsError(f"{place} already holds a result: choose another folder, or pass --overwrite")
    try:
        with moved_when_whole(place) as partial:
            partial.mkdir()
            yield partial
    except OSError as error:
        raise OSError(f"nothing was written to {place}: {error}") from error


def _write(tuning: Tuning, folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")  # a command draws to files, with no window
    tuning.save(folder / RESULT)
    tuning.units.to_csv(folder / "units.csv")
    figure = tuning.plot()
    figure.savefig(folder / "overview.png", dpi=200)
    figure.savefig(folder / "overview.svg")


def _short(summary: pd.DataFrame) -> pd.DataFrame:
    """Leave out what does not fit a terminal; the rest is in the saved result."""
    names = {
        "units": "units",
        "unresponsive": "unresponsive",
        "median_gosi": "gosi",
        "median_gosi_blank": "gosi - blank",
        "share_selective": "gosi > 0.33",
        "share_tuned": "tuned",
        "median_bandwidth": "bandwidth (deg)",
        "median_gosi_control": "gosi of control",
    }
    shown = summary[[name for name in names if name in summary]].rename(columns=names)
    return shown.rename_axis("layer").reset_index()


def _title(tuning: Tuning) -> str:
    shown = tuning.meta["stimuli"]
    images = math.prod(len(values) for values in shown["axes"].values())
    size = "x".join(map(str, shown["size"]))
    return f"{tuning.meta['model']}: {len(tuning.units):,} units, {images:,} {shown['kind']} of {size}"


def _print_table(table: pd.DataFrame, title: str | None = None) -> None:
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


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Print what a user can mend as one message, with no traceback; errors of our own keep theirs."""
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        typer.secho(f"neuroprobe: {error}", err=True, fg="red" if sys.stderr.isatty() else None)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stop:
        typer.echo("neuroprobe: stopped; nothing was written", err=True)
        raise typer.Exit(130) from stop
