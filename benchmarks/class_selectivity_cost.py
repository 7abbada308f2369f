"""What `class_selectivity` costs beside the plain forward pass: ResNet20, images of the size of CIFAR-10's.

    python benchmarks/class_selectivity_cost.py [--images 10000] [--repeats 3] [--memory-at 1000 10000 50000]

Time: the plain pass is the network as it stands, in eval mode and without gradients, on images normalised beforehand;
`class_selectivity` is called with `permutations=0` and does all that it does. The channels-last pass is what it rides
on, with nothing read. They take turns, and a ratio is the median over the turns. The null is timed once, by itself.

Memory: how far the peak of a process rises above model, images and imports, without and with the null, for growing
numbers of images; each in a process of its own, with an allocator that gives freed blocks back, so that what is counted
is what is in use. The goal is that it does not grow. Images are noise, which costs the same as photographs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import neuroprobe
from neuroprobe.data import suggested_batch
from neuroprobe.preparation import prepare

TIME_GOAL, CLASSES, SIZE = 0.85, 10, 32
PERMUTATIONS = 200


class Noise(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Images made as they are asked for, so that none but the batch is in memory."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        if number >= self.count:
            raise IndexError(number)
        return torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(number)), number % CLASSES


def forward_seconds(network: nn.Module, images: Tensor, memory_format: torch.memory_format) -> float:
    """Return the seconds of the forward passes alone, each batch normalised beforehand."""
    prepared, seconds = prepare(network), 0.0
    network.eval()
    with torch.no_grad():
        for batch in images.split(suggested_batch(SIZE, SIZE)):
            ready = prepared.preprocess(batch).contiguous(memory_format=memory_format)
            start = time.perf_counter()
            network(ready)
            seconds += time.perf_counter() - start
    return seconds


def measured(network: nn.Module, images: Tensor, labels: Tensor, permutations: int) -> float:
    """Return the seconds of the call."""
    start = time.perf_counter()
    neuroprobe.class_selectivity(network, (images, labels), permutations=permutations, progress=False)
    return time.perf_counter() - start


def print_times(count: int, repeats: int) -> None:
    """Print the ratios of times."""
    network = neuroprobe.load_network("resnet20", None)
    images, labels = torch.rand(count, 3, SIZE, SIZE), torch.arange(count) % CLASSES
    measured(network, images[:512], labels[:512], 2)  # what is loaded on first use
    turns = [
        (
            forward_seconds(network, images, torch.contiguous_format),
            forward_seconds(network, images, torch.channels_last),
            measured(network, images, labels, 0),
        )
        for _ in range(repeats)
    ]
    plain = statistics.median(turn[0] for turn in turns)
    bare, ours = (statistics.median(turn[which] / turn[0] for turn in turns) for which in (1, 2))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {count:,} images, {repeats} repeats")
    print(
        f"plain pass {plain:.2f} s; ratios: channels-last pass {bare:.2f}, class_selectivity {ours:.2f} ({TIME_GOAL})"
    )
    with_null = measured(network, images, labels, PERMUTATIONS)
    print(f"with {PERMUTATIONS} permutations {with_null:.2f} s in all")


def rise_of_memory(count: int, permutations: int) -> float:
    """Return the MiB that a measurement adds to the peak of a process that has the model and all imports."""
    command = [sys.executable, __file__, "--memory-of", str(count), str(permutations)]
    giving_back = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}  # glibc
    return float(subprocess.check_output(command, text=True, env=giving_back))


def print_rise_of_memory(count: int, permutations: int) -> None:
    """Print the MiB, in the process that is measured."""
    network = neuroprobe.load_network("resnet20", None)
    neuroprobe.class_selectivity(network, Noise(30), permutations=2, progress=False)  # what is loaded on first use
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak counts anew (Linux)
    before = _resident("VmRSS")
    neuroprobe.class_selectivity(network, Noise(count), permutations=permutations, progress=False)
    print(_resident("VmHWM") - before)


def _resident(field: str) -> float:
    """Return this process's resident memory (VmRSS) or its peak (VmHWM), MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, help="for the times; 0 for none")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-at", type=int, nargs="*", default=[1_000, 10_000, 50_000])
    parser.add_argument("--memory-of", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print_rise_of_memory(*arguments.memory_of)
        return
    if arguments.images:
        print_times(arguments.images, arguments.repeats)
    for count in arguments.memory_at:
        without, with_null = (rise_of_memory(count, permutations) for permutations in (0, PERMUTATIONS))
        print(f"{count:7,} images: {without:5.0f} MiB, with the null {with_null:5.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
