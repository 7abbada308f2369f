"""What a result was made from: the network, a digest of its weights, and the versions of what ran."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn

from neuroprobe.addresses import Layer
from neuroprobe.networks.expected import network_name
from neuroprobe.parts import tensors_in

_PACKAGES = ("neuroprobe", "torch", "torchvision", "captum", "numpy", "scipy", "pandas", "xarray", "zarr")


def made_from(model: nn.Module, layers: Iterable[Layer]) -> dict[str, Any]:
    """Return the part of a result's meta that every result has."""
    kind = type(model)
    return {
        "model": network_name(model),
        "model_class": f"{kind.__module__}.{kind.__qualname__}",
        "weights": weights_digest(model),
        "layers": noted(layers),
        "versions": dict(versions()),
    }


def noted(layers: Iterable[Layer]) -> dict[str, Any]:
    """Return what is noted of layers: by name, kind and shape for one image."""
    return {layer.name: {"kind": layer.kind, "shape": list(layer.shape)} for layer in layers}


def weights_digest(model: nn.Module) -> str:
    """Return a digest of every parameter and buffer, names and bytes: equal for equal weights on any device."""
    digest = hashlib.blake2b(digest_size=16)
    for name, held in model.state_dict().items():
        for tensor in tensors_in((held,)):  # a quantised module holds several together
            flat = tensor.detach().cpu().contiguous().flatten()
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


@cache
def versions() -> dict[str, str]:
    """Return the versions of what numbers may depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout that is not installed
            found[package] = "not installed"
    return found
