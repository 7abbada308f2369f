"""What ablating unit by unit costs beside the plain loop, as ratios within one run.

    python benchmarks/ablation_cost.py [CASE ...] [--images 64] [--repeats 3]

The plain loop is what a user would write: a forward hook that sets the unit's channel to zero, and a whole forward pass
of the network as it stands, in eval mode and without gradients, for each unit. Ours is all that `run_trials` does from
the images on: the pass that finds the layers, the check against the network, the shared pass, the trials. The loop is
timed on units spread over all layers, and scaled up by the number of units: all its passes cost the same. Both take
turns, and a ratio is the median over the turns. The logits of the units that both have run are compared.

Memory: the highest resident set above model, images and imports with a bound of 256 MiB and of 1 GiB, each in a process
of its own, with an allocator that gives freed blocks back.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

import neuroprobe
from neuroprobe.addresses import dry_run
from neuroprobe.data import Batch
from neuroprobe.holding import Holding
from neuroprobe.preparation import prepare
from neuroprobe.trials import run_trials

BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)]
BOUNDS = (2**28, 2**30)  # bytes
LOOPED = 19  # units that the plain loop runs: at least one a layer of ResNet20


@dataclass(frozen=True)
class Case:
    """A network, the units that are ablated, and how many times faster than the loop they are to be."""

    network: str
    size: int  # pixels
    every: int  # every so many units of a layer
    goal: float
    layers: list[str] | None = None


CASES = {
    "resnet20": Case("resnet20", 32, 1, 4.5),
    "resnet20-blocks": Case("resnet20", 32, 1, 6.0, BLOCKS),
    "vgg16": Case("vgg16", 96, 32, 10.0),
    "squeezenet": Case("squeezenet1_1", 224, 8, 3.5),
}


@dataclass
class Answers:
    """Keeps the logits of some trials."""

    wanted: set[int]
    logits: dict[int, list[Tensor]] = field(default_factory=dict)

    def intact(self, batch: Batch, logits: Tensor) -> None:
        """Have no use for the intact network."""

    def held(self, numbers: Sequence[int], logits: Tensor) -> None:
        """Keep what is wanted."""
        for number, answer in zip(numbers, logits, strict=True):
            if number in self.wanted:
                self.logits.setdefault(number, []).append(answer.clone())


def network_of(case: Case) -> nn.Module:
    """Return the network, with random weights."""
    torch.manual_seed(0)
    return neuroprobe.load_network(case.network, None).eval()


def trials_of(case: Case, network: nn.Module) -> list[tuple[str, int]]:
    """Return the (layer, unit) of every ablation."""
    chosen = [
        layer for layer in dry_run(network, case.size) if (layer.name in case.layers if case.layers else layer.default)
    ]
    return [(layer.name, unit) for layer in chosen for unit in range(0, layer.units, case.every)]


def module_of(layer: str) -> str:
    """Return the module that a user would hook: ResNet20's functional ReLUs have none.

    A zero before a block's first ReLU is a zero behind it; the second ReLU's output is the block's.
    """
    block, relu, number = layer.partition("/relu:")
    if not relu:
        return layer
    return block if number == "1" else f"{block}.bn1".lstrip(".")


def zeroed(network: nn.Module, layer: str, unit: int, images: Tensor) -> Tensor:
    """Run the network with one unit at zero, as a user would."""

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, unit] = 0
        return output

    with network.get_submodule(module_of(layer)).register_forward_hook(hook):
        return network(images)


def looped(network: nn.Module, images: Tensor, trials: Sequence[tuple[str, int]], sample: Sequence[int]) -> float:
    """Run the plain loop over a sample of the units; return the seconds that all would take."""
    start = time.perf_counter()
    with torch.no_grad():
        for number in sample:
            zeroed(network, *trials[number], images)
    return (time.perf_counter() - start) * len(trials) / len(sample)


def ours(network: nn.Module, images: Tensor, trials: Sequence[tuple[str, int]], memory: int, answers: Answers) -> float:
    """Run all units through the engine; return its seconds."""
    prepared = prepare(network, preprocess=None)
    opened = prepared.open(images, batch_size=len(images))
    start = time.perf_counter()
    held = [{layer: [unit]} for layer, unit in trials]
    run_trials(prepared, opened, held, answers, holding=Holding(), memory=memory, progress=False)
    return time.perf_counter() - start


def deviation(network: nn.Module, images: Tensor, trials: Sequence[tuple[str, int]], answers: Answers) -> float:
    """Return the largest difference between the two ways, in largest logits."""
    with torch.no_grad():
        largest = network(images).abs().max()
        gaps = [
            (torch.cat(answers.logits[number]) - zeroed(network, *trials[number], images)).abs().max()
            for number in sorted(answers.wanted)
        ]
    return float(torch.stack(gaps).max() / largest)


def spread(count: int, trials: int) -> list[int]:
    """Return the numbers of some trials, evenly spread."""
    return sorted({round(place * (trials - 1) / (count - 1)) for place in range(count)})


def rise_of_memory(name: str, images: int, bound: int) -> float:
    """Return the MiB that the trials add to the peak of a process that has the model, the images and all imports."""
    command = [sys.executable, __file__, name, "--images", str(images), "--memory-of", str(bound)]
    giving_back = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}  # glibc
    return float(subprocess.check_output(command, text=True, env=giving_back))


def print_rise_of_memory(case: Case, images: Tensor, bound: int) -> None:
    """Print the MiB, in the process that is measured."""
    network = network_of(case)
    trials = trials_of(case, network)
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak counts anew (Linux)
    before = _resident("VmRSS")
    ours(network, images, trials, bound, Answers(set()))
    print(_resident("VmHWM") - before)


def _resident(field_name: str) -> float:
    """Return this process's resident memory (VmRSS) or its peak (VmHWM), MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field_name))


def measure(name: str, images: Tensor, repeats: int) -> str:
    """Return a row of the table."""
    case = CASES[name]
    network = network_of(case)
    trials = trials_of(case, network)
    sample = spread(min(LOOPED, len(trials)), len(trials))
    answers = Answers(set(sample))
    ours(network, images[:2], trials[:2], BOUNDS[-1], Answers(set()))  # what is loaded on first use
    turns = []
    for turn in range(repeats):
        plain = looped(network, images, trials, sample)
        turns.append((plain, ours(network, images, trials, BOUNDS[-1], Answers(set()) if turn else answers)))
    ratio = statistics.median(plain / fast for plain, fast in turns)
    return (
        f"{name:16s} {len(trials):6d} {len(images):7d} {statistics.median(plain for plain, _ in turns):10.1f} "
        f"{statistics.median(fast for _, fast in turns):9.1f} {ratio:8.1f} ({case.goal:.1f}) "
        f"{deviation(network, images, trials, answers):12.1e}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-memory", action="store_true", help="leave out the second table")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size = CASES[arguments.cases[0]].size
    drawn = {side: torch.rand(arguments.images, 3, side, side) for side in (size, 32, 96, 224)}
    if arguments.memory_of:
        print_rise_of_memory(CASES[arguments.cases[0]], drawn[size], arguments.memory_of)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.repeats} repeats")
    print("case              units  images   loop (s)  ours (s)  times faster (goal)  deviation (largest logits)")
    for name in arguments.cases:
        print(measure(name, drawn[CASES[name].size], arguments.repeats), flush=True)
    for name in arguments.cases if not arguments.no_memory else ():
        rises = [rise_of_memory(name, arguments.images, bound) for bound in BOUNDS]
        told = ", ".join(f"{rise:.0f} MiB of {bound / 2**20:.0f}" for rise, bound in zip(rises, BOUNDS, strict=True))
        print(f"{name:16s} peak memory with memory=: {told}", flush=True)


if __name__ == "__main__":
    main()
