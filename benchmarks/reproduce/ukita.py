"""Ukita (2020): orientation selectivity in training, with corrupted labels, under ablation, and as a dial.

    python benchmarks/reproduce/ukita.py --data CIFAR10 --runs RUNS --out assets/reproductions
    python benchmarks/reproduce/ukita.py --size gpu --data CIFAR10 --runs RUNS --out assets/reproductions

cnn7 learns with 0, 20 and 60% of its labels drawn anew, and each unit is followed. At the end, on the networks of
uncorrupted labels, halves of each layer by gosi are held at zero beside 199 random halves. Then what the paper could
only correlate is set: a penalty turns the orientation selectivity of the lower layers down, and up, while networks
learn. Shift-invariance is our own measure (how the paper measured it is not published in enough detail to repeat).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from claims import (
    FAILS,
    HOLDS,
    UNDECIDED,
    Claim,
    Interval,
    alphas_of,
    by_seed,
    photographs,
    points,
    verdict,
    write_page,
)
from matplotlib.figure import Figure
from scipy import stats
from torch import nn

import neuroprobe
from neuroprobe.plots.style import BLUE, GREEN, GREY, VERMILION
from neuroprobe.results import Ablation, Sweep
from neuroprobe.results.training_run import TrainingRun
from neuroprobe.training.recipes import RECIPES
from neuroprobe.training.sweep import place_of
from neuroprobe.training.train import load_run

Sample = tuple[torch.Tensor, torch.Tensor]
NETWORK = "cnn7"
LOWER, HIGHEST = ["relu1", "relu2", "relu3"], "relu7"
CORRUPTED = (0.0, 0.2, 0.6)
COLOURS = (BLUE, VERMILION, GREEN)
RANDOM_HALVES = 199
RANDOM_HALVES_MOVED = 5  # whose shift-invariance is measured
SIGNIFICANT = 0.01


@dataclass(frozen=True)
class Size:
    """How much is trained and measured; None for what the recipe says."""

    seeds: int
    alphas: Sequence[float]  # of the orientation penalty
    images: int | None = None
    epochs: int | None = None
    ablated_on: int = 1_000  # photographs
    followed_on: int = 500


SIZES = {
    "cpu": Size(3, (-2, 0, 2), images=8_000, epochs=8),
    "gpu": Size(5, (-5, -2, -1, -0.5, 0, 0.5, 1, 2, 5), ablated_on=10_000, followed_on=2_000),
}


def main(size: str, data: Path, runs: Path, out: Path) -> None:
    """Train, measure, and write the results, the figure and the page."""
    how, recipe = SIZES[size], RECIPES[NETWORK]
    recipe = recipe if how.epochs is None else replace(recipe, epochs=how.epochs)
    place, name = runs / f"ukita-{size}", f"ukita_{NETWORK}_{size}"
    out.mkdir(parents=True, exist_ok=True)
    sample = photographs(data / "test", how.ablated_on)
    trained = {
        (corrupted, seed): neuroprobe.train(
            NETWORK, data, out=place / f"corrupted={corrupted:g},seed={seed}", recipe=recipe, images=how.images,
            corrupted=corrupted, seed=seed,
            track=neuroprobe.UnitTracker((sample[0][: how.followed_on], sample[1][: how.followed_on])),
        )
        for corrupted in CORRUPTED
        for seed in range(how.seeds)
    }  # fmt: skip
    swept = neuroprobe.sweep(how.alphas, how.seeds, NETWORK, data, out=place / "dial", penalty="orientation",
                             layers=LOWER, recipe=recipe, images=how.images)  # fmt: skip
    epochs = development(trained)
    epochs.to_csv(out / f"{name}_epochs.csv")
    halves = pd.concat(
        {seed: halves_of(trained[0.0, seed].network, sample) for seed in range(how.seeds)}, names=["seed"]
    )
    halves.to_csv(out / f"{name}_halves.csv")
    moved = dial(swept, place / "dial", sample)
    moved.to_csv(out / f"{name}_dial.csv")
    claims = [
        *selective(trained[0.0, 0].network),
        rising(epochs),
        generalising(epochs),
        *ablated(halves),
        disturbed(halves),
        *dialled(moved),
    ]
    picture(epochs, halves, moved).savefig(out / f"{name}.png", dpi=200)
    write_page(out / f"{name}.md", f"Orientation selectivity and what it is for: {NETWORK}, {size} size",
               _about(how, recipe.epochs), claims, f"{name}.png")  # fmt: skip


def development(trained: dict[tuple[float, int], TrainingRun]) -> pd.DataFrame:
    """Return, a row for each (corrupted, seed, epoch), the accuracy and the gosi of the lower layers."""
    tables = {}
    for key, run in trained.items():
        gosi = run.development.layers.mean_gosi.unstack("layer")
        tables[key] = pd.DataFrame(
            {"accuracy": run.development.epochs.accuracy, "gosi": gosi[LOWER].mean(axis=1), **gosi}
        )
    return pd.concat(tables, names=["corrupted", "seed"])


def selective(network: nn.Module) -> list[Claim]:
    """Hold gratings against shuffled gratings, unit by unit, in each layer of one network."""
    tuning = neuroprobe.orientation(network, preset="ukita2020", control="shuffled", permutations=0, progress=False)
    rows, verdicts = [], []
    for layer in tuning.layer_names:
        gosi, shuffled = tuning.units.loc[layer].gosi, tuning.control.loc[layer].gosi
        p = stats.wilcoxon(gosi, shuffled, alternative="greater").pvalue
        rows.append(f"{layer} {gosi.median():.2f} against {shuffled.median():.2f}")
        verdicts.append(p < SIGNIFICANT)
    missed = [layer for layer, holds in zip(tuning.layer_names, verdicts, strict=True) if not holds]
    text = "Units selective for orientation in lower and higher layers: gosi above that of shuffled gratings"
    return [Claim(text, "median " + "; ".join(rows), f"{FAILS} in {', '.join(missed)}" if missed else HOLDS)]


def rising(epochs: pd.DataFrame) -> Claim:
    """Ask whether the lower layers' gosi rises as networks learn."""
    by_seed = epochs.xs(0.0, level="corrupted").gosi.unstack("epoch")
    last = by_seed.columns[-1]
    rise = Interval.of(by_seed[last] - by_seed[0])
    learned = Interval.of(by_seed[last] - by_seed[1])
    shown = f"from untrained to the end {rise.show()}; from the first epoch to the end {learned.show()}"
    return Claim(f"Mean gosi of {_named(LOWER)} rises in training", shown, verdict(rise, "above"))


def generalising(epochs: pd.DataFrame) -> Claim:
    """Ask whether networks that generalise better have the more selective lower layers."""
    ends = epochs.groupby(level=["corrupted", "seed"]).tail(1).droplevel("epoch")
    rho = stats.spearmanr(ends.accuracy, ends.gosi)
    gap = Interval.of(ends.gosi.xs(0.0, level="corrupted") - ends.gosi.xs(max(CORRUPTED), level="corrupted"))
    shown = (
        f"gosi with 0% less that with {max(CORRUPTED):.0%} corrupted labels: {gap.show()}; Spearman's rho with test "
        f"accuracy over {len(ends)} networks {rho.statistic:.2f} (p {rho.pvalue:.1g})"
    )
    return Claim("Networks that generalise better have higher gosi in lower layers", shown, verdict(gap, "above"))


def halves_of(network: nn.Module, sample: Sample) -> pd.DataFrame:
    """Hold the halves of each layer at zero: the change of the loss, and of the highest layer's shift-invariance."""
    gosi = neuroprobe.orientation(network, preset="ukita2020", permutations=0, progress=False).units.gosi
    halves = neuroprobe.ablation(network, sample, gosi, fractions=[0.5], repeats=RANDOM_HALVES,
                                 orders=("top", "bottom", "random", "matched"), progress=False)  # fmt: skip
    table = halves.table[["delta_loss", "percentile", "percentile_matched"]].copy()
    table["pearson"] = np.nan
    for layer in LOWER:
        for order in ("top", "bottom", "random"):
            table.loc[(layer, order), "pearson"] = np.mean(list(_invariances(network, sample, halves, order, layer)))
    table.loc[("-", "intact"), "pearson"] = invariance(network, sample)
    return table


def _invariances(network: nn.Module, sample: Sample, halves: Ablation, order: str, layer: str) -> Iterator[float]:
    for repeat in range(RANDOM_HALVES_MOVED if order == "random" else 1):
        yield invariance(network, sample, halves.held(order, 0.5, layer, repeat))


def invariance(network: nn.Module, sample: Sample, held: dict[str, list[int]] | None = None) -> float:
    """Return the highest layer's median pearson over shifts of 1 to 4 pixels, with units held at zero."""
    few = sample[0][:500], sample[1][:500]
    with neuroprobe.ablate(network, held) if held else nullcontext():
        return float(neuroprobe.shift_invariance(network, few, [HIGHEST], progress=False).units.pearson.median())


def ablated(halves: pd.DataFrame) -> list[Claim]:
    """Ask layer by layer whether the selective half matters more than the other, and than chance."""
    loss = halves.delta_loss.unstack("order")
    claims = []
    for layer in LOWER:
        here = loss.xs(layer, level="layer")
        bottom, chance = Interval.of(here.top - here.bottom), Interval.of(here.top - here.random)
        percentiles = halves.percentile.xs((layer, "top"), level=("layer", "order"))
        shown = (
            f"change of the loss (nats), top less bottom half {bottom.show()}; top less random halves {chance.show()}; "
            f"percentile among {RANDOM_HALVES} random halves by seed: {', '.join(f'{p:.0f}' for p in percentiles)}"
        )
        claims.append(Claim(f"{layer}: the selective half matters more than chance", shown, verdict(chance, "above")))
    return claims


def disturbed(halves: pd.DataFrame) -> Claim:
    """Ask whether the highest layer is less shift-invariant without the selective halves than without random ones."""
    pearson = halves.pearson.unstack("order")
    gaps = {layer: Interval.of((row := pearson.xs(layer, level="layer")).top - row.random) for layer in LOWER}
    shown = "top less random halves: " + "; ".join(f"{layer} {gap.show()}" for layer, gap in gaps.items())
    signs = [gap.sign() for gap in gaps.values()]
    found = HOLDS if all(sign == "below" for sign in signs) else FAILS if "above" in signs else UNDECIDED
    return Claim(f"It disturbs the shift-invariance of {HIGHEST} (Pearson's r, ours)", shown, found)


def dial(swept: Sweep, runs: Path, sample: Sample) -> pd.DataFrame:
    """Return, a row for each (alpha, seed), accuracy, gosi of the lower layers and shift-invariance of the highest."""
    table = swept.table[["accuracy"]].copy()
    gosi = swept.layers.gosi.unstack("layer")
    table["gosi"] = gosi[LOWER].mean(axis=1)
    table["pearson"] = [
        invariance(load_run(place_of(runs, alpha, seed)).network, sample) for alpha, seed in table.index
    ]
    return table


def dialled(moved: pd.DataFrame) -> list[Claim]:
    """Ask what turning the lower layers' orientation selectivity does to accuracy and to shift-invariance above."""
    claims = []
    for alpha, to, wanted in ((min(alphas_of(moved)), "down", "below"), (max(alphas_of(moved)), "up", "above")):
        change = {name: Interval.of(by_seed(moved, name, alpha) - by_seed(moved, name, 0)) for name in moved}
        turned = f"alpha {alpha:g}: gosi {change['gosi'].show()}"
        claims += [
            Claim(f"Turned {to}, lower layers' selectivity takes accuracy {to}",
                  f"{turned}, accuracy {points(change['accuracy'])}", verdict(change["accuracy"], wanted)),
            Claim(f"Turned {to}, it takes shift-invariance of {HIGHEST} {to}",
                  f"{turned}, Pearson's r {change['pearson'].show()}", verdict(change["pearson"], wanted)),
        ]  # fmt: skip
    return claims


def picture(epochs: pd.DataFrame, halves: pd.DataFrame, moved: pd.DataFrame) -> Figure:
    """Draw gosi over training, halves by layer, and the dial."""
    figure = Figure(figsize=(7.2, 2.4), layout="constrained")
    followed, ablation, turned = figure.subplots(1, 3)
    _draw_epochs(followed, epochs)
    _draw_halves(ablation, halves)
    _draw_dial(turned, moved)
    for letter, axes in zip("ABC", (followed, ablation, turned), strict=True):
        axes.set_title(letter, loc="left", fontweight="bold", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=6.5)
        axes.xaxis.label.set_size(7)
        axes.yaxis.label.set_size(7)
    return figure


def _draw_epochs(axes, epochs: pd.DataFrame) -> None:
    for colour, (corrupted, rows) in zip(COLOURS, epochs.groupby(level="corrupted"), strict=True):
        gosi = rows.gosi.droplevel("corrupted").unstack("seed")
        axes.plot(gosi, color=colour, linewidth=0.5, alpha=0.5)
        axes.plot(gosi.mean(axis=1), color=colour, label=f"{corrupted:.0%} corrupted")
    axes.set(xlabel="Epoch", ylabel=f"Mean gOSI, {_named(LOWER)}")
    axes.legend(frameon=False, fontsize=6.5)


def _draw_halves(axes, halves: pd.DataFrame) -> None:
    loss = halves.delta_loss.drop("intact", level="order").unstack("order")
    layers = list(loss.index.unique("layer"))
    for shift, (order, colour) in enumerate([("top", VERMILION), ("random", GREY), ("bottom", BLUE)], start=-1):
        places = np.arange(len(layers)) + 0.22 * shift
        by_layer = loss[order].unstack("seed").reindex(layers)
        axes.plot(places, by_layer, "o", color=colour, markersize=2.5, alpha=0.6, markeredgewidth=0)
        axes.plot(places, by_layer.mean(axis=1), "_", color=colour, markersize=8, label=f"{order} half")
    axes.set(ylabel="Change of the loss (nats)", xticks=range(len(layers)))
    axes.set_xticklabels(layers, rotation=45)
    axes.legend(frameon=False, fontsize=6.5)


def _draw_dial(axes, moved: pd.DataFrame) -> None:
    change = moved - moved.xs(0, level="alpha").reindex(moved.index, level="seed")
    for column, colour, label in (("accuracy", BLUE, "accuracy"), ("pearson", VERMILION, f"invariance of {HIGHEST}")):
        axes.plot(moved.gosi, change[column], "o", color=colour, markersize=3, label=label, markeredgewidth=0)
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.set(xlabel=f"Mean gOSI, {_named(LOWER)}", ylabel="Change against alpha = 0")
    axes.legend(frameon=False, fontsize=6.5)


def _named(layers: Sequence[str]) -> str:
    return f"{layers[0]} to {layers[-1]}"


def _about(how: Size, epochs: int) -> str:
    trained = "all training photographs" if how.images is None else f"{how.images:,} of the training photographs"
    return (
        f"`{NETWORK}`, trained for {epochs} epochs on {trained}, {how.seeds} seeds. Tuning by the paper's gratings; "
        f"halves on {how.ablated_on:,} test photographs; shift-invariance on 500, shifts of 1 to 4 pixels. Intervals: "
        "95%, Student's t over seeds, changes paired by seed. (A) Lower layers as networks learn: thin, each seed. (B) "
        "Halves by gosi held at zero. (C) Networks trained with the lower layers' selectivity turned down or up. "
        "Source: Ukita, Neural Networks 125 (2020) 185-193; random halves, corruption as the way to worse "
        "generalisation, and the dial are ours."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(SIZES), default="cpu")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    main(**vars(parser.parse_args()))
