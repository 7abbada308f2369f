"""What a classifier answers: its logits out of whatever it returns, and labels that have a place among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neuroprobe.parts import part_at, parts_of
from neuroprobe.saying import say_once


def logits_of(output: Any, *, fewest: int = 2) -> Tensor:
    """Return the logits (images, classes), the first tensor of an output of several, in single precision or better.

    Raises:
        ValueError: if that is no table of at least so many classes.
    """
    first = next((part_at(output, path) for path, _ in parts_of(output)), None)
    if first is None or first.ndim != 2 or first.shape[1] < fewest:
        came = type(output).__name__ if first is None else tuple(first.shape)
        raise ValueError(f"a classifier that returns logits (images, classes) is wanted; {came} came")
    return first.to(torch.promote_types(first.dtype, torch.float32))


def labels_among(logits: Tensor, labels: Tensor | None, *, who: str, otherwise: str = "") -> Tensor:
    """Return labels beside logits (images, classes), which must have a place for each.

    Raises:
        ValueError: if there are none, or one has no logit; ``who`` ("loss needs") and how to do without come in it.
    """
    advice = f"; {otherwise}" if otherwise else ""
    if labels is None:
        raise ValueError(f"{who} labels: give data as (images, labels) or a folder with one for each class{advice}")
    if int(labels.max()) >= logits.shape[1]:
        raise ValueError(
            f"labels must be below the network's number of outputs, {logits.shape[1]}; {int(labels.max())} came{advice}"
        )
    return labels.to(logits.device)


def compare_classes(named: Sequence[str] | None, logits: Tensor) -> None:
    """Say once where data name another number of classes than there are logits (images, classes): are they the same?"""
    if named is not None and len(named) != logits.shape[1]:
        some = ", ".join(named[:3]) + (", ..." if len(named) > 3 else "")
        say_once(
            f"the data name {len(named)} classes ({some}) and the network has {logits.shape[1]} outputs: labels count "
            "as outputs by number, from 0 in the order of the classes' names; is that how the network was trained?"
        )
