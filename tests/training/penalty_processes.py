"""Run in each of two processes, and alone: the class penalty of a step, and its gradient once they have averaged it."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from learning import gradients, planted, small
from torch import nn
from torch.nn import functional as F

import neuroprobe

# which images each of two processes has; in the second way one of them has a single class, of the lowest index
SHARES = {
    "halves": (range(12), range(12, 24)),
    "a single class": (range(0, 24, 3), [number for number in range(24) if number % 3]),
}


def frozen(channels):
    """Batch normalisation that uses its running statistics in any mode."""
    norm = nn.BatchNorm2d(channels).eval()
    norm.train = lambda mode=True: norm
    return norm


NORMS = {"no normalisation": nn.Identity, "a frozen one": frozen}


def step(numbers, wrap, norm):
    """Return penalty, si and gradient of a step on some of the planted images."""
    images, labels = (tensor[list(numbers)] for tensor in planted())
    model = small(norm=norm)
    wrapped = wrap(model)
    with neuroprobe.SelectivityPenalty(wrapped, -2) as penalty:
        loss = 0 * F.cross_entropy(wrapped(images), labels)  # processes of unlike shares weigh their images unlike
        value = penalty(labels)
        (loss + value).backward()
    return value.detach(), penalty.si, gradients(model)


def main(folder: Path, rank: int, size: int) -> None:
    """Leave in the folder what this process found."""
    wrap = nn.parallel.DistributedDataParallel if size > 1 else lambda model: model
    if size > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=size)
    found = {
        (share, norm): step(numbers[rank] if size > 1 else range(24), wrap, make)
        for share, numbers in SHARES.items()
        for norm, make in NORMS.items()
    }
    torch.save(found, folder / f"{rank} of {size}.pt")
    if size > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
