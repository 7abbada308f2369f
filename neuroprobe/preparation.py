"""A network made ready to be recorded from: unwrapped, on its device, with its preprocessing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from neuroprobe.addresses import DRY_RUN_IMAGES, Layer, find_layers, with_unit_axes
from neuroprobe.data import Data, Images, open_images
from neuroprobe.distributed import agree
from neuroprobe.models import (
    at_rest,
    device_of,
    dtype_of,
    forward_explained,
    left_as_found,
    refuse_valueless,
    refuses_layout,
    unwrap,
)
from neuroprobe.networks.expected import IMAGENET_MEAN, IMAGENET_STD, Expected, expected_input, image_shape
from neuroprobe.provenance import weights_digest
from neuroprobe.saying import say_once

Preprocess = Callable[[Tensor], Tensor]


@dataclass(eq=False)
class Preparation:
    """A network and how images are brought to it."""

    model: nn.Module
    device: torch.device
    expected: Expected | None
    preprocess: Preprocess
    autocast: torch.dtype | None  # None: the network's own precision
    any_range: bool = False  # images may hold values outside [0, 1]
    channels_last: bool = True  # images are laid out so, which is quicker; until a network turns out not to take it
    may_fold: bool = True  # False: the network runs as it stands, even where it could be written down quicker

    def open(
        self,
        data: Data,
        *,
        batch_size: int | None = None,
        memory: int | None = None,
        input_size: int | tuple[int, ...] | None = None,
    ) -> Images:
        """Open a user's images for this network; photographs of a folder are brought to its size, or the one given."""
        known = input_size is not None or self.expected is not None
        shape = image_shape(input_size, self.expected, self.model) if known else None
        return open_images(data, batch_size=batch_size, memory=memory, shape=shape, any_range=self.any_range)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Eval mode, no gradients, the precision asked for; the network is left as it was found."""
        with at_rest(self.model), self.precision():
            yield

    def precision(self) -> AbstractContextManager[Any]:
        """Return the block in which the network runs in the precision asked for."""
        return nullcontext() if self.autocast is None else torch.autocast(self.device.type, dtype=self.autocast)

    def prepared(self, images: Tensor) -> Tensor:
        """Return images as the network wants them: on its device, preprocessed, channels last where it takes that."""
        # a copy: what preprocesses, or the network, may write into its input
        given = images.to(self.device, dtype=torch.float32, non_blocking=True, copy=True)
        images = self.preprocess(given)
        if not isinstance(images, Tensor) or len(images) != len(given):
            came = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise ValueError(f"preprocess must return one image for each of the {len(given)} it is given; {came} came")
        layout = torch.channels_last if images.ndim == 4 and self.channels_last else torch.contiguous_format
        return images.to(dtype_of(self.model), memory_format=layout)

    def unlike(self, image: Tensor) -> Tensor:
        """Return a few images made ready, from an image (1, C, H, W) on into noise.

        No two are alike, even where the image is blank: a mix-up between images is to show.
        """
        noise = torch.rand(DRY_RUN_IMAGES, *image.shape[1:], generator=torch.Generator().manual_seed(0))
        share = torch.linspace(0, 0.5, DRY_RUN_IMAGES).reshape(-1, *[1] * (image.ndim - 1))
        return self.prepared(torch.lerp(image.expand_as(noise), noise.to(image), share.to(image)))

    def forward(self, images: Tensor) -> Any:
        """Run the network on prepared images; an error says what it was given."""
        with forward_explained(self.model, images):
            return self.model(images)

    def layers(self, image: Tensor, unit_axis: Mapping[str, int] | None) -> list[Layer]:
        """Find the layers by a dry pass over an image (1, C, H, W), repeated; the network's state stays as it was."""
        try:
            found = self._found(image)
        except RuntimeError as error:
            if not (self.channels_last and refuses_layout(error)):
                raise
            self.channels_last = False
            found = self._found(image)
        return with_unit_axes(found, unit_axis)

    def _found(self, image: Tensor) -> list[Layer]:
        images = self.prepared(image.expand(DRY_RUN_IMAGES, *image.shape[1:]))
        with left_as_found(self.model), forward_explained(self.model, images):
            return find_layers(self.model, (images,))


def prepare(
    model: nn.Module,
    *,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Preparation:
    """Make a network ready. On another ``device`` than its own, a copy is used and the original stays where it is.

    Raises:
        TypeError: if ``preprocess`` is not ``"auto"``, None or a function.
        ValueError: if ``dtype`` is no float type, ``device`` is not there, or the weights hold no values.
    """
    model = unwrap(model)
    refuse_valueless(model)
    target = _device(device) if device is not None else device_of(model)
    if target != device_of(model):
        model = copy.deepcopy(model).to(target)
    agree("weights (load the same, or seed what makes the network)", partial(weights_digest, model))
    expected = expected_input(model)
    own = dtype in (None, dtype_of(model))
    if not own and dtype not in (torch.bfloat16, torch.float16):
        raise ValueError(f"dtype must be torch.bfloat16, torch.float16 or None for the network's own; {dtype} came")
    preprocessing, autocast = _preprocessing(preprocess, expected), None if own else dtype
    return Preparation(model, target, expected, preprocessing, autocast, any_range=preprocess is None)


def _device(asked: torch.device | str) -> torch.device:
    try:
        return torch.empty(0, device=asked).device  # made, not named: "cuda" stands for the current one, "cuda:0"
    except (AssertionError, RuntimeError) as error:  # AssertionError is what a torch built without CUDA raises
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        there += ["mps"] if torch.backends.mps.is_available() else []
        raise ValueError(
            f"device {str(asked)!r} cannot be used ({str(error).splitlines()[0]}); there is {', '.join(there)}: choose "
            "another with device=, or leave it out"
        ) from error


def _preprocessing(preprocess: Any, expected: Expected | None) -> Preprocess:
    if preprocess is None:
        return lambda images: images
    if callable(preprocess):
        return preprocess
    if preprocess != "auto":
        raise TypeError(f"preprocess must be 'auto', None or a function of images (N, C, H, W); {preprocess!r} came")
    return normaliser(expected.mean, expected.std) if expected else _imagenet


def _imagenet(images: Tensor) -> Tensor:
    say_once(
        "preprocess='auto': this network's own normalisation is not known, so ImageNet's is used for RGB images and "
        "none for others; pass preprocess= (None for none) to choose"
    )
    return normaliser(IMAGENET_MEAN, IMAGENET_STD)(images) if images.shape[1] == 3 else images


def normaliser(mean: Iterable[float], std: Iterable[float]) -> Preprocess:
    """Return the function from images in [0, 1] to (images - mean) / std, a channel."""
    means, stds = torch.tensor(list(mean)), torch.tensor(list(std))

    def normalise(images: Tensor) -> Tensor:
        if images.shape[1] != len(means):
            raise ValueError(f"images must have {len(means)} channels for this network; {images.shape[1]} came")
        return (images - means.to(images)[:, None, None]).div_(stds.to(images)[:, None, None])

    return normalise
