"""Small photographs that a small network can learn: each class has a channel that is bright."""

import torch
from torch import nn


def planted(count, seed=0, size=8):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.randint(0, 150, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    images[torch.arange(count), labels] += 60
    return images, labels


def small_sets():
    return {"train": planted(60), "test": planted(30, seed=1)}


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.BatchNorm2d(6), nn.Flatten(), nn.Dropout(0.2), nn.Linear(216, 3)
    )


def plain_network():
    """Without normalisation over the batch, or anything drawn."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3))
