"""Running trials by parts: the pass up to a layer is shared, and only what follows runs again for each trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from neuroprobe.addresses import Layer
from neuroprobe.answers import logits_of
from neuroprobe.closed_form import LinearTail
from neuroprobe.cores import cores_of, shared_out
from neuroprobe.footprint import Footprint
from neuroprobe.holding import Holder
from neuroprobe.models import left_as_found
from neuroprobe.preparation import Preparation
from neuroprobe.replay import Downstream, Program
from neuroprobe.tape import NotReplayableError, write_down

_GOOD_PIECE = 2**24  # bytes of maps that run well together: more trials at once gain nothing
_KEPT = 2.5  # times what is used: the C library keeps blocks that were freed, for each thread its own
_MOST_SOLVED = 64  # trials at once where logits are all that they take
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8}  # of the largest logit, for the check against the network
_FAR = 10  # times the largest value
_COARSE = 5e-2  # the same in half precision


@dataclass(frozen=True, eq=False)
class _TrialByTrial:
    """Holds the units of trials, one trial a copy."""

    trials: Sequence[Mapping[str, Sequence[int]]]
    layers: Mapping[str, Layer]
    holder: Holder
    keys: Sequence[int]  # of the images, where draws are wanted

    def hold(self, layer: str, copies: Tensor) -> None:
        """Write over what is held, copy by copy."""
        for trial, part in zip(self.trials, copies.chunk(len(self.trials)), strict=True):
            self.holder.hold(self.layers[layer], part, trial[layer], self.keys)

    def changes(self, layer: str, value: Tensor) -> Iterator[tuple[Sequence[int], Tensor]]:
        """Yield, trial by trial, the units and what holding them adds: one at a time, as large as the layer may be."""
        for trial in self.trials:
            yield trial[layer], self.holder.change(self.layers[layer], value, trial[layer], self.keys)


@dataclass(frozen=True, eq=False)
class _Disturbed:
    """Sets the second of three copies to values far out on either side, which a maximum over copies would show too."""

    def hold(self, _layer: str, copies: Tensor) -> None:
        """Write over the second copy."""
        second = copies.chunk(3)[1]
        second.copy_(self._far_out(second))

    def changes(self, _layer: str, value: Tensor) -> Iterator[tuple[Sequence[int], Tensor]]:
        """Yield what takes each copy there, whole in the second."""
        units, change = range(value.shape[1]), self._far_out(value) - value
        yield from ((units, change * second) for second in (0, 1, 0))

    @staticmethod
    def _far_out(value: Tensor) -> Tensor:
        far = torch.full_like(value, _FAR * (1 + float(value.abs().max())))
        far[1::2] *= -1
        return far


class Partial:
    """Runs trials over shared maps, those of a kind together.

    Raises:
        NotReplayableError: if the network cannot be run by parts, or does not answer as it does in one piece.
        ValueError: if the memory does not suffice for one image.
    """

    def __init__(
        self,
        prepared: Preparation,
        sample: Tensor,
        layers: Mapping[str, Layer],
        trials: Sequence[Mapping[str, Sequence[int]]],
        holder: Holder,
        memory: int,
    ) -> None:
        self._prepared, self._layers, self._holder, self._memory = prepared, layers, holder, memory
        images = prepared.unlike(sample)
        with left_as_found(prepared.model):
            self._program = Program.of(write_down(prepared.model, images, list(layers.values())), list(layers))
            whole = logits_of(prepared.forward(images.clone()))  # it may write into its input
        channels_first = [name for name, layer in layers.items() if layer.unit_axis == 1]
        self._downstream = {
            kind: self._program.downstream(kind, channels_first) for kind in {tuple(trial) for trial in trials} if kind
        }
        self._shared = {value for downstream in self._downstream.values() for value in downstream.shared}
        self._size = Footprint(self._program, images.element_size())
        self._check(images, whole)
        self._tails = self._linear_tails()
        self._at_once, self.most_images = self._what_fits()

    @property
    def unread(self) -> list[str]:
        """The layers, those of a trial as one, on which the network's output does not depend."""
        output = self._program.tape.output
        return [
            " and ".join(kind)
            for kind, downstream in self._downstream.items()
            if not downstream.affected and output not in downstream.held
        ]

    def intact(self, images: Tensor, keys: Sequence[int]) -> Tensor:
        """Run the network as it is, and keep what its parts share; return its logits.

        Raises:
            NotReplayableError: if the network answers these images otherwise in one piece: what it does with some
                batches, by their length or by what they show, need not be what was written down of a few images.
        """
        with _replayable():
            self._run(images, keys)
        whole = logits_of(self._prepared.forward(images.clone()))  # it may write into its input
        self._refuse_others([self._logits], whole)
        return self._logits

    @contextmanager
    def held(self, trials: Sequence[Mapping[str, Sequence[int]]]) -> Iterator[Iterator[tuple[list[int], Tensor]]]:
        """Run trials over the images of ``intact``; yield the numbers of some and their (trials, images, classes)."""
        groups = list(self._together(trials))
        held = ([trials[number] for number in numbers] for numbers in groups)
        with shared_out(self._answers, held, min(self._at_once, len(groups)), waiting=1) as answers:
            yield zip(groups, answers, strict=True)

    def _together(self, trials: Sequence[Mapping[str, Sequence[int]]]) -> Iterator[list[int]]:
        """Yield the numbers of trials that are run as one: those that hold the same layers."""
        kinds: dict[tuple[str, ...], list[int]] = {}
        for number, trial in enumerate(trials):
            kinds.setdefault(tuple(trial), []).append(number)
        for kind, numbers in kinds.items():
            step = min(self._copies_that_fit(kind, len(self._logits)), ceil(len(numbers) / self._at_once))
            for start in range(0, len(numbers), step):
                yield numbers[start : start + step]

    def _answers(self, trials: Sequence[Mapping[str, Sequence[int]]]) -> Tensor:
        """Run trials that hold the same layers; return (trials, images, classes)."""
        kind, images = tuple(trials[0]), len(self._logits)
        if not kind:
            return self._logits.expand(len(trials), -1, -1)
        if kind in self._tails:
            return self._solved(kind, trials)

        changer = _TrialByTrial(trials, self._layers, self._holder, self._keys)
        logits = self._downstream[kind].run(self._values, len(trials), images, changer)
        return logits.unflatten(0, (len(trials), images))

    def _solved(self, kind: tuple[str, ...], trials: Sequence[Mapping[str, Sequence[int]]]) -> Tensor:
        (name,) = kind
        output = self._values[self._program.tape.layers[name]]
        changes = _TrialByTrial(trials, self._layers, self._holder, self._keys).changes(name, output)
        return self._tails[kind].logits(self._logits, changes)

    def _run(self, images: Tensor, keys: Sequence[int]) -> None:
        """Run the written pass, and keep what its parts share."""
        self._values, self._keys = self._program.run(images, self._shared), keys
        self._logits = self._program.logits(self._values)

    def _check(self, images: Tensor, whole: Tensor) -> None:
        """Compare the parts with the whole: first as one, then each part with copies of the images.

        One copy is disturbed, between two that must not feel it.
        """

        def disturbed(downstream: Downstream) -> Tensor:
            return downstream.run(self._values, 3, len(images), _Disturbed())

        with _replayable():
            self._run(images, [])
            with shared_out(disturbed, self._downstream.values(), cores_of(self._prepared.device)) as parts:
                untouched = [copy for logits in parts for copy in logits.split(len(images))[::2]]
        self._refuse_others([self._logits, *untouched], whole)

    def _refuse_others(self, answers: Sequence[Tensor], whole: Tensor) -> None:
        """Raise where an answer of the parts is not that of the whole."""
        allowed = _TOLERANCE.get(self._prepared.autocast or whole.dtype, _COARSE) * whole.abs().max()
        worst = max(float((logits - whole).abs().max()) for logits in answers)
        if not worst <= allowed:
            raise NotReplayableError(f"its parts answer otherwise than the whole, by {worst:.2g}")

    def _linear_tails(self) -> dict[tuple[str, ...], LinearTail]:
        tails: dict[tuple[str, ...], LinearTail] = {}
        for kind, downstream in self._downstream.items():
            if len(kind) == 1:
                like = self._values[self._program.tape.layers[kind[0]]]
                tail = LinearTail.of(downstream, self._layers[kind[0]], self._logits, like, self._memory // 8)
                tails |= {} if tail is None else {kind: tail}
        return tails

    def _what_fits(self) -> tuple[int, int]:
        """Return how many pieces may be worked on at once, and over how many images."""
        size = self._size
        peaks = [size.peak(downstream.operations, downstream.copied) for downstream in self._downstream.values()]
        whole, largest = size.peak(self._program.operations, self._shared), max(peaks, default=0)
        for at_once in range(cores_of(self._prepared.device), 0, -1):
            need = max(1, round(_KEPT * (whole + at_once * largest)))
            if need <= self._memory:
                return at_once, self._memory // need
        raise ValueError(
            f"memory={self._memory:,} bytes do not suffice for one image, which takes {need:,}: allow more, or "
            "choose fewer layers"
        )

    def _copies_that_fit(self, kind: tuple[str, ...], images: int) -> int:
        """Return how many trials of a kind may run at once over some images."""
        if not kind or kind in self._tails:
            return _MOST_SOLVED
        downstream = self._downstream[kind]
        piece = max(1, images * self._size.peak(downstream.operations, downstream.copied))
        room = self._memory - images * self._size.of(self._shared)
        return max(1, min(room // self._at_once, max(_GOOD_PIECE, piece)) // piece)


@contextmanager
def _replayable() -> Iterator[None]:
    """Take an error of what was written down, which the network itself would not raise, as a sign that it is wrong."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, LookupError) as error:
        raise NotReplayableError(f"{type(error).__name__}: {error}") from error
