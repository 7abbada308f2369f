"""The dial turned: networks trained with a penalty of several strengths, from several seeds, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from neuroprobe.data import Data
from neuroprobe.progress import progress_bar
from neuroprobe.provenance import versions
from neuroprobe.readout import one_of, whole_number
from neuroprobe.results.sweep import Sweep
from neuroprobe.saying import say_once
from neuroprobe.training.snapshots import Measurement, Snapshot, answers_of_all, first_looks, unit_curves, units_of_all
from neuroprobe.training.train import photographs_for, require_lightning, train

if TYPE_CHECKING:
    import pandas as pd

    from neuroprobe.results import TrainingRun
    from neuroprobe.training.photographs import Photographs, TrainingData
    from neuroprobe.training.recipes import Recipe

_DIALS = {"class": ("alpha", "layers"), "orientation": ("orientation_alpha", "orientation_layers")}  # of train
_RUN = ["alpha", "seed"]


def sweep(
    alphas: Sequence[float],
    seeds: int | Sequence[int],
    network: str | nn.Module,
    data: TrainingData,
    *,
    out: str | Path,
    penalty: Literal["class", "orientation"] = "class",
    recipe: Recipe | str | None = None,
    layers: str | Sequence[str] | None = None,
    images: int | None = None,
    corrupted: float = 0.0,
    measure: Data | None = None,
    trainer: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Sweep:
    """Train a network at every strength of a penalty from every seed, and measure accuracy and selectivity of each.

    Killed anywhere, the same call goes on: runs that are finished are loaded, the one that was cut short goes on. With
    more alphas or seeds it adds to those that are there.

    Example:
        >>> import tempfile, torch, neuroprobe
        >>> from dataclasses import replace
        >>> from neuroprobe.training.recipes import RECIPES
        >>> images, labels = torch.rand(64, 3, 32, 32), torch.arange(64) % 2
        >>> data = {"train": (images, labels), "test": (images, labels)}
        >>> quick = replace(RECIPES["cnn7"], epochs=1, batch_size=32)
        >>> with tempfile.TemporaryDirectory() as out:
        ...     result = neuroprobe.sweep([-1, 0], 1, "cnn7", data, out=out, recipe=quick, progress=False)
        >>> result
        Sweep(cnn7, class penalty, 2 alphas from -1 to 0, 1 seeds)
        >>> result.summary().index.tolist()
        [-1.0, 0.0]

    Args:
        alphas: strengths of the penalty; 0, the network without one, should be among them.
        seeds: how many (0, 1, ...), or which.
        network: as in ``neuroprobe.train``. A network of the user's own starts from its own weights at every seed.
        data: as in ``neuroprobe.train``.
        out: a folder that gets one for each run, ``alpha=-1,seed=0``.
        penalty: what is pushed: ``"class"`` or ``"orientation"`` selectivity.
        recipe: as in ``neuroprobe.train``.
        layers: names or globs of the layers that are pushed; None for the outputs of all non-linearities.
        images: learn only the first so many photographs, classes in turn.
        corrupted: share of the labels to learn that are replaced by another class's.
        measure: photographs in [0, 1] with labels to measure all runs on; None for the test photographs.
        trainer: options for Lightning's Trainer; runs are measured on its GPU, where there is one.
        progress: show progress bars.

    Returns:
        A ``Sweep``: ``.table`` a row a run, ``.layers`` a row a run and layer, ``.summary()`` means and 95% intervals
        over seeds at each alpha, ``.plot()``, ``.save(path)``.

    Raises:
        ImportError: where Lightning is not installed.
        ValueError: if alphas or seeds are none, not finite, or not each given once; and whatever ``neuroprobe.train``
        raises.

    Source: Leavitt and Morcos (2020), whose si counts dead units as 0.
    """
    require_lightning()
    one_of("penalty", penalty, tuple(_DIALS))
    grid = list(product(_checked_alphas(alphas), _checked_seeds(seeds)))
    strength, where = _DIALS[penalty]
    same: dict[str, Any] = {"recipe": recipe, "images": images, "corrupted": corrupted, "trainer": trainer}
    sets = photographs_for(network, data, recipe, images=images, progress=progress)
    measured = _labelled(sets["test"]) if measure is None else measure
    measurement = Measurement(data=measured, device=_device(trainer))
    snapshots = {}
    with progress_bar("sweeping", len(grid), shown=progress, unit="runs") as bar:
        for alpha, seed in grid:
            dial: dict[str, Any] = {strength: alpha, where: layers}
            run = train(network, sets, out=place_of(out, alpha, seed), seed=seed, progress=progress, **same, **dial)
            snapshots[alpha, seed] = first_looks(measurement, run.network)
            bar.update()
    return _joined(snapshots, _meta(run, snapshots[alpha, seed].meta, penalty, layers))


def place_of(out: str | Path, alpha: float, seed: int) -> Path:
    """Return the folder of a run.

    Example:
        >>> place_of("runs", -1.0, 0).name
        'alpha=-1,seed=0'
    """
    return Path(out) / f"alpha={repr(float(alpha)).removesuffix('.0')},seed={seed}"


def _checked_alphas(alphas: Sequence[float]) -> list[float]:
    """Return the strengths, ascending."""
    strengths = list(alphas) if isinstance(alphas, Iterable) else [alphas]
    for alpha in strengths:
        if isinstance(alpha, bool) or not isinstance(alpha, Real) or not isfinite(alpha):
            raise ValueError(f"alphas must be finite numbers; {alpha!r} came")
    return _each_once("alphas", sorted(float(alpha) + 0.0 for alpha in strengths))  # -0.0 + 0.0 is 0.0


def _checked_seeds(seeds: int | Sequence[int]) -> list[int]:
    if not isinstance(seeds, Iterable):
        whole_number("seeds", seeds, least=1)
        seeds = range(seeds)
    which = list(seeds)
    for seed in which:
        whole_number("each of seeds", seed)
    return _each_once("seeds", sorted(map(int, which)))


def _each_once(what: str, values: list[Any]) -> list[Any]:
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{what} must be one or more, each once; {values} came")
    return values


def _labelled(photographs: Photographs) -> Data:
    """Return photographs as measurements take them."""
    return photographs.images.permute(0, 3, 1, 2) / photographs.white, photographs.labels


def _device(trainer: Mapping[str, Any] | None) -> str | None:
    """Return where runs are measured: where they were trained."""
    accelerator = (trainer or {}).get("accelerator", "auto")
    return "cuda" if torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda") else None


def _joined(snapshots: Mapping[tuple[float, int], Snapshot], meta: Mapping[str, Any]) -> Sweep:
    units = units_of_all(snapshots, _RUN)
    layers = _layer_table(units)
    table = answers_of_all(snapshots, _RUN).join(layers[["si", "si_live", "gosi"]].groupby(level=_RUN).mean())
    table["dead"] = (units["status"] == "dead").groupby(level=_RUN).mean()
    if table["si"].isna().all():
        say_once(
            "no unit of the sweep has an si: it takes two classes with ten photographs each; give more by measure="
        )
    return Sweep(table, layers, meta, unit_curves(units))


def _layer_table(units: pd.DataFrame) -> pd.DataFrame:
    """Sum up each layer of each run."""
    dead = units["status"] == "dead"
    columns = units.assign(si_live=units["si"], si=units["si"].mask(dead, 0.0), dead=dead)
    grouped = columns.groupby(level=[*_RUN, "layer"], sort=False)
    table = grouped[["si", "si_live", "dead", "gosi"]].mean().astype(float)
    table.insert(0, "units", grouped.size())
    return table


def _meta(run: TrainingRun, measured: Mapping[str, Any], penalty: str, layers: Any) -> dict[str, Any]:
    """Return what all runs have in common."""
    return {
        "model": run.meta["network"],
        "penalty": penalty,
        "layers": layers,
        **{name: run.meta[name] for name in ("recipe", "classes", "images", "corrupted")},
        "measured": {name: measured[name] for name in ("data", "images_per_class", "stimuli", "reduce", "signed")},
        "versions": dict(versions()),
        "definitions": {
            "si": "mean in a layer, dead units as 0, then over layers, as Leavitt and Morcos (2020) have it",
            "si_live": "the same without the dead units",
            "dead": "share of all units without a response to any photograph",
            "gosi": "mean in a layer of units that respond to gratings, then over layers",
            "interval": "95%, Student's t over seeds",
        },
    }
