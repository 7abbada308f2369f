"""Planted results of one small network, quick to make: what a page is made from is known to the last number."""

import numpy as np
import pandas as pd
import torch
import xarray as xr

from neuroprobe.reducers import TopImages
from neuroprobe.results import ClassSelectivity, Recording, ShiftInvariance, Tuning, UnitImpact, unit_index
from neuroprobe.stimuli import gratings

STIMULI = gratings(16, orientations=4, frequencies=[0.1, 0.2], phases=2)
LAYERS = {"conv.relu": ("ReLU", [1, 3, 8, 8]), "fc.relu": ("ReLU", [1, 5])}
UNITS = {"conv.relu": 3, "fc.relu": 5}
CLASSES = ["cat", "<script>alert('x')</script>", 'a "quoted/\\name"']


def meta(layers=tuple(LAYERS), *, weights="a" * 32, model="planted", **more):
    said = {name: {"kind": LAYERS[name][0], "shape": LAYERS[name][1]} for name in layers}
    return {
        "model": model,
        "weights": weights,
        "model_class": "x.Y",
        "layers": said,
        "versions": {"python": "3"},
    } | more


def index(layers=tuple(LAYERS)):
    return unit_index({name: UNITS[name] for name in layers})


def tuning(layers=tuple(LAYERS), **how):
    """Unit ``u`` prefers orientation 45 u; the last of a layer is silent."""
    rows, curves = index(layers), {}
    for name in layers:
        cube = np.full((UNITS[name], *STIMULI.shape), 0.25, np.float32)
        for unit in range(UNITS[name]):
            cube[unit, unit % 2, unit % 4, 1] = 2.0 + unit
        cube[-1] = 0
        curves[name] = xr.DataArray(cube, {"unit": range(UNITS[name]), **STIMULI.axes}, ("unit", *STIMULI.axes))
    unit = rows.get_level_values("unit").to_numpy()
    silent = np.concatenate([np.arange(UNITS[name]) == UNITS[name] - 1 for name in layers])
    table = pd.DataFrame(
        {
            "gosi": np.where(silent, np.nan, 0.25 * unit),
            "preferred_orientation": np.where(silent, np.nan, 45.0 * (unit % 4)),
            "preferred_frequency": np.where(silent, np.nan, np.array([0.1, 0.2])[unit % 2]),
            "blank_response": 0.25,
            "fit_r2": 0.9,
            "fit_trough": 0.25,
            "fit_amplitude": 1.0,
            "fit_concentration": 2.0,
            "fit_preferred": 45.0 * (unit % 4),
            "tuned": pd.array(np.where(silent, None, unit > 1), dtype="boolean"),
            "status": np.where(silent, "unresponsive", "ok"),
        },
        index=rows,
    )
    said = meta(layers, stimuli=STIMULI.describe(), pooling="mean", definitions={"tuned": "as planted"}, **how)
    return Tuning(table, curves, said)


def class_selectivity(layers=tuple(LAYERS), classes=CLASSES, **how):
    rows = index(layers)
    table = pd.DataFrame(
        {
            "si": np.linspace(0, 1, len(rows)),
            "preferred_class": pd.array([i % 3 if i else None for i in range(len(rows))], dtype="Int64"),
            "status": "ok",
        },
        index=rows,
    )
    curves = {
        name: xr.DataArray(
            np.arange(UNITS[name] * len(classes), dtype=float).reshape(-1, len(classes)),
            {"unit": range(UNITS[name]), "class": classes},
            ("unit", "class"),
        )
        for name in layers
    }
    said = {"classes": classes, "images_per_class": [20] * len(classes), "data": "folder /home/someone/photographs"}
    return ClassSelectivity(table, curves, meta(layers, **said, **how))


def unit_impact(**how):
    classes = class_selectivity()
    columns = {"delta_loss": 0.5, "delta_accuracy": -0.1, "worst_class": 1, "estimated": False, "status": "ok"}
    table = pd.DataFrame(columns, index=index()).astype({"worst_class": "Int64"})
    return UnitImpact(table, {name: -curve for name, curve in classes.curves.items()}, meta(classes=CLASSES, **how))


def shift_invariance(**how):
    table = pd.DataFrame({"pearson": 0.75, "status": "ok"}, index=index())
    axes = {"axis": ["x", "y"], "shift": [-1, 1]}
    curves = {
        name: xr.DataArray(np.full((units, 2, 2), 0.5), {"unit": range(units), **axes}, ("unit", "axis", "shift"))
        for name, units in UNITS.items()
    }
    return ShiftInvariance(table, curves, meta(**how))


def recording(images=6, **how):
    """Image ``u`` drives unit ``u`` most, then the next one; in maps at row 1, column ``u``."""
    table = pd.DataFrame({"mean": 0.5, "std": 0.1, "minimum": 0.0, "maximum": 1.0, "status": "ok"}, index=index())
    states = {}
    for name, units in UNITS.items():
        numbers = (torch.arange(units)[:, None] + torch.arange(2)) % images
        places = torch.stack([torch.ones(units, 2), torch.arange(units)[:, None].expand(-1, 2)], -1).long()
        values = torch.tensor([2.0, 1.0]).expand(units, 2).clone()
        states[name] = TopImages(2, values, numbers, places if name == "conv.relu" else places[..., :0])
    said = meta(data="Tensor", classes=CLASSES, images=images, **how)
    return Recording(table, {}, said, reduced={"top_images": states})
