"""What loading costs beside ``import torch``, as ratios within one run, each in fresh processes.

    python benchmarks/import_cost.py

The goals are 1.1 for ``import neuroprobe`` and 1.5 for loading ``neuroprobe.orientation``, which runs nothing.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "import torch": 1.0,
    "import torch, neuroprobe": 1.1,
    "import neuroprobe; neuroprobe.orientation": 1.5,
}
REPEATS = 9


def seconds(statement: str) -> float:
    """Time a fresh process that runs a statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the medians and their ratios to ``import torch``; the statements take turns."""
    for statement in STATEMENTS:
        seconds(statement)  # the disk's cache is filled
    rounds = [[seconds(statement) for statement in STATEMENTS] for _ in range(REPEATS)]
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    for (statement, goal), median in zip(STATEMENTS.items(), medians, strict=True):
        print(f"{statement:45s} {median:6.2f} s   ratio {median / medians[0]:.2f}   goal {goal:.1f}")


if __name__ == "__main__":
    main()
