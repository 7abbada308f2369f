"""What images a network expects: their size and the normalisation, known by how it was made."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from neuroprobe.stimuli.arguments import image_size

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Expected:
    """The images a network was trained on."""

    size: tuple[int, int, int]  # (C, H, W), pixels
    mean: tuple[float, ...]  # a channel, of images in [0, 1]
    std: tuple[float, ...]


def note_expected(network: nn.Module, name: str, expected: Expected) -> nn.Module:
    """Note on a network its name and what it expects, in the field where timm notes the same."""
    noted = {"architecture": name, "input_size": expected.size, "mean": expected.mean, "std": expected.std}
    network.pretrained_cfg = noted  # type: ignore[assignment]
    return network


def network_name(network: nn.Module) -> str:
    """Return the name noted on a network ("cnn7"), else that of its class ("VGG")."""
    noted = getattr(network, "pretrained_cfg", None) or {}
    return str(noted.get("architecture") or type(network).__name__)


def expected_input(network: nn.Module) -> Expected | None:
    """Return what a network expects: as noted on it (ours, timm's), or by its class (torchvision's); else None."""
    noted = getattr(network, "pretrained_cfg", None) or {}
    if {"input_size", "mean", "std"} <= set(noted):
        return Expected(tuple(noted["input_size"]), tuple(noted["mean"]), tuple(noted["std"]))
    module = type(network).__module__
    if module.startswith("torchvision.models."):
        return _expected_by_torchvision(network, module)
    return None


def _expected_by_torchvision(network: nn.Module, module: str) -> Expected | None:
    """Read the transforms of the published weights that fit best: those with the nearest number of parameters."""
    from torchvision.models import WeightsEnum

    kinds: list[Any] = [kind for kind in vars(sys.modules[module]).values() if inspect.isclass(kind)]
    published = [
        weights for kind in kinds if issubclass(kind, WeightsEnum) and kind.__module__ == module for weights in kind
    ]
    count = _parameters_as_published(network)
    nearest = min(published, key=lambda weights: abs(weights.meta["num_params"] - count), default=None)
    if nearest is None or not isinstance(nearest.transforms, partial):
        return None
    crop = nearest.transforms.keywords.get("crop_size")
    if crop is None:
        return None
    side = crop[0] if isinstance(crop, list | tuple) else crop
    defaults = inspect.signature(nearest.transforms.func).parameters
    mean, std = (nearest.transforms.keywords.get(name, defaults[name].default) for name in ("mean", "std"))
    return Expected((3, side, side), tuple(mean), tuple(std))


def _parameters_as_published(network: nn.Module) -> int:
    """Return how many parameters a network would have if its last linear layer told ImageNet's 1000 classes apart."""
    count = sum(parameter.numel() for parameter in network.parameters())
    heads = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return count + (1000 - heads[-1].out_features) * (heads[-1].in_features + 1) if heads else count


def image_shape(size: Any, expected: Expected | None, network: nn.Module | None = None) -> tuple[int, int, int]:
    """Return (C, H, W) from a side, (H, W), (C, H, W), or None for what the network expects.

    Raises:
        ValueError: if no size is given or known, or it is not one to three positive whole numbers.
    """
    if size is None and expected is None:
        raise ValueError(
            f"the image size of {type(network).__name__} is not known (it is for networks loaded by name, timm's and "
            "torchvision's): give input_size=, a side, (H, W) or (C, H, W) in pixels"
        )
    if size is None and expected is not None:
        return expected.size
    channels = expected.size[0] if expected else _first_channels(network)
    return image_size(size, channels=channels, name="input_size")


def _first_channels(network: nn.Module | None) -> int:
    """Return how many channels the first convolution takes, 3 (RGB) where there is none."""
    modules = network.modules() if network is not None else ()
    return next((module.in_channels for module in modules if isinstance(module, nn.Conv2d)), 3)
