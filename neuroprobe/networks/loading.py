"""Weights from files: safetensors or PyTorch checkpoints, never by running code from them."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_WRAPPERS = ("state_dict", "model_state_dict", "model")  # under which training scripts keep the weights
# what DataParallel and torch.compile put before every name, and Lightning by where a module keeps its network
_PREFIXES = ("module.", "_orig_mod.", "network.", "model.", "net.")


def load_weights(network: nn.Module, path: str | Path) -> nn.Module:
    """Load a file's weights into a network, names and shapes fitting exactly.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no weights, or not this network's; names and shapes that differ are listed.
    """
    own = network.state_dict()
    state = {_plain(name, own): tensor for name, tensor in _unwrapped(_read(Path(path)), Path(path)).items()}
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    differing = [
        f"{name} {tuple(state[name].shape)} in the file, {tuple(own[name].shape)} in the network"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    # written by versions of BatchNorm before they counted batches: harmless
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or extra or differing:
        raise ValueError(
            f"the weights in {path} are not those of this {type(network).__name__}: "
            + "; ".join(
                f"{len(names)} {what} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"
                for what, names in (("missing", missing), ("unknown", extra), ("of another shape", differing))
                if names
            )
        )
    network.load_state_dict(state, strict=False)
    return network


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"there is no weights file {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds more than tensors, or is damaged; running code from a file is refused (weights_only=True): "
            "save model.state_dict() and load that"
        ) from error
    except Exception as error:  # damaged bytes raise KeyError, IndexError, EOFError, RuntimeError, ...
        raise ValueError(f"{path} is no complete PyTorch checkpoint ({type(error).__name__}: {error})") from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is no complete safetensors file: {error}") from error


def _unwrapped(loaded: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(loaded, Mapping) and (
        inner := next((k for k in _WRAPPERS if isinstance(loaded.get(k), Mapping)), None)
    ):
        loaded = loaded[inner]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(v, Tensor) for v in loaded.values()):
        held = f"a mapping with {list(loaded)[:5]}" if isinstance(loaded, Mapping) else type(loaded).__name__
        raise ValueError(
            f"{path} must hold a state_dict (names to tensors), plain or under 'state_dict'; it holds {held}"
        )
    return dict(loaded)


def _plain(name: str, own: Collection[str]) -> str:
    """Return a name without the wrappers' prefixes; where the network has a ``module`` of its own, that stays."""
    while name not in own and name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name
