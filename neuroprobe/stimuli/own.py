"""A user's own stimuli: a table of images, or a function that draws one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuroprobe.stimuli.arguments import Floats, ascending, axis_values, image_size
from neuroprobe.stimuli.sets import StimulusSet

if TYPE_CHECKING:
    import pandas as pd


def from_images(
    images: Tensor | NDArray[Any],
    parameters: pd.DataFrame | Mapping[str, Sequence[float]],
    *,
    blank: float | Tensor | NDArray[Any] = 0.5,
    pooled: Sequence[str] | None = None,
) -> StimulusSet:
    """Make a set of images and a table that says what each of them shows.

    The table has a row an image, in any order, and holds every combination of its columns' values once. For
    ``neuroprobe.orientation`` one column is ``orientation``, degrees in [0, 180), evenly spaced. Results keep a digest
    of the images. The set can be sent to another process.

    Args:
        images: in [0, 1], (N, C, H, W), or grey (N, H, W), which is shown to three channels.
        parameters: a DataFrame, or columns by name, of numbers.
        blank: what is shown for nothing: a grey level, or an image (H, W) or (C, H, W).
        pooled: the columns that a tuning curve is pooled over, None for ``phase`` where there is one; on the others it
            is taken where the response is largest.

    Raises:
        ValueError, TypeError: for images, a table or a blank that do not fit.

    Example:
        >>> table = {"orientation": [0, 45, 90, 135] * 2, "phase": [0] * 4 + [180] * 4}
        >>> from_images(torch.rand(8, 20, 20), table)
        StimulusSet(images: 4 orientation x 2 phase = 8 images of 3x20x20)
    """
    pictures = _tensor(images)
    if pictures.ndim not in (3, 4) or not pictures.numel():
        raise ValueError(f"images must be (N, C, H, W) or grey (N, H, W); {tuple(pictures.shape)} came")
    _refuse_outside("images", pictures)
    axes, order = _grid(parameters, len(pictures))
    draw = _Table(pictures[torch.from_numpy(order)], axes)
    return _own_set("images", axes, image_size(pictures.shape[1:]), draw, blank, pooled, {})


def from_function(
    draw: Callable[..., Any],
    axes: Mapping[str, Sequence[float] | NDArray[Any]],
    size: int | Sequence[int],
    *,
    blank: float | Tensor | NDArray[Any] = 0.5,
    pooled: Sequence[str] | None = None,
) -> StimulusSet:
    """Make a set of the images that a function draws, one for each combination of its parameters.

    Whenever an image is shown the function is called for it, as ``draw(orientation=30.0, contrast=0.5)``: it must give
    the same image each time. Results keep a digest of the images. The set can be sent to another process if the
    function can: one of a module can, a lambda cannot.

    Args:
        draw: keywords to an image in [0, 1], (C, H, W) or grey (H, W), a tensor or an array.
        axes: values by name of parameter. For ``neuroprobe.orientation`` one is ``orientation``, degrees in [0, 180),
            evenly spaced.
        size: of the images: a side, (H, W) or (C, H, W) in pixels; three channels where none are given.
        blank: what is shown for nothing: a grey level, or an image (H, W) or (C, H, W).
        pooled: the axes that a tuning curve is pooled over, None for ``phase`` where there is one; on the others it is
            taken where the response is largest.

    Raises:
        ValueError, TypeError: for axes or a blank that do not fit, and for an image of another shape or range.

    Example:
        >>> def edge(orientation, contrast):
        ...     up, right = np.mgrid[16:-16:-1, -16:16]
        ...     angle = np.deg2rad(orientation)
        ...     return 0.5 + 0.5 * contrast * np.sign(up * np.cos(angle) - right * np.sin(angle))
        >>> from_function(edge, {"orientation": range(0, 180, 15), "contrast": [0.5, 1]}, size=32)
        StimulusSet(edge: 12 orientation x 2 contrast = 24 images of 3x32x32)
    """
    if not isinstance(axes, Mapping) or not axes:
        raise TypeError(f"axes are values by name of parameter, as {{'orientation': range(0, 180, 15)}}; {axes!r} came")
    values = {name: _axis(name, _numbers(name, given)) for name, given in axes.items()}
    drawn, name = _Drawn(draw, image_size(size)), getattr(draw, "__name__", type(draw).__name__)
    drawn.image({axis: numbers[0].item() for axis, numbers in values.items()})  # what cannot be drawn is said at once
    settings = {"function": f"{getattr(draw, '__module__', type(draw).__module__)}.{name}"}
    return _own_set(name, values, drawn.size, drawn, blank, pooled, settings)


def _own_set(
    kind: str,
    axes: Mapping[str, Floats],
    size: tuple[int, int, int],
    draw: Callable[[Mapping[str, Tensor]], Tensor],
    blank: Any,
    pooled: Sequence[str] | None,
    settings: Mapping[str, Any],
) -> StimulusSet:
    """Put a set together, with its blank."""
    level = _tensor(blank)
    if level.ndim and tuple(level.shape) not in (size, size[1:]):
        raise ValueError(f"blank is a grey level or an image {size[1:]} or {size}; shape {tuple(level.shape)} came")
    _refuse_outside("blank", level)
    repeats = [name for name in axes if name == "phase"] if pooled is None else list(pooled)
    if not set(repeats) <= set(axes) - {"orientation"}:
        raise ValueError(f"pooled names parameters other than orientation, of {', '.join(axes)}; {pooled!r} came")
    names = tuple(name for name in axes if name in repeats)
    return StimulusSet(kind, axes, size, draw, level if level.ndim else level.item(), None, settings, names, own=True)


@dataclass(frozen=True, eq=False)
class _Table:
    """Draws by looking up: images (n, C, H, W) or (n, H, W), in C order of their axes."""

    images: Tensor
    axes: Mapping[str, Floats]

    def __call__(self, parameters: Mapping[str, Tensor]) -> Tensor:
        device = next(iter(parameters.values())).device
        # the nearest, as parameters may come in single precision
        steps = [np.abs(parameters[name].cpu().numpy()[:, None] - axis).argmin(1) for name, axis in self.axes.items()]
        numbers = np.ravel_multi_index(steps, [axis.size for axis in self.axes.values()])
        return self.images[torch.from_numpy(numbers)].to(device)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Draws by a user's function, image by image."""

    function: Callable[..., Any]
    size: tuple[int, int, int]

    def __call__(self, parameters: Mapping[str, Tensor]) -> Tensor:
        rows = zip(*(values.tolist() for values in parameters.values()), strict=True)
        images = [self.image(dict(zip(parameters, row, strict=True))) for row in rows]
        return torch.stack(images).to(next(iter(parameters.values())).device)

    def image(self, row: Mapping[str, float]) -> Tensor:
        """Draw one image (C, H, W) and check it."""
        image = _tensor(self.function(**row))
        call = f"draw({_said(row)})"
        if tuple(image.shape) not in (self.size, self.size[1:]):
            raise ValueError(f"{call} must give an image {self.size[1:]} or {self.size}; {tuple(image.shape)} came")
        _refuse_outside(call, image)
        return image.expand(self.size)


def _grid(parameters: Any, n_images: int) -> tuple[dict[str, Floats], NDArray[np.intp]]:
    """Find a table's axes, and its rows in the order of their product."""
    if not isinstance(parameters, Mapping) and not hasattr(parameters, "columns"):
        raise TypeError(f"parameters are a DataFrame or columns by name; {type(parameters).__name__} came")
    columns = {name: _numbers(name, parameters[name]) for name in parameters}
    if not columns or any(len(numbers) != n_images for numbers in columns.values()):
        lengths = {name: len(numbers) for name, numbers in columns.items()}
        raise ValueError(f"parameters must have a row for each of the {n_images} images; columns of {lengths} came")
    axes = {name: _axis(name, np.unique(numbers)) for name, numbers in columns.items()}
    shape = tuple(axis.size for axis in axes.values())
    places = np.ravel_multi_index([np.searchsorted(axis, columns[name]) for name, axis in axes.items()], shape)
    times = np.bincount(places, minlength=prod(shape))
    if (times != 1).any():
        odd = int((times != 1).argmax())
        row = {name: axis[step] for (name, axis), step in zip(axes.items(), np.unravel_index(odd, shape), strict=True)}
        raise ValueError(
            f"parameters must hold each of {' x '.join(map(str, shape))} = {times.size} combinations of their values "
            f"once; {_said(row)} came {times[odd]} times in {n_images} rows"
        )
    return axes, places.argsort()


def _numbers(name: Any, given: Any) -> Floats:
    """Read finite numbers, and the name they go by."""
    if not isinstance(name, str) or not name.isidentifier() or name == "unit":
        raise ValueError(f"a parameter goes by a word, and 'unit' counts units already; {name!r} came")
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be a sequence of numbers (count words: 0, 1, ...); {given!r:.60} came"
        ) from error
    return axis_values(name, np.atleast_1d(numbers), np.asarray)


def _axis(name: str, numbers: Floats) -> Floats:
    """Make an axis: numbers ascending, each of them once, orientations on the half-circle."""
    values = ascending(name, numbers)
    if name == "orientation" and not 0 <= values[0] <= values[-1] < 180:
        wrong = values[0] if values[0] < 0 else values[-1]
        raise ValueError(f"orientation counts from 0 to below 180 degrees, then comes round again; {wrong:g} came")
    return values


def _tensor(given: Any) -> Tensor:
    """Take an image, or more, in single precision on the CPU."""
    # a copy: an array may be read-only, which torch does not know
    return given.detach().cpu().float() if isinstance(given, Tensor) else torch.from_numpy(np.array(given, np.float32))


def _refuse_outside(what: str, images: Tensor) -> None:
    """Raise where images have values that are no luminance."""
    low, high = map(float, torch.aminmax(images))
    if not (low >= 0 and high <= 1):  # so written, NaN fails too
        raise ValueError(f"{what} must lie in [0, 1]; {low:.3g} to {high:.3g} came")


def _said(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in row.items())
