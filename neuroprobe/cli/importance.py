"""``neuroprobe importance MODEL --data FOLDER``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
    Weights,
)
from neuroprobe.cli.running import (
    app,
    errors_in_one_line,
    network,
    new_folder,
    print_table,
    renamed,
    say_written,
    write,
)

if TYPE_CHECKING:
    from neuroprobe.results import Importance


@app.command()
def importance(
    model: Model,
    data: Data,
    weights: Weights = None,
    layers: Layers = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="conductance, gradient_x_activation; captum's internal_influence, integrated_gradients, deeplift; may "
            "be given more than once. Default: conductance."
        ),
    ] = None,
    target: Annotated[str, typer.Option(help="Whose score is attributed: the label's or the prediction's.")] = "label",
    of: Annotated[str, typer.Option(help="The score: logit or log_probability.")] = "logit",
    baseline: Annotated[
        float | None, typer.Option(help="Level of the image to start from, 0 for black; default: the mean colour.")
    ] = None,
    steps: Annotated[int, typer.Option(help="From the baseline to an image.")] = 50,
    input_size: InputSize = None,
    preprocess: Preprocessing = Preprocess.AUTO,
    seed: Seed = 0,
    batch_size: BatchSize = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure how much every unit adds to the score of the right class."""
    with errors_in_one_line(), new_folder(out, "importance", overwrite=overwrite) as folder:
        scores = neuroprobe.importance(
            network(model, weights, seed),
            data,
            layers,
            method=method or "conductance",
            target=target,
            of=of,
            baseline=baseline,
            steps=steps,
            input_size=input_size,
            preprocess=preprocess.value_in_python,
            batch_size=batch_size,
            device=device,
        )
        print_table(renamed(scores.summary(), _columns(scores)), title=_title(scores))
        if folder is not None:
            write(scores, folder)
    if out is not None:
        say_written(scores, out)


def _columns(scores: Importance) -> dict[str, str]:
    """Return the columns of the summary that fit a terminal, and how they are headed."""
    first = scores.headline
    quartiles = {f"median_{first}": "median", f"q25_{first}": "q25", f"q75_{first}": "q75"}
    sums = {f"sum_{method}": f"sum of {method}" for method in scores.methods}
    return {"units": "units", "dead": "dead", **quartiles, **sums}


def _title(scores: Importance) -> str:
    meta = scores.meta
    measure = f"{scores.headline} of the {meta['of'].replace('_', ' ')}"
    return f"{meta['model']}: {len(scores.units):,} units, {meta['images']:,} images, {measure}"
