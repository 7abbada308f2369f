"""``neuroprobe stimuli gratings|bars|gabors``: what a set holds, and its contact sheet."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from neuroprobe import stimuli
from neuroprobe.cli.running import app, draw_to_files, errors_in_one_line, launched_as, print_table
from neuroprobe.folders import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neuroprobe.stimuli import StimulusSet

_FORMATS = (".png", ".svg", ".pdf")
_SHOWN = 12  # more values than these are not printed

sets = typer.Typer(
    help="Look at a set of stimuli: what it holds, and with --out its contact sheet. VALUES are a count to be spread, "
    "as 8, or numbers with commas: 0,45,90, or 4, for a single one.",
    no_args_is_help=True,
)
app.add_typer(sets, name="stimuli")


def count_or_values(text: str) -> int | list[float]:
    """Read a count, or numbers with commas.

    Example:
        >>> count_or_values("8"), count_or_values("0,45,90"), count_or_values("4,"), count_or_values("0.1")
        (8, [0.0, 45.0, 90.0], [4.0], [0.1])
    """
    return int(text) if text.strip().isdecimal() else numbers(text)


def numbers(text: str) -> list[float]:
    """Read numbers with commas."""
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise typer.BadParameter(f"numbers with commas are wanted, as 0,45,90; {text!r} came") from error


def _values(help_text: str) -> Any:
    """Make an option that is a count or values."""
    return typer.Option(parser=count_or_values, metavar="VALUES", help=help_text)


Size = Annotated[int, typer.Option(min=1, help="Side of the images in pixels.")]
Orientations = Annotated[Any, _values("Degrees; a count spreads over 180.")]
Frequencies = Annotated[Any, _values("Cycles/pixel; a count spreads log-evenly over 0.025-0.25.")]
Phases = Annotated[Any, _values("Degrees; a count spreads over 360.")]
Contrast = Annotated[float | None, typer.Option(help="Above 0, to 1.")]
Mean = Annotated[float | None, typer.Option(help="Luminance of the blank.")]
Window = Annotated[str | None, typer.Option(help="circular or gaussian.")]
Down = Annotated[str | None, typer.Option(help="Parameter down the rows of the sheet.")]
Across = Annotated[str | None, typer.Option(help="Parameter across its columns.")]
Sheet = Annotated[Path | None, typer.Option(help="A new file for the contact sheet: PNG, SVG or PDF.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")]


@sets.command()
def gratings(
    size: Size = 224,
    preset: Annotated[str | None, typer.Option(help="ukita2020 or ringach2002.")] = None,
    orientations: Orientations = None,
    frequencies: Frequencies = None,
    n_frequencies: Annotated[int | None, typer.Option(help="How many of the preset's own.")] = None,
    phases: Phases = None,
    contrast: Contrast = None,
    mean: Mean = None,
    window: Window = None,
    down: Down = None,
    across: Across = None,
    out: Sheet = None,
    overwrite: Overwrite = False,
) -> None:
    """Sine gratings: frequency x orientation x phase."""
    with errors_in_one_line():
        made = stimuli.gratings(
            size,
            preset=preset,
            orientations=orientations,
            frequencies=frequencies,
            n_frequencies=n_frequencies,
            phases=phases,
            contrast=contrast,
            mean=mean,
            window=window,  # type: ignore[arg-type]  # checked there
        )
        _show(made, out, down, across, overwrite=overwrite)


@sets.command()
def bars(
    size: Size = 224,
    orientations: Orientations = None,
    widths: Annotated[Any, _values("Pixels; a count spreads log-evenly over 2-8.")] = None,
    lengths: Annotated[Any, _values("Pixels; a count halves from the longest that fits; inf is endless.")] = None,
    positions: Annotated[Any, _values("Pixels from the middle; a count spreads over 8 either way.")] = None,
    polarities: Annotated[Any, _values("1, bright, -1, dark, or 1,-1.")] = None,
    contrast: Contrast = None,
    mean: Mean = None,
    window: Window = None,
    down: Down = None,
    across: Across = None,
    out: Sheet = None,
    overwrite: Overwrite = False,
) -> None:
    """Bars: orientation x width x length x position x polarity."""
    with errors_in_one_line():
        made = stimuli.bars(
            size,
            orientations=orientations,
            widths=widths,
            lengths=lengths,
            positions=positions,
            polarities=polarities,
            contrast=contrast,
            mean=mean,
            window=window,  # type: ignore[arg-type]  # checked there
        )
        _show(made, out, down, across, overwrite=overwrite)


@sets.command()
def gabors(
    size: Size = 224,
    orientations: Orientations = None,
    frequencies: Frequencies = None,
    phases: Phases = None,
    position: Annotated[
        list[Any] | None, typer.Option(parser=numbers, metavar="X,Y", help="Pixels from the middle; more than once.")
    ] = None,
    sigma: Annotated[float | None, typer.Option(help="Sd of the Gaussian in pixels; a sixth of the size.")] = None,
    contrast: Contrast = None,
    mean: Mean = None,
    down: Down = None,
    across: Across = None,
    out: Sheet = None,
    overwrite: Overwrite = False,
) -> None:
    """Gabor patches: frequency x orientation x phase, in one place or several."""
    with errors_in_one_line():
        made = stimuli.gabors(
            size,
            orientations=orientations,
            frequencies=frequencies,
            phases=phases,
            positions=position or None,
            sigma=sigma,
            contrast=contrast,
            mean=mean,
        )
        _show(made, out, down, across, overwrite=overwrite)


def _show(made: StimulusSet, out: Path | None, down: str | None, across: str | None, *, overwrite: bool) -> None:
    """Print what a set holds, and write its sheet where one is wanted."""
    if out is not None and launched_as() == 0:
        place = _new_file(out, overwrite=overwrite)
        draw_to_files()
        write_whole(place, _file(made.plot(down=down, across=across), place.suffix))
    print_table(_table(made), title=f"{len(made):,} {made.kind} of {'x'.join(map(str, made.size))}")
    if out is not None:
        typer.echo(f"contact sheet in {out}")


def _new_file(out: Path, *, overwrite: bool) -> Path:
    """Return where the sheet goes; refuse what is there already."""
    place = out.expanduser().resolve()
    if place.suffix.lower() not in _FORMATS:
        raise ValueError(f"--out is a file that ends in {', '.join(_FORMATS)}; {out} came")
    if place.is_dir() or (place.exists() and not overwrite):
        advice = "" if place.is_dir() else ", or pass --overwrite"
        raise FileExistsError(f"{place} exists: choose another file with --out{advice}")
    return place


def _file(axes: Axes, suffix: str) -> bytes:
    """Return a picture as the bytes of its file."""
    content = BytesIO()
    cast("Figure", axes.figure).savefig(content, format=suffix.lower().removeprefix("."), dpi=200)
    return content.getvalue()


def _table(made: StimulusSet) -> Any:
    """Lay out a row a parameter: how many values it has, and which."""
    import pandas as pd

    rows = [(name, values.size, _words(values)) for name, values in made.axes.items()]
    rows += [(name, values.size, _words(values)) for name, (_, values) in made.coordinates.items()]
    return pd.DataFrame(rows, columns=["parameter", "values", ""])


def _words(values: Any) -> str:
    shown = [f"{value:.4g}" for value in values]
    return ", ".join(shown if len(shown) <= _SHOWN else [*shown[:3], "...", *shown[-3:]])
