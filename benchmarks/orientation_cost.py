"""What `orientation` costs beside the plain forward pass over the same images, as ratios within one run.

    python benchmarks/orientation_cost.py [NETWORK ...] [--repeats 3]

Time: the plain pass is the network as it stands, in eval mode and without gradients, on images drawn beforehand;
`orientation` draws its own, reads every default layer and computes all columns but the null. The channels-last pass is
what it rides on: the same network with nothing read. The three take turns, and a ratio is the median over the turns.

Memory: the highest resident set above model and imports, each in a process of its own, with an allocator that gives
freed blocks back, so that what is counted is what is in use.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import neuroprobe
from neuroprobe.data import suggested_batch
from neuroprobe.networks.expected import expected_input
from neuroprobe.preparation import prepare
from neuroprobe.stimuli import StimulusSet

NETWORKS = {"vgg16": 0.75, "resnet20": 0.85, "resnet18": 0.95}  # goal for the ratio of times
MEMORY_GOAL = 1.15


def stimuli_for(network: torch.nn.Module) -> StimulusSet:
    """Return 432 gratings of the network's size."""
    return neuroprobe.stimuli.gratings(expected_input(network).size, preset="ukita2020", n_frequencies=9)


def plain_pass(network: torch.nn.Module, stimuli: StimulusSet) -> float:
    """Run the network over the images as it stands and return the seconds of the forward passes alone."""
    return forward_seconds(network, stimuli, torch.contiguous_format)


def bare_pass(network: torch.nn.Module, stimuli: StimulusSet) -> float:
    """Run the network over the images in channels-last, as `orientation` does, with nothing read."""
    return forward_seconds(network, stimuli, torch.channels_last)


def forward_seconds(network: torch.nn.Module, stimuli: StimulusSet, memory_format: torch.memory_format) -> float:
    """Return the seconds of the forward passes alone, the images drawn and normalised beforehand."""
    prepared, seconds = prepare(network), 0.0
    with torch.no_grad():
        for drawn in stimuli.batches(suggested_batch(*stimuli.size[1:])):
            images = prepared.preprocess(drawn).contiguous(memory_format=memory_format)
            del drawn
            start = time.perf_counter()
            network(images)
            seconds += time.perf_counter() - start
    return seconds


def measured(network: torch.nn.Module, stimuli: StimulusSet) -> float:
    """Run `orientation` without the null and return its seconds, all that it does counted."""
    start = time.perf_counter()
    neuroprobe.orientation(network, stimuli=stimuli, preset="ukita2020", permutations=0, progress=False)
    return time.perf_counter() - start


def warm_up() -> None:
    """Load all that is loaded on first use, so that it counts as imports and not as the pass."""
    tiny = neuroprobe.stimuli.gratings(32, orientations=3, frequencies=1, phases=1)
    neuroprobe.orientation(neuroprobe.load_network("cnn7"), stimuli=tiny, permutations=0, progress=False)


def rise_of_memory(name: str, what: str) -> float:
    """Return the MiB that a pass adds to the peak of a process that has the model and all imports."""
    command = [sys.executable, __file__, "--memory-of", what, name]
    giving_back = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}  # glibc
    return float(subprocess.check_output(command, text=True, env=giving_back))


def print_rise_of_memory(name: str, what: str) -> None:
    """Print the MiB, in the process that is measured."""
    warm_up()
    network = neuroprobe.load_network(name, None)
    stimuli = stimuli_for(network)
    passes: dict[str, Callable[[torch.nn.Module, StimulusSet], float]] = {"plain": plain_pass, "orientation": measured}
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak counts anew (Linux)
    before = _resident("VmRSS")
    passes[what](network, stimuli)
    print(_resident("VmHWM") - before)


def _resident(field: str) -> float:
    """Return this process's resident memory (VmRSS) or its peak (VmHWM), MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-of", choices=("plain", "orientation"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print_rise_of_memory(arguments.networks[0], arguments.memory_of)
        return
    warm_up()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, 432 gratings, {arguments.repeats} repeats")
    print(
        "network    plain (s)  ratios: channels-last pass, orientation (goal)   plain (MiB)  ratio: orientation (goal)"
    )
    for name in arguments.networks:
        network = neuroprobe.load_network(name, None)
        stimuli = stimuli_for(network)
        times = [[run(network, stimuli) for run in (plain_pass, bare_pass, measured)] for _ in range(arguments.repeats)]
        plain = statistics.median(turn[0] for turn in times)
        bare, ours = (statistics.median(turn[which] / turn[0] for turn in times) for which in (1, 2))
        memory_plain, memory_ours = (rise_of_memory(name, what) for what in ("plain", "orientation"))
        print(
            f"{name:10s} {plain:9.2f} {bare:28.2f} {ours:12.2f} ({NETWORKS.get(name, float('nan')):.2f}) "
            f"{memory_plain:13.0f} {memory_ours / memory_plain:19.2f} ({MEMORY_GOAL:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
