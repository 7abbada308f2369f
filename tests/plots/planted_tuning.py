"""A tuning whose units are known, for the tests of pictures."""

import numpy as np
import pandas as pd
import xarray as xr

from neuroprobe.curves import von_mises
from neuroprobe.results import Tuning

ORIENTATIONS, FREQUENCIES, PHASES = np.arange(0, 180, 15.0), np.geomspace(0.025, 0.25, 6), np.arange(0, 360, 45.0)


def planted(names, units=24, *, control=True, verdicts=True, seed=0):
    """Von Mises units that sharpen with depth, every sixth dead, every fifth untuned noise."""
    rng = np.random.default_rng(seed)
    tables, curves = [], {}
    for depth, name in enumerate(names):
        number = np.arange(units)
        dead, noise = number % 6 == 5, number % 5 == 4
        k = np.where(noise, 0.05, rng.gamma(4, 0.15 + 0.3 * depth / len(names), units) + 0.06)
        preferred = np.where(rng.random(units) < 0.4, rng.choice([0, 90], units), rng.uniform(0, 180, units)) % 180
        trough, amplitude = rng.uniform(0.1, 0.5, units), rng.uniform(0.5, 1.5, units)
        shape = von_mises(ORIENTATIONS, trough, amplitude, k, preferred) * (1 + 0.05 * rng.normal(size=(units, 12)))
        best = rng.integers(0, 6, units)
        gain = np.exp(-0.5 * (np.arange(6) - best[:, None]) ** 2)
        cube = (
            np.clip(shape, 0, None)[:, None, :, None] * gain[:, :, None, None] * (1 + 0.3 * np.cos(np.radians(PHASES)))
        )
        cube[dead] = 0
        coords = {"unit": number, "frequency": FREQUENCIES, "orientation": ORIENTATIONS, "phase": PHASES}
        curves[name] = xr.DataArray(cube.astype(np.float32), coords, dims=tuple(coords), name=name)
        curve = cube[number, best].mean(-1)
        with np.errstate(invalid="ignore"):
            gosi = np.abs(curve @ np.exp(2j * np.radians(ORIENTATIONS))) / curve.sum(1)
        index = pd.MultiIndex.from_product([[name], number], names=["layer", "unit"])
        tuned = pd.array(np.where(dead, None, (gosi > 0.2) & ~noise) if verdicts else [None] * units, dtype="boolean")
        numbers = {
            "gosi": gosi,
            "preferred_orientation": np.where(dead, np.nan, preferred),
            "preferred_frequency": np.where(dead, np.nan, FREQUENCIES[best]),
            "bandwidth": np.where(dead | noise, np.nan, rng.uniform(15, 40, units)),
            "fit_r2": np.where(dead, np.nan, np.where(noise, 0.1, 0.97)),
            "blank_response": np.where(dead, 0.0, trough / 2),
            "gosi_blank": np.clip(gosi * 1.5, 0, 1),
            "fit_trough": np.where(dead, np.nan, trough),
            "fit_amplitude": np.where(dead, np.nan, amplitude),
            "fit_concentration": np.where(dead, np.nan, k),
            "fit_preferred": np.where(dead, np.nan, preferred),
        }
        status = np.where(dead, "unresponsive", "ok")
        tables.append(pd.DataFrame({**numbers, "tuned": tuned, "status": status}, index=index))
    table = pd.concat(tables)
    untrained = table.assign(gosi=table["gosi"] * 0.4) if control else None
    meta = {"model": "planted", "pooling": "mean", "control": "untrained" if control else None}
    return Tuning(table, curves, meta, untrained)
