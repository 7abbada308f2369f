"""What bfloat16 saves `orientation`, and what it changes: beside float32, within one run.

    python benchmarks/bf16.py [NETWORK ...] [--gratings 432] [--repeats 3] [--weights CHECKPOINT]

Both read every default layer and compute all columns but the null; they take turns, and the ratio of times is the
median over the turns. The change is that of gosi, over all units that have one in both. Without a checkpoint the
weights are random. How much is saved hangs on the processor: its flags are printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch

import neuroprobe
from neuroprobe.networks.expected import expected_input
from neuroprobe.results import Tuning
from neuroprobe.stimuli import StimulusSet

GOAL_TIME, GOAL_CHANGE = 0.5, 0.01
FLAGS = ("avx512_bf16", "amx_bf16")
ORIENTATIONS, PHASES = 12, 4


def timed(network: torch.nn.Module, stimuli: StimulusSet, dtype: torch.dtype | None) -> tuple[float, Tuning]:
    """Run `orientation` without the null and return its seconds, all that it does counted, and the result."""
    start = time.perf_counter()
    tuning = neuroprobe.orientation(network, stimuli=stimuli, permutations=0, progress=False, dtype=dtype)
    return time.perf_counter() - start, tuning


def changes(one: Tuning, other: Tuning) -> np.ndarray:
    """Return the size of the change of gosi of every unit that has one in both."""
    change = (one.units.gosi - other.units.gosi).abs()
    return change[change.notna()].to_numpy()


def flags() -> str:
    """Say which instructions for bfloat16 the processor has (Linux)."""
    known = Path("/proc/cpuinfo")
    there = known.read_text().split() if known.exists() else []
    return ", ".join(flag for flag in FLAGS if flag in there) or "no instructions for bfloat16 known"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["vgg16"])
    parser.add_argument("--gratings", type=int, default=432, help=f"a multiple of {ORIENTATIONS * PHASES}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--weights", help="a checkpoint; random weights without it")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {flags()}, {arguments.gratings} gratings")
    print("network    float32 (s)  ratio (goal)  gosi: units  median change (goal)  95th percentile  largest")
    for name in arguments.networks:
        torch.manual_seed(0)
        network = neuroprobe.load_network(name, arguments.weights)
        shown = {
            "orientations": ORIENTATIONS,
            "phases": PHASES,
            "frequencies": arguments.gratings // (ORIENTATIONS * PHASES),
        }
        stimuli = neuroprobe.stimuli.gratings(expected_input(network).size, **shown)
        few = neuroprobe.stimuli.gratings(expected_input(network).size, orientations=3, frequencies=1, phases=1)
        for dtype in (None, torch.bfloat16):  # what is loaded and compiled on first use is not counted
            timed(network, few, dtype)
        turns = [[timed(network, stimuli, dtype) for dtype in (None, torch.bfloat16)] for _ in range(arguments.repeats)]
        ratio = statistics.median(low / full for (full, _), (low, _) in turns)
        change = changes(*(tuning for _, tuning in turns[0]))
        print(
            f"{name:10s} {statistics.median(full for (full, _), _ in turns):11.2f} {ratio:6.2f} ({GOAL_TIME:.2f}) "
            f"{len(change):12,d} {np.median(change):14.5f} ({GOAL_CHANGE:.2f}) {np.quantile(change, 0.95):16.5f} "
            f"{change.max():8.5f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
