"""What the penalties add to a step of training: ResNet20 for CIFAR, all 19 layers, as ratios within one run.

    python benchmarks/penalty_cost.py [--batch 128] [--turns 5] [--device cpu]

Time: a step is forward, loss, backward and an update by SGD with momentum, in train mode. Plain steps, steps with the
class penalty, and steps with the orientation penalty, which shows its gratings in one of ten, take turns one by one; a
ratio is that of ten steps to the ten plain ones among them, the median over such turns.

Memory: how far the peak of a process rises in a few steps above what it holds before, each in a process of its own,
with an allocator that gives freed blocks back (on a GPU: the most that was allocated). The images are noise, which
costs the same as photographs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch.nn import functional as F

import neuroprobe
from neuroprobe.networks.resnet20 import ResNet20
from neuroprobe.training.penalty import Penalty

CLASSES, SIZE, EVERY = 10, 32, 10
GOALS = {"class": 1.10, "orientation": 1.15}
MEMORY_GOAL = 1.10
KINDS = ("plain", *GOALS)


class Training:
    """A network that learns, step by step, with a penalty or without."""

    def __init__(self, kind: str, batch: int, device: str) -> None:
        torch.manual_seed(0)
        self.model = ResNet20().to(device, memory_format=torch.channels_last).train()
        self.optimiser = torch.optim.SGD(self.model.parameters(), 0.01, momentum=0.9)
        images = torch.rand(batch, 3, SIZE, SIZE, device=device)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(batch, device=device) % CLASSES
        self.penalty = _penalty(kind, self.model)

    def step(self) -> None:
        """Learn from the batch once."""
        self.optimiser.zero_grad()
        loss = F.cross_entropy(self.model(self.images), self.labels)
        if self.penalty is not None:
            loss = loss + self.penalty(self.labels)
        loss.backward()
        self.optimiser.step()


def _penalty(kind: str, model: torch.nn.Module) -> Penalty | None:
    if kind == "class":
        return neuroprobe.SelectivityPenalty(model, -1)
    if kind == "orientation":
        return neuroprobe.OrientationPenalty(model, -1, every=EVERY, input_size=SIZE, preprocess=None)
    return None


def seconds(act: Callable[[], None], device: str) -> float:
    """Return how long something takes, what a GPU still has to do counted."""
    start = time.perf_counter()
    act()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def print_times(batch: int, turns: int, device: str) -> None:
    """Print the ratios of times."""
    trainings = {kind: Training(kind, batch, device) for kind in KINDS}
    with ExitStack() as entered:
        for training in trainings.values():
            entered.enter_context(training.penalty or ExitStack())
        one_turn(trainings, device)  # the first steps find the layers
        found = [one_turn(trainings, device) for _ in range(turns)]
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, batch {batch}, {turns} turns")
    plain = statistics.median(spent["plain"] for spent in found)
    print(f"plain step {1000 * plain / EVERY:.0f} ms; ratios of time (goal), lowest to highest:")
    for kind, goal in GOALS.items():
        ratios = [spent[kind] / spent["plain"] for spent in found]
        print(f"  {kind:12} {statistics.median(ratios):.3f} ({goal:.2f}), {min(ratios):.3f} to {max(ratios):.3f}")


def one_turn(trainings: dict[str, Training], device: str) -> dict[str, float]:
    """Return the seconds of ten steps of each kind, step by step in turn: what else runs then meets all of them."""
    spent = dict.fromkeys(trainings, 0.0)
    for _ in range(EVERY):
        for kind, training in trainings.items():
            spent[kind] += seconds(training.step, device)
    return spent


def rise_of_memory(kind: str, batch: int, device: str) -> float:
    """Return the MiB that two steps add at their peak, measured in a process of their own."""
    command = [sys.executable, __file__, "--memory-of", kind, "--batch", str(batch), "--device", device]
    giving_back = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}  # glibc
    return float(subprocess.check_output(command, text=True, env=giving_back))


def print_rise_of_memory(kind: str, batch: int, device: str) -> None:
    """Print the MiB, in the process that is measured."""
    small, training = Training(kind, 2, device), Training(kind, batch, device)
    for each in (small, training):
        with each.penalty or ExitStack():
            if each is training:  # what is loaded on first use is there
                _count_anew(device)
                before = _in_use("VmRSS", device)
            for _ in range(2):
                each.step()
    print(_in_use("VmHWM", device) - before)


def _count_anew(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # from here on the peak counts anew (Linux)


def _in_use(field: str, device: str) -> float:
    """Return this process's memory in use (VmRSS) or its peak (VmHWM), MiB."""
    if device == "cuda":
        return (torch.cuda.memory_allocated() if field == "VmRSS" else torch.cuda.max_memory_allocated()) / 2**20
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def main() -> None:
    """Print times and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--memory-of", choices=KINDS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print_rise_of_memory(arguments.memory_of, arguments.batch, arguments.device)
        return
    print_times(arguments.batch, arguments.turns, arguments.device)
    plain = rise_of_memory("plain", arguments.batch, arguments.device)
    print(f"peak above what is held before the steps: plain {plain:.0f} MiB; ratios ({MEMORY_GOAL:.2f}):")
    for kind in GOALS:
        print(f"  {kind:12} {rise_of_memory(kind, arguments.batch, arguments.device) / plain:.3f}")


if __name__ == "__main__":
    main()
