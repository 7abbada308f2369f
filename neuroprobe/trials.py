"""Many ablations of one network: what lies upstream is computed once a batch, what lies downstream once a trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from neuroprobe.ablating import named_units, resolved
from neuroprobe.addresses import Layer
from neuroprobe.answers import compare_classes
from neuroprobe.data import Batch, Images, cut
from neuroprobe.holding import Holder, Holding, image_keys
from neuroprobe.partial import Partial
from neuroprobe.preparation import Preparation
from neuroprobe.progress import progress_bar
from neuroprobe.rerun import Rerun
from neuroprobe.saying import say_once
from neuroprobe.tape import NotReplayableError

Trial = Mapping[str, Sequence[int]]  # layer -> units held together in one ablated pass; none for the intact network
MEMORY = 2**30  # bytes


class Observer(Protocol):
    """Is shown what the network answers, batch by batch."""

    def intact(self, batch: Batch, logits: Tensor) -> None:
        """First, once a batch: the logits (images, classes) of the network as it is."""

    def held(self, numbers: Sequence[int], logits: Tensor) -> None:
        """Then, for the same batch: those of some trials, by number, (trials, images, classes)."""


def run_trials(
    prepared: Preparation,
    images: Images,
    trials: Sequence[Trial],
    observer: Observer,
    *,
    holding: Holding,
    unit_axis: Mapping[str, int] | None = None,
    memory: int | None = None,
    progress: bool = True,
    by_name: bool = False,
) -> list[Layer]:
    """Run the network over the images, intact and with the units of each trial held; return all its layers.

    Values that are measured (``"mean"``, ...) are measured from the same images. ``memory`` (bytes, 1 GiB by default)
    bounds what a batch may keep: more lets larger pieces run at once.

    Raises:
        UnknownLayerError, IndexError: if a trial's layer or unit is not there.
        ValueError: if the memory does not suffice for one image; if the network gives no logits (images, classes); if
            its output does not depend on layers that were asked for ``by_name`` (on others: that is said).
    """
    _keep_freed_memory()
    with prepared.at_rest():
        sample = next(iter(images)).images[:1].clone()
        found = prepared.layers(sample, unit_axis)
        targets = {layer.name: layer for layer in found}
        wanted = [_targets(trial, found, holding) for trial in trials]
        held = [name for name in targets if any(name in trial for trial in wanted)]
        holder = Holder.measured(holding, prepared, images, held, unit_axis=unit_axis, progress=progress)
        engine = _Engine(prepared, sample, {name: targets[name] for name in held}, wanted, holder, memory)
        _look_for_unread(engine.unread, by_name)
        total = None if images.count is None else images.count * (1 + len(trials))
        with progress_bar("ablating", total, shown=progress) as bar:
            for batch in cut(images, engine.most_images):
                given = prepared.prepared(batch.images)
                logits = engine.intact(given, image_keys(given) if holding.draws else [])
                compare_classes(images.classes, logits)
                observer.intact(batch, logits)
                bar.update(len(given))
                with engine.held(wanted) as held_together:
                    for numbers, answers in held_together:
                        observer.held(numbers, answers)
                        bar.update(len(numbers) * len(given))
    return found


def _look_for_unread(layers: Sequence[str], by_name: bool) -> None:
    for layer in layers:
        what = f"the network's output does not depend on {layer}: what is held there changes nothing"
        if by_name:
            raise ValueError(f"{what}; name layers= without it")
        say_once(what)


def _keep_freed_memory() -> None:
    """Let the C library keep what is freed for what comes next: fresh pages would cost as much as some layers.

    glibc hands memory back above a threshold that follows the largest block freed so far, up to 32 MiB.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def _targets(trial: Trial, found: Sequence[Layer], holding: Holding) -> dict[str, tuple[int, ...]]:
    """Return the units of a trial by the layer that is held."""
    if not any(len(units) for units in trial.values()):
        return {}
    return {target.name: units for _, target, units in resolved(named_units(trial), found, holding) if units}


class _Engine:
    """Runs trials in parts, and from the first batch on for which those do not answer as the whole, in one piece."""

    def __init__(
        self,
        prepared: Preparation,
        sample: Tensor,
        layers: Mapping[str, Layer],
        trials: Sequence[Mapping[str, Sequence[int]]],
        holder: Holder,
        memory: int | None,
    ) -> None:
        self._network = type(prepared.model).__name__
        self._plain = partial(Rerun, prepared, layers, holder)
        self._way: Partial | Rerun
        try:
            self._way = Partial(prepared, sample, layers, trials, holder, MEMORY if memory is None else memory)
        except NotReplayableError as why:
            self._fall_back(why)
        self.most_images = self._way.most_images

    @property
    def unread(self) -> Sequence[str]:
        """The layers of which it is known that the output does not depend on them."""
        return self._way.unread

    def intact(self, images: Tensor, keys: Sequence[int]) -> Tensor:
        """Run the network as it is; return its logits."""
        try:
            return self._way.intact(images, keys)
        except NotReplayableError as why:
            self._fall_back(why)
            return self._way.intact(images, keys)

    def held(
        self, trials: Sequence[Mapping[str, Sequence[int]]]
    ) -> AbstractContextManager[Iterator[tuple[list[int], Tensor]]]:
        """Run trials over the images of ``intact``; yield some numbers and their (trials, images, classes)."""
        return self._way.held(trials)

    def _fall_back(self, why: NotReplayableError) -> None:
        self._way = self._plain()
        say_once(
            f"{self._network} cannot be run again in parts ({why}): every ablation runs all of it, which gives the "
            "same numbers and takes longer"
        )
