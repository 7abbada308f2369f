"""The whole chain on one network: selectivity, ablation of halves, every unit's impact, shift-invariance, importance.

    python benchmarks/cause_and_effect.py cnn7 --data FOLDER --out benchmarks/results/cnn7.md
    python benchmarks/cause_and_effect.py resnet20 --weights FILE --data FOLDER --out benchmarks/results/resnet20.md

FOLDER holds photographs in one sub-folder a class (CIFAR-10's test photographs for these two). The chain is that of
Ukita (2020), with random and activity-matched halves that the paper does not have: units are ranked by gosi, the top,
bottom and random halves of a layer are held at zero, and loss and the shift-invariance of the last layer are measured.
What comes out is written down whatever it is; it speaks of this network alone. Files grow as the parts are done.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

import neuroprobe
from neuroprobe.analysis.rank_agreement import rank_agreement
from neuroprobe.analysis.rank_correlation import partial_spearman
from neuroprobe.results import by_layer
from neuroprobe.training.photographs import in_turn

Sample = tuple[Tensor, Tensor]
LOWER_LAYERS = 3  # whose halves are ablated before invariance is measured
RANDOM_HALVES = 5  # of each of them
_OF_WHOLE_CURVES = ["auc", "ci_low", "ci_high", "units", "fraction"]  # columns that say little of halves


def photographs(folder: Path) -> Sample:
    """Return all photographs of a folder, class after class in turn, so that any first part holds all classes alike."""
    opened = [(batch.images, batch.labels) for batch in neuroprobe.data.open_images(folder, batch_size=500)]
    images, labels = (torch.cat(parts) for parts in zip(*opened, strict=True))
    order = in_turn(labels)
    return images[order], labels[order]


def first(sample: Sample, count: int) -> Sample:
    """Return the first images and labels."""
    return sample[0][:count], sample[1][:count]


class Report:
    """A Markdown file that is whole after every part."""

    def __init__(self, place: Path, title: str) -> None:
        self._place, self._parts = place, [f"# {title}\n"]

    def add(self, title: str, table: pd.DataFrame, note: str) -> None:
        """Write a part."""
        drawn = table.to_string(float_format="{:.4f}".format, na_rep="-")
        self._parts.append(f"## {title}\n\n{note}\n\n```\n{drawn}\n```\n")
        self._place.parent.mkdir(parents=True, exist_ok=True)
        self._place.write_text("\n".join(self._parts), encoding="utf-8")

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Say on the screen how long a part took."""
        start = time.perf_counter()
        yield
        print(f"{what}: {time.perf_counter() - start:.0f} s", flush=True)


def invariance(network: nn.Module, sample: Sample, halves: neuroprobe.results.Ablation) -> pd.DataFrame:
    """Measure the last layer's invariance with nothing held, and with halves of the lower layers held at zero."""
    lower, last = halves.layer_names[:LOWER_LAYERS], halves.layer_names[-1]
    cases: dict[tuple[str, str], dict[str, list[int]]] = {("-", "intact"): {}}
    for layer in lower:
        cases[layer, "top"] = halves.held("top", 0.5, layer)
        cases[layer, "bottom"] = halves.held("bottom", 0.5, layer)
        for repeat in range(RANDOM_HALVES):
            cases[layer, f"random {repeat + 1}"] = halves.held("random", 0.5, layer, repeat)
    rows = {}
    for case, units in cases.items():
        with neuroprobe.ablate(network, units) if units else nullcontext():
            shift = neuroprobe.shift_invariance(network, sample, [last], progress=False)
        network_means = shift.network[["consistency", "mac"]].mean()
        rows[case] = {"accuracy": shift.accuracy, "pearson": shift.units.pearson.median(), **network_means}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["held", "half"])


def correlations(impact: pd.DataFrame, indices: pd.DataFrame, activity: pd.Series) -> pd.DataFrame:
    """Rank-correlate indices of units with their impact, as it is and at equal activity."""
    plain = rank_agreement(indices, impact)["spearman"].unstack("method", sort=False)
    equal = {
        f"{name}, equal activity": partial_spearman(indices[name], impact.delta_loss, activity) for name in indices
    }
    return plain.assign(**equal)


def run(arguments: argparse.Namespace) -> None:
    """Measure all parts, and write the report as they come."""
    network = neuroprobe.load_network(arguments.network, arguments.weights or "default")
    sample = photographs(arguments.data)
    some = first(sample, arguments.images)
    report = Report(arguments.out, f"{arguments.network}: cause and effect")
    with report.timed("class selectivity"):
        classes = neuroprobe.class_selectivity(network, sample, preset="leavitt2020", permutations=0, progress=False)
    plain = classes.units.si
    table = pd.DataFrame({"si": by_layer(plain).mean(), "si_cv": by_layer(classes.units.si_cv).mean()})
    report.add("Class selectivity by layer", table.assign(dead=by_layer(classes.units.status == "dead").sum()),
               f"Mean over units, preset leavitt2020 (dead units as 0), {len(sample[0]):,} photographs.")  # fmt: skip
    with report.timed("orientation"):
        tuning = neuroprobe.orientation(network, preset="ukita2020", permutations=0, progress=False)
    with report.timed("halves"):
        halves = neuroprobe.ablation(network, some, tuning.units.gosi, fractions=[0.5], repeats=arguments.random,
                                     orders=("top", "bottom", "random", "matched"), progress=False)  # fmt: skip
    report.add("Halves by gosi, held at zero", halves.table.drop(columns=_OF_WHOLE_CURVES),
               f"{len(some[0]):,} photographs, {arguments.random} random and as many matched halves; intervals: 95%, "
               "paired bootstrap over photographs; percentile and two-sided p among the random halves.")  # fmt: skip
    with report.timed("impact"):
        alone = first(sample, arguments.impact_images)
        impact = neuroprobe.unit_impact(network, alone, progress=False)
    report.add("Impact of every unit, held at zero alone", impact.summary(),
               f"{impact.meta['images']:,} photographs; intact loss {impact.meta['loss']:.4f} nats, accuracy "
               f"{impact.meta['accuracy']:.4f}.")  # fmt: skip
    impact.units.to_csv(arguments.out.with_suffix(".units.csv"))
    activity = neuroprobe.record(network, some[0], reducers=["moments"], progress=False).units["mean"]
    indices = pd.DataFrame({"si": classes.units.si, "gosi": tuning.units.gosi})
    report.add("Selectivity against impact", correlations(impact.units, indices, activity),
               "Spearman's rho with the change of the loss; and partial, at equal ranks of mean activity.")  # fmt: skip
    part = first(sample, arguments.attributed_images)
    seen = f"Spearman's rho with the change of the loss; from {len(part[0]):,} photographs."
    with report.timed("importance"):
        importance = pd.concat([attributed(network, part, of) for of in ("logit", "log_probability")], axis=1)
    report.add("Attribution against exact impact",
               rank_agreement(importance, impact.units)["spearman"].unstack("method", sort=False), seen)  # fmt: skip
    with report.timed("screen"):
        report.add("Screens against exact impact", screens(network, part, impact.units), seen)
    with report.timed("invariance"):
        report.add(f"Shift-invariance of {halves.layer_names[-1]}", invariance(network, first(some, 500), halves),
                   "Median over units of Pearson's r between responses to still and moved photographs (1 to 4 pixels); "
                   "accuracy, and means over shifts of consistency and mac; "
                   "a network that gives all images one class is consistent too. 500 photographs at most.")  # fmt: skip


def attributed(network: nn.Module, sample: Sample, of: str) -> pd.DataFrame:
    """Return conductance and gradient x activation, for one score."""
    methods = ["conductance", "gradient_x_activation"]
    units = neuroprobe.importance(network, sample, method=methods, of=of, steps=20, progress=False).units
    return units[methods].add_suffix(f" ({of})")


def screens(network: nn.Module, sample: Sample, exact: pd.DataFrame) -> pd.DataFrame:
    """Rank-correlate the estimates of screens with the exact impact, layer by layer."""
    estimates = {}
    for steps in (1, 8):
        screened = neuroprobe.unit_impact(network, sample, screen=True, steps=steps, confirm=1, progress=False).units
        estimates[f"{steps} steps"] = screened.delta_loss
    return rank_agreement(pd.DataFrame(estimates), exact)["spearman"].unstack("method", sort=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("--weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=2000, help="for halves and invariance")
    parser.add_argument("--impact-images", type=int, default=10_000)
    parser.add_argument("--attributed-images", type=int, default=1000, help="for attribution and screens")
    parser.add_argument("--random", type=int, default=199, help="random halves a layer")
    run(parser.parse_args())
