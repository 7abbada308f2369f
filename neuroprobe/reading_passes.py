"""Forward passes that are read: by hooks on the network, or as written down with its normalisation folded.

Folding saves a pass over the map for every batch normalisation and most ReLUs, and what is written down can run on each
of a processor's cores at once. Only networks of known libraries are folded; where that does not give the same numbers,
or somebody else's hooks want to see the network run, it runs as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from threading import RLock
from typing import Any

import torch
from torch import Tensor, nn

from neuroprobe.addresses import Layer
from neuroprobe.calls import NEVER_NEGATIVE, function_name, is_watched
from neuroprobe.cores import cores_of
from neuroprobe.models import forward_explained
from neuroprobe.preparation import Preparation
from neuroprobe.probe import Keep, tapping
from neuroprobe.replay import Program, perform
from neuroprobe.schedule import Step, scheduled
from neuroprobe.tape import write_down

_TOLERANCE = 1e-4  # of a layer's largest value
# their forward passes treat each image by itself; what a user's own code does with a batch, no check can tell
_KNOWN_CODE = ("torch.nn.", "torchvision.", "timm.", "neuroprobe.")
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_PRECISIONS = (torch.float32, torch.float64)
_HOOKED = RLock()  # hooks tell of whatever pass runs the network; a reducer may start one of its own in a pass


# told prepared images and who keeps the layers' outputs of this pass, runs the network and returns its output
Pass = Callable[[Tensor, Keep], Any]


@contextmanager
def reading_passes(prepared: Preparation, sample: Tensor, layers: Sequence[Layer]) -> Iterator[tuple[Pass, int]]:
    """Yield what runs the network over images and tells the layers' outputs, and how many may do so at once.

    What is told of a layer may be overwritten by later operations, and nobody can change it.

    Args:
        prepared: the network, at rest.
        sample: an image (1, C, H, W) like those that will come.
        layers: those to read.
    """
    folded = Folded.of(prepared, sample, layers)
    if folded is not None:
        yield folded.run, cores_of(prepared.device)  # nothing of the network itself takes part
        return
    keeper: list[Keep] = []
    with tapping(prepared.model, layers, lambda layer, output: keeper[-1](layer, output)):

        def run(images: Tensor, keep: Keep) -> Any:
            keeper.append(keep)
            try:
                return prepared.forward(images)
            finally:
                keeper.pop()  # which holds on to the images of this pass

        yield run, 1


@dataclass(frozen=True, eq=False)
class Folded:
    """A written-down network whose batch normalisations are folded into its convolutions."""

    prepared: Preparation
    layers: Sequence[Layer]
    program: Program
    steps: Sequence[Step]
    shape: torch.Size  # (C, H, W)

    @classmethod
    def of(cls, prepared: Preparation, sample: Tensor, layers: Sequence[Layer]) -> Folded | None:
        """Write a network down; None where nothing is gained, or it could not be told to be the same."""
        if not _may_be_folded(prepared):
            return None
        images = prepared.unlike(sample)
        own: dict[int, Tensor] = {}  # what the network itself gives, by value
        try:
            tape = write_down(prepared.model, images, layers, own)
            program = Program.of(tape, [layer.name for layer in layers])
            looked_at = [tape.layers[layer.name] for layer in layers]
            steps = scheduled(program.operations, {tape.output}, tape.shapes, looked_at=looked_at)
            folded = cls(prepared, layers, program, steps, images.shape[1:])
            return folded if folded._gives(own, images) else None
        except Exception:  # noqa: BLE001 - what the network raises, it raises again in a pass of its own, explained
            return None

    def run(self, images: Tensor, keep: Keep) -> Any:
        """Run the network over images, and tell ``keep`` the layers' outputs."""
        if images.shape[1:] != self.shape:
            with _HOOKED, tapping(self.prepared.model, self.layers, keep):
                return self.prepared.forward(images)

        def read(value: int, output: Tensor) -> Tensor:
            keep(self._by_value[value], output)
            return output

        tape = self.program.tape
        with forward_explained(self.prepared.model, images):
            values = perform(self.steps, {tape.images: images}, len(images), dict.fromkeys(self._by_value, read))
        return values[tape.output]

    @cached_property
    def _by_value(self) -> dict[int, Layer]:
        """The layers by the value that holds each; of one that a ReLU makes it is known that nothing is negative."""
        tape, operations = self.program.tape, self.program.operations
        relus = {
            value for made in operations if function_name(made.function) in NEVER_NEGATIVE for value in made.writes
        }
        values = {tape.layers[layer.name]: layer for layer in self.layers}
        return {value: replace(layer, never_negative=value in relus) for value, layer in values.items()}

    def _gives(self, own: Mapping[int, Tensor], images: Tensor) -> bool:
        """Whether layers and output are, image for image in two parts, what the network itself gave of all at once."""
        tape = self.program.tape
        told: dict[str, list[Tensor]] = {layer.name: [] for layer in self.layers}

        def note(layer: Layer, output: Tensor) -> None:
            told[layer.name].append(output.clone())

        answers = [self.run(part, note) for part in (images[:1], images[1:])]
        same = all(_close(torch.cat(parts), own[tape.layers[name]]) for name, parts in told.items())
        return same and _close(torch.cat(answers), own[tape.output])


def _may_be_folded(prepared: Preparation) -> bool:
    model = prepared.model
    return (
        prepared.may_fold
        and prepared.autocast is None
        and all(f"{type(module).__module__}.".startswith(_KNOWN_CODE) for module in model.modules())
        and (cores_of(prepared.device) > 1 or any(isinstance(module, _NORMS) for module in model.modules()))
        and all(weight.dtype in _PRECISIONS for weight in model.parameters())
        and not is_watched(model)
    )


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= _TOLERANCE * other.abs().max())
