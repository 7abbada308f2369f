"""``neuroprobe ablate MODEL --data FOLDER --by gosi``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import neuroprobe
from neuroprobe.cli.options import (
    BatchSize,
    Data,
    Device,
    InputSize,
    Layers,
    Model,
    Out,
    Overwrite,
    Preprocess,
    Preprocessing,
    Seed,
    Site,
    Value,
    Weights,
    number_or_word,
)
from neuroprobe.cli.running import app, errors_in_one_line, network, new_folder, print_table, say_written, write

if TYPE_CHECKING:
    import pandas as pd

    from neuroprobe.results import Ablation

_FROM_GRATINGS = ("gosi", "gosi_blank", "osi", "peak_response")
_FROM_CLASSES = ("si", "si_cv", "margin", "d_prime", "eta_squared", "sparseness")
_COLUMNS = {"units": "units", "auc": "area", "percentile": "its percentile", "p_value": "p",
            "delta_loss": "loss (nats)", "delta_loss_low": "from", "delta_loss_high": "to",
            "delta_accuracy": "accuracy"}  # fmt: skip


@app.command()
def ablate(
    model: Model,
    data: Data,
    by: Annotated[
        str | None, typer.Option(help=f"Measured first: {', '.join(_FROM_GRATINGS)}; {', '.join(_FROM_CLASSES)}.")
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(metavar="FILE:COLUMN", help="Or a column of a table with columns layer and unit (CSV)."),
    ] = None,
    fractions: Annotated[str, typer.Option(help="A count, spread over 0 to 1, or fractions: 0.25,0.5.")] = "11",
    orders: Annotated[str, typer.Option(help="Of top, bottom, random, matched.")] = "top,bottom,random",
    repeats: Annotated[int, typer.Option(help="Random and matched sets; 199 or more for a p.")] = 20,
    value: Value = "zero",
    site: Site = "address",
    pooled: Annotated[bool, typer.Option("--pooled", help="Rank the units of all layers together.")] = False,
    input_size: InputSize = None,
    weights: Weights = None,
    layers: Layers = None,
    preprocess: Preprocessing = Preprocess.AUTO,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Ablate growing sets of units in the order of a score, and measure loss and accuracy."""
    with errors_in_one_line(), new_folder(out, "ablation", overwrite=overwrite) as folder:
        how: dict[str, Any] = {
            "input_size": input_size, "preprocess": preprocess.value_in_python, "batch_size": batch_size,
            "device": device, "seed": seed,
        }  # fmt: skip
        loaded = network(model, weights, seed)
        result = neuroprobe.ablation(
            loaded,
            data,
            _column(scores) if by is None else _measured(loaded, data, layers, by, scores, how),
            layers,
            fractions=_fractions(fractions),
            orders=_words(orders),
            repeats=repeats,
            value=number_or_word(value),
            site=site,
            per_layer=not pooled,
            **how,
        )
        print_table(_printed(result), title=_title(result))
        if folder is not None:
            write(result, folder)
    if out is not None:
        say_written(result, out)


def _measured(model: Any, data: Any, layers: Any, by: str, scores: str | None, how: dict[str, Any]) -> pd.Series[Any]:
    """Measure the score that units are ranked by."""
    if scores is not None:
        raise ValueError(f"units are ranked by one score: leave out --by {by} or --scores {scores}")
    if by in _FROM_GRATINGS:
        return neuroprobe.orientation(model, layers, permutations=0, **how).units[by]
    if by in _FROM_CLASSES:
        return neuroprobe.class_selectivity(model, data, layers, permutations=0, **how).units[by]
    raise ValueError(f"--by must be one of {', '.join((*_FROM_GRATINGS, *_FROM_CLASSES))}; {by!r} came")


def _column(scores: str | None) -> pd.Series[Any]:
    """Read a column of a saved table."""
    import pandas as pd

    path, colon, column = (scores or "").rpartition(":")
    if not colon:
        raise ValueError(
            "say what units are ranked by: --by gosi, or --scores units.csv:gosi"
            + (f"; --scores {scores} came" if scores else "")
        )
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"--scores is FILE:COLUMN, of a CSV table with columns layer and unit, such as units.csv:gosi; there is no "
            f"file {path}"
        )
    table = pd.read_csv(path)
    for name in ("layer", "unit", column):
        if name not in table:
            raise ValueError(f"{path} has no column {name!r}; it has {', '.join(map(str, table.columns))}")
    return table.set_index(["layer", "unit"])[column]


def _fractions(text: str) -> int | list[float]:
    try:
        return int(text) if text.isdigit() and int(text) > 1 else [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"--fractions is a count from 2 (11), or fractions (0.25,0.5); {text!r} came") from error


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _printed(result: Ablation) -> pd.DataFrame:
    shown = [name for name in _COLUMNS if name != "p_value" or result.table[name].notna().any()]
    return result.table[shown].rename(columns=_COLUMNS).reset_index()


def _title(result: Ablation) -> str:
    intact = result.curve(result.layer_names[0]).isel(order=0, repeat=0, fraction=0)
    share = f"{100 * result.table['fraction'].iloc[0]:.3g}% of units"
    of = f"loss {float(intact.loss):.3f}, accuracy {float(intact.accuracy):.3f} intact"
    return f"{result.meta['model']} by {result.meta['scores']}: {of}; change with {share} ablated"
