"""A network of one's own, for ``neuroprobe ... my_networks.py:build``."""

import torch
import torch.nn.functional as F
from torch import nn


class Small(nn.Module):
    """Two convolutions and a linear read-out of three classes; images come in [0, 1]."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 5)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2)
        self.head = nn.Linear(32, 3)

    def forward(self, images):
        """Return logits (N, 3)."""
        maps = F.relu(self.conv1(images - 0.5))
        maps = F.relu(self.conv2(maps))
        return self.head(maps.mean((2, 3)))


def build():
    """Return the network, with the same random weights every time."""
    torch.manual_seed(0)
    return Small()
