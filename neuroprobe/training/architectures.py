"""The networks that recipes train, with as many outputs as there are classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from neuroprobe.networks.cnn7 import cnn7
from neuroprobe.networks.resnet20 import ResNet20


@dataclass(frozen=True)
class Architecture:
    """How a network is built, and what photographs of a folder are scaled to for it."""

    build: Callable[[int], nn.Module]  # from the number of classes
    size: tuple[int, int, int]  # (C, H, W), pixels


def _resnet18(classes: int) -> nn.Module:
    """Build a ResNet18 for Tiny ImageNet: no max-pooling in its stem (Leavitt's, as we recall)."""
    from torchvision import models

    network = models.resnet18(num_classes=classes)
    network.maxpool = nn.Identity()
    return network


def _vgg16_bn(classes: int) -> nn.Module:
    """Build a VGG16 with batch normalisation for CIFAR: one linear layer behind its convolutions."""
    from torchvision import models

    return nn.Sequential(models.vgg16_bn().features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


ARCHITECTURES = {
    "cnn7": Architecture(cnn7, (3, 32, 32)),
    "resnet20": Architecture(ResNet20, (3, 32, 32)),
    "resnet18": Architecture(_resnet18, (3, 64, 64)),
    "vgg16_bn": Architecture(_vgg16_bn, (3, 32, 32)),
}
