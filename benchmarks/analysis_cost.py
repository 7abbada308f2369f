"""Seconds from responses to the unit table for as many units as VGG16 has, without and with the null.

    python benchmarks/analysis_cost.py

Planted von Mises units with noise stand for responses: 12 orientations, 6 frequencies, 8 phases. The goals are 1 s for
indices, fits and table, and 2 s more for 1,000 permutations.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np
import pandas as pd

from neuroprobe.analysis.tuning import Responses, Rules, unit_columns
from neuroprobe.results import unit_index
from neuroprobe.stimuli import gratings

# units of VGG16's 15 default layers
LAYERS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512, 4096, 4096)
REPEATS = 5


def planted(rng: np.random.Generator) -> Responses:
    """Return responses of von Mises units with one preferred frequency and some noise."""
    axes, units = gratings(32).axes, sum(LAYERS)
    theta = np.deg2rad(axes["orientation"] - rng.uniform(0, 180, (units, 1)))
    curve = np.exp(rng.uniform(0.1, 4, (units, 1)) * (np.cos(2 * theta) - 1))
    gain = rng.uniform(0.1, 1, (units, axes["frequency"].size))
    cube = gain[:, :, None, None] * curve[:, None, :, None] + np.zeros(axes["phase"].size)
    cube = (cube + rng.exponential(0.05, cube.shape)).astype(np.float32)
    ends = np.cumsum(LAYERS)
    layers = tuple(slice(end - count, end) for end, count in zip(ends, LAYERS, strict=True))
    return Responses(
        cube=cube,
        blank=np.zeros(units),
        conditions={"frequency": axes["frequency"]},
        orientations=axes["orientation"],
        phases=axes["phase"],
        layers=layers,
        one_place=np.ones(units, dtype=bool),
    )


def seconds(responses: Responses, permutations: int) -> float:
    """Time the table, nothing remembered from an earlier one."""
    responses, status = replace(responses), np.full(len(responses.cube), "ok", dtype=object)
    start = time.perf_counter()
    columns = unit_columns(responses, Rules(), status=status, permutations=permutations, seed=0)
    pd.DataFrame(columns, index=unit_index(dict(zip(map(str, range(len(LAYERS))), LAYERS, strict=True))))
    return time.perf_counter() - start


def main() -> None:
    """Print the medians."""
    responses = planted(np.random.default_rng(0))
    seconds(responses, 10)  # SciPy and pandas load
    without, with_null = (statistics.median(seconds(responses, count) for _ in range(REPEATS)) for count in (0, 1000))
    print(f"{sum(LAYERS):,} units: indices, fits, table {without:.2f} s (goal 1)")
    print(f"1,000 permutations: {with_null - without:.2f} s more (goal 2)")


if __name__ == "__main__":
    main()
