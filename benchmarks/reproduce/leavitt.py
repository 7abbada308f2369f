"""Leavitt and Morcos (2020): class selectivity pushed down and up while networks learn, against accuracy.

    python benchmarks/reproduce/leavitt.py cnn7 --data CIFAR10 --runs RUNS --out assets/reproductions
    python benchmarks/reproduce/leavitt.py resnet20 --weights FILE --data CIFAR10 --runs RUNS --out assets/reproductions
    python benchmarks/reproduce/leavitt.py resnet20 --size gpu --data CIFAR10 --runs RUNS --out assets/reproductions
    python benchmarks/reproduce/leavitt.py resnet18 --size gpu --data TINY_IMAGENET --runs RUNS --out ...

The data folder holds train/CLASS/ and test/CLASS/ (and val/CLASS/, where the photographs have their own). What is
trained lies in RUNS and goes on from there when it was cut short. ``--size cpu`` is made for two cores: it trains on
few photographs for a few epochs, ResNet20 from trained weights on, and shows directions. What comes out is written
down whatever it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from claims import (
    FAILS,
    HOLDS,
    NOT_REACHED,
    UNDECIDED,
    Claim,
    Interval,
    alphas_of,
    between,
    by_seed,
    photographs,
    points,
    verdict,
    write_page,
)
from off_axis import largest_readout_si
from torch import Tensor

import neuroprobe
from neuroprobe.training.recipes import RECIPES, Recipe
from neuroprobe.training.sweep import place_of
from neuroprobe.training.train import load_run

MARGIN = 0.005  # of accuracy: what counts as no change, half of the interval at most
FOLD = 2.5  # by which si falls, as the paper has it
NEAR_ZERO = 0.1  # of the si without a penalty
ABOUT_2 = (0.01, 0.03)  # of accuracy
FEW_DEAD = 0.05  # of the units, more than without a penalty
PHOTOGRAPHS_A_UNIT = 8  # at least, for a read-out that is sought on half of them
OFF_AXIS_PHOTOGRAPHS = 2_000
OFF_AXIS_MARGIN = 0.1  # of si


@dataclass(frozen=True)
class Size:
    """How much is trained, and how."""

    alphas: Sequence[float]
    seeds: int
    recipe: Recipe
    images: int | None = None  # None: all


_FINE = (-20, -5, -2, -1, -0.7, -0.4, -0.2, -0.1, 0, 0.1, 0.2, 0.4, 0.7, 1, 2)
_TUNED = Recipe("resnet20", epochs=4, batch_size=128, lr=1e-3, optimiser="adam", max_shift=4, border="zero", flip=True)
SIZES: Mapping[tuple[str, str], Size] = {
    ("cnn7", "cpu"): Size((-2, -1, 0, 1, 2), 3, replace(RECIPES["cnn7"], epochs=8), images=8_000),
    ("cnn7", "gpu"): Size(_FINE, 5, RECIPES["cnn7"]),
    ("resnet20", "cpu"): Size((-2, -1, 0, 1, 2), 3, _TUNED, images=4_000),
    ("resnet20", "gpu"): Size(_FINE, 5, RECIPES["resnet20"]),
    ("resnet18", "gpu"): Size((-2, -1, 0, 1, 2), 5, RECIPES["resnet18"]),
}


def main(network: str, size: str, data: Path, runs: Path, out: Path, weights: Path | None) -> None:
    """Train the grid, and write the result, the figure and the page."""
    how, name = SIZES[network, size], f"leavitt_{network}_{size}"
    start = network if weights is None else neuroprobe.load_network(network, weights)
    swept = neuroprobe.sweep(how.alphas, how.seeds, start, data, out=runs / name, recipe=how.recipe, images=how.images)
    out.mkdir(parents=True, exist_ok=True)
    swept.table.to_csv(out / f"{name}.csv")
    swept.layers.to_csv(out / f"{name}_layers.csv")
    swept.plot().savefig(out / f"{name}.png", dpi=200)
    claims = [*claims_of(swept.table), off_axis_claim(swept.table, data, runs / name), *_not_run(network)]
    title = f"Class selectivity as a dial: {network}, {size} size"
    write_page(out / f"{name}.md", title, _about(network, how, weights), claims, f"{name}.png")


def claims_of(table: pd.DataFrame) -> list[Claim]:
    """Hold the paper's claims against accuracy and si of each run (alpha, seed)."""
    change = {alpha: by_seed(table, "accuracy", alpha) - by_seed(table, "accuracy", 0) for alpha in alphas_of(table)}
    return [
        _monotone(table, "si", "Mean si rises with alpha"),
        _monotone(table, "si_live", "... and so it does without the dead units"),
        _free_fall(table, change),
        _near_zero(table, change),
        _promoting(change),
        *_against_equal(change),
        _dead(table),
    ]


def _monotone(table: pd.DataFrame, column: str, text: str) -> Claim:
    means = table[column].groupby(level="alpha").mean()
    shown = ", ".join(f"{mean:.3f} at {alpha:g}" for alpha, mean in means.items())
    return Claim(text, shown, HOLDS if all(np.diff(means) > 0) else FAILS)


def _free_fall(table: pd.DataFrame, change: Mapping[float, pd.Series[float]]) -> Claim:
    """How far si falls while the whole interval of the change of accuracy stays within the margin."""
    text = f"si can be cut {FOLD}-fold at no cost (a change within {100 * MARGIN:g} points)"
    folds = {a: Interval.of(by_seed(table, "si", 0) / by_seed(table, "si", a)) for a in change if a < 0}
    shown = "; ".join(f"alpha {a:g}: {fold.show('-fold', 2)}, accuracy {points(Interval.of(change[a]))}"
                      for a, fold in folds.items())  # fmt: skip
    deep = [Interval.of(change[alpha]) for alpha, fold in folds.items() if fold.mean >= FOLD]
    if any(cost.inside(MARGIN) for cost in deep):
        found = HOLDS
    else:  # where si did not fall so far, or an interval reaches past the margin, nothing is known
        found = FAILS if deep and all(cost.high < -MARGIN for cost in deep) else UNDECIDED
    return Claim(text, shown, found)


def _near_zero(table: pd.DataFrame, change: Mapping[float, pd.Series[float]]) -> Claim:
    text = f"si near zero (a tenth) costs about 2 points ({100 * ABOUT_2[0]:g} to {100 * ABOUT_2[1]:g})"
    left = table["si"].groupby(level="alpha").mean() / by_seed(table, "si", 0).mean()
    near = left.index[left <= NEAR_ZERO]
    if not len(near):
        return Claim(text, f"the lowest si is {left.min():.0%} of that without a penalty", NOT_REACHED)
    cost = Interval.of(-change[near.max()])
    return Claim(text, f"alpha {near.max():g}: a loss of {points(cost)}", between(cost, *ABOUT_2))


def _promoting(change: Mapping[float, pd.Series[float]]) -> Claim:
    largest = Interval.of(change[max(change)])
    text = "Promoting selectivity lowers accuracy"
    return Claim(text, f"alpha {max(change):g}: {points(largest)}", verdict(largest, "below"))


def _against_equal(change: Mapping[float, pd.Series[float]]) -> list[Claim]:
    pairs = [alpha for alpha in change if alpha > 0 and -alpha in change]
    gaps = {alpha: Interval.of(change[alpha] - change[-alpha]) for alpha in pairs}
    text = "At a strength of {:g} promoting costs more than discouraging"
    return [Claim(text.format(alpha), points(gap), verdict(gap, "below")) for alpha, gap in gaps.items()]


def _dead(table: pd.DataFrame) -> Claim:
    shares = table["dead"].groupby(level="alpha").mean()
    shown = "dead: " + ", ".join(f"{share:.1%} at {alpha:g}" for alpha, share in shares.items())
    more = Interval.of(by_seed(table, "dead", shares.index.min()) - by_seed(table, "dead", 0))
    return Claim("Dead units do not account for the fall of si", shown, between(more, -np.inf, FEW_DEAD))


def off_axis_claim(table: pd.DataFrame, data: Path, runs: Path) -> Claim:
    """Ask whether si that leaves the axes comes back in other directions, layer by layer."""
    strongest, seeds = min(alphas_of(table)), table.index.unique("seed")
    sample = photographs(data / "test", OFF_AXIS_PHOTOGRAPHS)
    found = {
        alpha: pd.DataFrame([off_axis(place_of(runs, alpha, seed), sample) for seed in seeds])
        for alpha in (strongest, 0)
    }
    rise = {layer: Interval.of(found[strongest][layer] - found[0][layer]) for layer in found[0]}
    shown = "; ".join(
        f"{layer}: {found[0][layer].mean():.2f} at 0, change at {strongest:g} {gap.show()}"
        for layer, gap in rise.items()
    )
    back = [layer for layer, gap in rise.items() if gap.sign() == "above"]
    bounded = all(gap.high <= OFF_AXIS_MARGIN for gap in rise.values())
    text = (
        "What si loses on the axes does not come back off them (largest si of a linear read-out, on other photographs; "
        f"layers with {PHOTOGRAPHS_A_UNIT} of them a unit; a rise of {OFF_AXIS_MARGIN:g} at most)"
    )
    return Claim(text, shown, f"{FAILS} in {', '.join(back)}" if back else HOLDS if bounded else UNDECIDED)


def off_axis(folder: Path, sample: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Return the largest si of a linear read-out of each layer that has photographs enough for it."""
    recording = neuroprobe.record(load_run(folder).network, sample, progress=False)
    narrow = [name for name in recording.layer_names
              if recording.curves[name].sizes["unit"] * PHOTOGRAPHS_A_UNIT <= len(sample[1]) / 2]  # fmt: skip
    return {name: largest_readout_si(recording.curves[name].to_numpy(), sample[1]) for name in narrow}


def _not_run(network: str) -> list[Claim]:
    if network == "resnet18":
        return []
    text = "ResNet18 on Tiny ImageNet gains 2 points or more with alpha < 0"
    return [Claim(text, "this script with `resnet18 --size gpu`; not trained here", "not reproduced")]


def _about(network: str, how: Size, weights: Path | None) -> str:
    begun = "from random weights" if weights is None else f"from trained weights ({weights.name}) on"
    trained = "all training photographs" if how.images is None else f"{how.images:,} of the training photographs"
    return (
        f"`{network}`, trained {begun} for {how.recipe.epochs} epochs on {trained} (batches of "
        f"{how.recipe.batch_size}, {how.recipe.optimiser}, learning rate {how.recipe.lr:g}), {how.seeds} seeds, alpha "
        f"from {min(how.alphas):g} to {max(how.alphas):g}; accuracy and si (preset leavitt2020: dead units as 0; mean "
        "in a layer, then over layers) on all test photographs. Intervals: 95%, Student's t over seeds, changes paired "
        "by seed. Source: Leavitt and Morcos, Selectivity considered harmful (2020)."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=sorted({name for name, _ in SIZES}))
    parser.add_argument("--size", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="to start from; wanted for resnet20 at size cpu")
    asked = parser.parse_args()
    if (asked.network, asked.size) not in SIZES:
        parser.error(f"{asked.network} has no size {asked.size}: it is made for a GPU")
    if (asked.network, asked.size) == ("resnet20", "cpu") and asked.weights is None:
        parser.error("resnet20 learns too little at size cpu from random weights: give --weights")
    main(**vars(asked))
