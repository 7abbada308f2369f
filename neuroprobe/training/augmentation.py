"""Photographs moved and mirrored as they are learned: drawn for all of them once an epoch, by (seed, epoch, index)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuroprobe.training.photographs import Photographs
from neuroprobe.training.randomness import Purpose, generator
from neuroprobe.training.recipes import Recipe


@dataclass(frozen=True, eq=False)
class Moves:
    """How each photograph is moved: first mirrored left to right, then shifted."""

    mirrored: Tensor  # (photographs,), bool
    down: Tensor  # (photographs,), pixels
    right: Tensor

    def of(self, numbers: Tensor) -> Moves:
        """Return those of some photographs."""
        return Moves(self.mirrored[numbers], self.down[numbers], self.right[numbers])


def epoch_moves(count: int, recipe: Recipe, *, seed: int, epoch: int) -> Moves:
    """Draw how each photograph is moved in an epoch, whichever batch or process it falls to."""
    draws, shift = generator(Purpose.MOVES, seed, epoch), recipe.max_shift
    mirrored = torch.rand(count, generator=draws) < (0.5 if recipe.flip else 0)
    down, right = torch.randint(-shift, shift + 1, (2, count), generator=draws)
    return Moves(mirrored, down, right)


def moved(photographs: Photographs, numbers: Tensor, moves: Moves, *, border: str) -> Tensor:
    """Return some photographs (n, H, W, C), mirrored and shifted.

    Every pixel is fetched from where it comes from, in one step: that takes a quarter of the time of padding,
    cutting and mirroring.
    """
    height, width = photographs.images.shape[1:3]
    rows = torch.arange(height) - moves.down[:, None]
    columns = torch.arange(width) - moves.right[:, None]
    columns = torch.where(moves.mirrored[:, None], width - 1 - columns, columns)
    nearest = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]
    places = numbers[:, None, None] * (height * width) + nearest
    images = photographs.images.flatten(0, 2).index_select(0, places.flatten()).unflatten(0, places.shape)
    if border == "zero":
        images *= (_inside(rows, height)[:, :, None] & _inside(columns, width)[:, None])[..., None]
    return images


def _inside(places: Tensor, length: int) -> Tensor:
    return (places >= 0) & (places < length)
