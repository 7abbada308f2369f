"""``neuroprobe layers MODEL``."""

from __future__ import annotations

from typing import Annotated

import typer

import neuroprobe
from neuroprobe.cli.options import InputSize, Model
from neuroprobe.cli.running import app, errors_in_one_line, network, print_table


@app.command("layers")
def list_layers(
    model: Model,
    input_size: InputSize = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Only the layers that are read by default.")] = False,
) -> None:
    """List the layers of a network, in order of execution."""
    with errors_in_one_line():
        table = neuroprobe.layers(network(model, "none"), input_size)  # layers are the same with any weights
    table = table[table.default].drop(columns="default") if defaults else table
    print_table(table.assign(shape=["x".join(map(str, shape)) for shape in table["shape"]]))
