"""What `record(..., out=...)` costs: memory against the number of images, and time beside recording in memory.

    python benchmarks/streaming_cost.py [--memory-at 10000 100000] [--images 5000] [--repeats 3] [--folder .]

Memory: a network of one linear layer of 4,000 units and a ReLU, images of 8 x 8 pixels made as they are asked for. How
far the peak of a process rises above model and imports while it streams, while it opens the store, and while it reads
one unit and one image; each number of images in a process of its own, with an allocator that gives freed blocks back.
The goal is that it does not grow. A million images take 9 GB of disk (16 before compression), freed at the end.

Time: `record` to a store beside `record` in memory, in turns; a ratio is the median over the turns. On the linear layer
there is next to nothing but the writing; ResNet20 is a small network on small images. Digests of data and weights, the
lock, checkpoints and the last shards are in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import neuroprobe

UNITS, SIDE, BATCH = 4000, 8, 256


class Noise(Dataset):  # type: ignore[type-arg]
    """Images made as they are asked for, so that none but the batch is in memory."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Tensor:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: Sequence[int]) -> list[Tensor]:
        generator = torch.Generator().manual_seed(numbers[0])
        return list(torch.rand(len(numbers), 3, SIDE, SIDE, generator=generator))


def linear_layer() -> nn.Module:
    """Return a network that does next to nothing."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, UNITS), nn.ReLU())


def streamed(network: nn.Module, data: Any, place: Path) -> neuroprobe.results.Recording:
    """Record to a store."""
    return neuroprobe.record(network, data, out=place, preprocess=None, batch_size=BATCH, progress=False)


def in_memory(network: nn.Module, data: Any) -> neuroprobe.results.Recording:
    """Record in memory."""
    return neuroprobe.record(network, data, preprocess=None, batch_size=BATCH, progress=False)


def print_costs(count: int, folder: Path) -> None:
    """Print, as JSON, what streaming and reading cost in the process that is measured."""
    network, place = linear_layer(), folder / "store.zarr"
    streamed(network, Noise(600), folder / "small.zarr").curves["2"].sel(unit=3).to_numpy()  # loaded on first use
    costs: dict[str, float] = {}
    _measured(costs, "stream", lambda: streamed(network, Noise(count), place))
    opened = neuroprobe.load(place).curves["2"]
    _measured(costs, "open", lambda: neuroprobe.load(place))
    _measured(costs, "unit", lambda: opened.sel(unit=1234).to_numpy())
    _measured(costs, "image", lambda: opened.sel(image=count // 2).to_numpy())
    files = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
    print(json.dumps(costs | {"files": len(files), "gigabytes": sum(files) / 1e9}))


def _measured(costs: dict[str, float], name: str, call: Callable[[], object]) -> None:
    """Note the seconds of a call, and the MiB by which it raises the peak."""
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak counts anew (Linux)
    before, start = _resident("VmRSS"), time.perf_counter()
    call()
    costs[f"{name}, s"] = time.perf_counter() - start
    costs[f"{name}, MiB"] = _resident("VmHWM") - before


def _resident(field: str) -> float:
    """Return this process's resident memory (VmRSS) or its peak (VmHWM), MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def costs_of(count: int, folder: Path) -> dict[str, float]:
    """Return what streaming so many images costs, measured in a process of its own."""
    giving_back = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}  # glibc
    with tempfile.TemporaryDirectory(dir=folder) as place:
        command = [sys.executable, __file__, "--costs-of", str(count), "--folder", place]
        return json.loads(subprocess.check_output(command, text=True, env=giving_back))


def print_memory(counts: Sequence[int], folder: Path) -> None:
    """Print a row a number of images."""
    print(f"{UNITS:,} units; peak above model and imports (MiB), seconds")
    print("   images  streaming           opening          one unit         one image     files      disk")
    for count in counts:
        costs = costs_of(count, folder)
        cells = [
            f"{costs[f'{what}, MiB']:6.0f} {costs[f'{what}, s']:8.2f} s" for what in ("stream", "open", "unit", "image")
        ]
        print(f"{count:9,}", *cells, f"{costs['files']:8,.0f} {costs['gigabytes']:6.2f} GB", flush=True)


def ratio_of_times(network: nn.Module, images: Tensor, repeats: int, folder: Path) -> tuple[float, float]:
    """Return how long streaming takes beside recording in memory, and the seconds in memory."""
    ratios, plain = [], []
    for turn in range(repeats + 1):
        start = time.perf_counter()
        in_memory(network, images)
        middle = time.perf_counter()
        streamed(network, images, folder / f"{turn}.zarr")
        end = time.perf_counter()
        shutil.rmtree(folder / f"{turn}.zarr")
        if turn:  # the first loads what is loaded on first use
            ratios.append((end - middle) / (middle - start))
            plain.append(middle - start)
    return statistics.median(ratios), statistics.median(plain)


def print_times(count: int, repeats: int, folder: Path) -> None:
    """Print a row a network."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {count:,} images, {repeats} repeats")
    cases = {
        "linear layer, 4,000 units": (linear_layer(), torch.rand(count, 3, SIDE, SIDE)),
        "ResNet20, 688 units": (neuroprobe.load_network("resnet20", None), torch.rand(count, 3, 32, 32)),
    }
    for name, (network, images) in cases.items():
        ratio, plain = ratio_of_times(network, images, repeats, folder)
        print(f"{name:26s} in memory {plain:6.2f} s; streamed {ratio:.2f} of it", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory-at", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--images", type=int, default=5_000, help="for the times; 0 for none")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the stores lie meanwhile"
    )
    parser.add_argument("--costs-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.costs_of:
        print_costs(arguments.costs_of, arguments.folder)
        return
    print_memory(arguments.memory_at, arguments.folder)
    if arguments.images:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            print_times(arguments.images, arguments.repeats, Path(folder))


if __name__ == "__main__":
    main()
