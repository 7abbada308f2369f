"""Selectivity indices that can be differentiated: pure functions in torch, the units of all layers at once.

They are the indices of ``neuroprobe.analysis`` on responses that are never negative. What a gradient cannot pass
through, the choice of the preferred class or frequency, is taken as given.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neuroprobe.analysis.class_indices import EPSILON

_NO_RESPONSE = 1e-12  # response units


def class_totals(responses: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Add responses (images, units) up by class: (classes, units + 1), the number of images in the last column."""
    counted = torch.cat([responses, responses.new_ones(len(responses), 1)], dim=1)
    return counted.new_zeros(classes, counted.shape[1]).index_add(0, labels, counted)


def class_selectivity(totals: Tensor) -> tuple[Tensor, Tensor]:
    """Return (mu_max - mu_rest) / (mu_max + mu_rest + eps) of class totals, and which units respond, each (units,).

    Classes without images count for nothing; there must be two with some.

    Example:
        >>> responses = torch.tensor([[3.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
        >>> si, live = class_selectivity(class_totals(responses, torch.arange(3), classes=5))
        >>> si.round(decimals=3), live
        (tensor([0.5000, 0.0000]), tensor([ True, False]))
    """
    sums, counts = totals[:, :-1], totals[:, -1:]
    means = sums / counts.clamp_min(1)  # 0 without images, which no other mean lies below
    best = means.max(dim=0).values
    rest = (means.sum(0) - best) / ((counts > 0).sum() - 1)
    return (best - rest) / (best + rest + EPSILON), best > _NO_RESPONSE


def orientation_selectivity(cube: Tensor, orientations: Tensor) -> tuple[Tensor, Tensor]:
    """Return gosi at the preferred condition of responses, and which units respond, each (units,).

    Args:
        cube: (conditions, orientations, repeats, units): a condition is a frequency of gratings, a repeat a phase.
        orientations: degrees.

    Example:
        >>> theta = torch.arange(0, 180, 15)
        >>> tuned = 1 + torch.cos(2 * torch.deg2rad(theta))
        >>> gosi, live = orientation_selectivity(torch.stack([tuned, 0 * tuned], 1)[None, :, None], theta)
        >>> gosi.round(decimals=3), live
        (tensor([0.5000, 0.0000]), tensor([ True, False]))
    """
    preferred = cube.detach().amax((1, 2)).argmax(0)
    curves = cube.mean(2).gather(0, preferred.expand(1, len(orientations), -1))[0]
    angles = 2 * torch.deg2rad(orientations.to(curves))
    vectors = torch.stack([angles.cos(), angles.sin()]) @ curves
    total = curves.sum(0)
    # a norm, not a square root: flat curves have a gradient too
    return torch.linalg.vector_norm(vectors, dim=0) / total.clamp_min(_NO_RESPONSE), total > _NO_RESPONSE


def mean_by_layer(indices: Tensor, live: Tensor, units: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the mean index of each layer's live units, and whether it has any, each (layers,).

    Args:
        indices: (units,) of all layers.
        live: (units,), which of them count.
        units: how many each layer has.
    """
    layer = torch.repeat_interleave(torch.tensor(units, device=indices.device))
    none = indices.new_zeros(len(units))
    counts = none.index_add(0, layer, live.to(indices))
    return none.index_add(0, layer, indices * live) / counts.clamp_min(1), counts > 0
