"""What a training is made from, worked out before anything is written: network, photographs, recipe, options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neuroprobe.digests import described, digest, lasting_repr
from neuroprobe.models import forward_explained, refuses_layout
from neuroprobe.networks.expected import Expected, network_name, note_expected
from neuroprobe.provenance import weights_digest
from neuroprobe.training.optimisation import learnable
from neuroprobe.training.photographs import Photographs, mean_and_std
from neuroprobe.training.recipes import Recipe

_SHOWN = 2  # photographs, to see whether a network takes them


@dataclass(frozen=True, eq=False)
class Plan:
    """A network to be trained, its size and normalisation noted, and what it is to learn."""

    network: nn.Module
    sets: Mapping[str, Photographs]
    recipe: Recipe
    expected: Expected
    layout: torch.memory_format  # of photographs, in which it is given them

    @property
    def made_from(self) -> dict[str, Any]:
        """What tells one training from another, in words that can be compared."""
        train = self.sets["train"]
        return {
            "network": network_name(self.network),
            "architecture": digest(lasting_repr(self.network).encode()),
            "initial_weights": weights_digest(self.network),
            "data": {name: {"photographs": len(held), "digest": held.digest} for name, held in self.sets.items()},
            "classes": list(train.classes),
            **asdict(self.expected),
            "recipe": described(asdict(self.recipe)),
        }


def planned(network: nn.Module, name: str, sets: Mapping[str, Photographs], recipe: Recipe) -> Plan:
    """Note on a network what it will expect, and make sure that it takes the photographs.

    Raises:
        ValueError: if nothing in it learns, or it gives too few logits; TypeError: if it gives none.
        RuntimeError: if its forward pass raises.
    """
    learnable(network)
    train = sets["train"]
    expected = Expected(train.shape, *mean_and_std(train))
    note_expected(network, name, expected)
    return Plan(network, sets, recipe, expected, _layout(network, train))


def _layout(network: nn.Module, photographs: Photographs) -> torch.memory_format:
    """Return how a network is given photographs: channels last, which is quicker, where it takes that."""
    try:
        _check_logits(network, photographs, torch.channels_last)
    except RuntimeError as error:
        if not refuses_layout(error):
            raise
        _check_logits(network, photographs, torch.contiguous_format)
        return torch.contiguous_format
    return torch.channels_last


@torch.no_grad()
def _check_logits(network: nn.Module, photographs: Photographs, layout: torch.memory_format) -> None:
    images = torch.zeros(_SHOWN, *photographs.shape).to(memory_format=layout)
    with forward_explained(network, images):
        logits = network.cpu().eval()(images)
    checked_logits(logits, network, len(photographs.classes))


def checked_logits(logits: Any, network: nn.Module, classes: int) -> Tensor:
    """Return what a network gave.

    Raises:
        TypeError: if it is no tensor; ValueError: if it has not one logit a class.
    """
    wanted = f"a network that gives logits (images, {classes} classes or more), in training as in eval mode, is wanted"
    if not isinstance(logits, Tensor):
        raise TypeError(f"{wanted}; {type(network).__name__} gives {type(logits).__name__}")
    if logits.ndim != 2 or logits.shape[1] < classes:
        raise ValueError(f"{wanted}; {type(network).__name__} gives {tuple(logits.shape)}")
    return logits
