"""Networks by name: our own, torchvision's, timm's, and a user's."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.error import URLError

from torch import nn

from neuroprobe.networks.cnn7 import cnn7
from neuroprobe.networks.expected import IMAGENET_MEAN, IMAGENET_STD, Expected, expected_input, note_expected
from neuroprobe.networks.loading import load_weights
from neuroprobe.networks.resnet20 import ResNet20

__all__ = ["cnn7", "load_network"]

_FEW = 12  # functions of a module that are all named
CNN7_WEIGHTS = Path(__file__).parent / "weights" / "cnn7.safetensors"
# mean and standard deviation of the training photographs, as noted in the header of the weights
_CNN7 = Expected((3, 32, 32), (0.49125, 0.48209, 0.44652), (0.24523, 0.24278, 0.26063))
_RESNET20 = Expected((3, 32, 32), IMAGENET_MEAN, IMAGENET_STD)


def load_network(name: str, weights: str | Path | None = "default") -> nn.Module:
    """Return a network by name, in eval mode, with its size and normalisation known.

    Example:
        >>> load_network("cnn7").conv1
        Conv2d(3, 32, kernel_size=(3, 3), stride=(1, 1))

    Args:
        name: ``"cnn7"`` (weights in the package), ``"resnet20"`` (for CIFAR-10; weights are a file of the user's), any
            classification model of torchvision (``"vgg16"``), ``"timm:NAME"``, or a function of the user's own that
            returns a network: ``"file.py:function"`` or ``"package.module:function"``.
        weights: ``"default"`` for the published ones, downloaded on first use (a user's function loads its own); None
            for random ones; or a checkpoint: safetensors, or a state_dict saved by PyTorch.

    Raises:
        ValueError: if there is no such network, or the weights are not its own.
        FileNotFoundError: if a file is not there; ConnectionError: if weights cannot be downloaded.
    """
    if not isinstance(name, str):
        raise TypeError(f"a network's name is wanted; {type(name).__name__} came: a network at hand needs no loading")
    default = isinstance(weights, str) and weights == "default"
    network = _build(name, default=default)
    if weights is not None and not default:
        load_weights(network, weights)
    return network.eval()


def _build(name: str, *, default: bool) -> nn.Module:
    if name == "cnn7":
        network = note_expected(cnn7(), name, _CNN7)
        return load_weights(network, CNN7_WEIGHTS) if default else network
    if name == "resnet20":
        if default:
            raise ValueError(
                "resnet20 has no weights in the package: give weights=FILE, or weights=None for random ones"
            )
        return note_expected(ResNet20(), name, _RESNET20)
    if name.startswith("timm:"):
        return _from_timm(name.removeprefix("timm:"), default=default)
    if ":" in name:
        return _from_user(name)
    if name.endswith(".py"):
        raise ValueError(f"{name} is a file: name the function in it that returns the network, as {name}:function")
    return _from_torchvision(name, default=default)


def _from_torchvision(name: str, *, default: bool) -> nn.Module:
    from torchvision import models

    known = [model for model in models.list_models() if models.get_model_builder(model).__module__.count(".") == 2]
    if name not in known:
        near = get_close_matches(name, ["cnn7", "resnet20", *known], n=5)
        raise ValueError(
            f"there is no network {name!r}; nearest: {', '.join(near) or 'none'} (cnn7, resnet20, torchvision's "
            "classification models, 'timm:NAME', 'file.py:function', 'package.module:function')"
        )
    # random GoogLeNet and Inception take minutes to draw their truncated normals: torch's own are as random
    quick = {"init_weights": False} if name in ("googlenet", "inception_v3") and not default else {}
    published = models.get_model_weights(name).DEFAULT if default else None
    network = _downloaded(name, published, lambda: models.get_model(name, weights=published, **quick))
    expected = expected_input(network)
    return note_expected(network, name, expected) if expected else network


def _downloaded(name: str, published: Any, build: Any) -> nn.Module:
    try:
        return build()
    except (URLError, ConnectionError, TimeoutError) as error:
        import torch

        where = "" if published is None else (
            f": download {published.url} elsewhere and put it into {torch.hub.get_dir()}/checkpoints"
        )  # fmt: skip
        raise ConnectionError(
            f"the published weights of {name} could not be downloaded ({error}){where}, or pass weights=FILE for a "
            "file of your own, or weights=None for random ones"
        ) from error


def _from_timm(name: str, *, default: bool) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError("'timm:NAME' needs timm: install neuroprobe with its extra, [timm]") from error
    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=5)
        raise ValueError(f"timm has no model {name!r}; nearest: {', '.join(near) or 'none'}")
    try:
        return timm.create_model(name, pretrained=default)
    except Exception as error:
        if not default:
            raise
        raise ConnectionError(
            f"the published weights of timm's {name} could not be had ({type(error).__name__}: {error}): pass "
            "weights=FILE for a file of your own, or weights=None for random ones"
        ) from error


def _from_user(name: str) -> nn.Module:
    place, _, function = name.rpartition(":")
    module = _module_from_file(Path(place)) if place.endswith(".py") else _module_from_path(place)
    build = getattr(module, function, None)
    if not callable(build):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        few = len(functions) <= _FEW
        near = functions if few else get_close_matches(function, functions, n=5) or functions[:_FEW]
        more = "" if few else f", ... ({len(functions)} in all)"
        raise ValueError(  # noqa: TRY004 - the name is wrong, no type
            f"{place} has no function {function!r}; it has {', '.join(near) or 'none'}{more}"
        )
    try:
        network = build()
    except Exception as error:
        raise RuntimeError(f"{name} raised {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise TypeError(f"{name} must return a torch.nn.Module; it returned {type(network).__name__}")
    return network


def _module_from_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} with a function that returns a network")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a .py file always has both
    module = importlib.util.module_from_spec(spec)
    # registered as imports are (pickle and dataclasses look there), and able to import its neighbours
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        if sys.modules.get(path.stem) is module:
            del sys.modules[path.stem]
        raise ImportError(f"{path} raised {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module


def _module_from_path(name: str) -> Any:
    sys.path.insert(0, "")  # as `python -m` would
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"there is no module {name!r} ({error}); a file is given as path/to/file.py:function"
        ) from error
    finally:
        sys.path.remove("")
