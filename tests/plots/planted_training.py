"""Units followed over training, and a sweep, made up so that every number that a picture shows is known."""

import numpy as np
import pandas as pd
import xarray as xr

from neuroprobe.results import Development, Sweep, unit_index


def development(layers=("conv1", "conv2", "fc"), epochs=(0, 1, 2, 4), units=4, *, labels=True, measured=("si", "gosi")):
    """Layers whose units grow more selective with depth and with time: index = (layer + 1) x epoch / 100."""
    depth = {name: place + 1 for place, name in enumerate(layers)}
    rows = pd.MultiIndex.from_product([epochs, layers], names=["epoch", "layer"])
    grown = np.array([depth[layer] * epoch / 100 for epoch, layer in rows])
    columns = {"units": units}
    if "si" in measured:
        columns |= {"mean_si": grown, "dead": 1}
    if "gosi" in measured:
        columns |= {"mean_gosi": grown / 2, "median_gosi": grown / 4, "unresponsive": 0}
    last = {name: np.repeat([depth[layer] * epochs[-1] / 100 for layer in layers], units) for name in measured}
    table = pd.DataFrame({**last, "status": "ok"}, index=unit_index(dict.fromkeys(layers, units)))
    grid = {"epoch": list(epochs), "unit": range(units)}
    curves = {
        layer: xr.Dataset(
            {name: (("epoch", "unit"), np.outer(epochs, np.full(units, depth[layer] / 100))) for name in measured}, grid
        )
        for layer in layers
    }
    accuracy = np.linspace(0.1, 0.9, len(epochs)) if labels else np.full(len(epochs), np.nan)
    answers = pd.DataFrame({"accuracy": accuracy, "loss": 2.0}, index=pd.Index(epochs, name="epoch"))
    return Development(table, curves, {"model": "planted"}, None, pd.DataFrame(columns, index=rows), answers)


def sweep(alphas=(-2.0, -1.0, 0.0, 1.0), seeds=3, penalty="class"):
    """Accuracy 0.8 - 0.02 alpha squared, and si 0.3 + 0.1 alpha, each more by 0.01 a seed."""
    index = pd.MultiIndex.from_product([alphas, range(seeds)], names=["alpha", "seed"])
    alpha, seed = (index.get_level_values(level).to_numpy(dtype=float) for level in ("alpha", "seed"))
    si = 0.3 + 0.1 * np.tanh(alpha) + 0.01 * seed
    table = pd.DataFrame(
        {
            "accuracy": 0.8 - 0.02 * np.tanh(alpha) ** 2 + 0.01 * seed,
            "loss": 1.0,
            "si": si,
            "si_live": si + 0.05,
            "gosi": si / 2,
            "dead": 0.1,
        },
        index,
    )
    layers = pd.concat({"conv1": table, "fc": table}, names=["layer"]).reorder_levels(["alpha", "seed", "layer"])
    return Sweep(table, layers.drop(columns=["accuracy", "loss"]), {"model": "planted", "penalty": penalty})
