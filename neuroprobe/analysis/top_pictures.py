"""The pictures that drive units most, and where in each of them a unit responds most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isqrt

from torch import Tensor, nn

from neuroprobe.analysis.receptive_fields import ReceptiveFields, receptive_fields
from neuroprobe.data import Data, Images, open_images
from neuroprobe.pictures import Picture, pictures, refuse_another_count
from neuroprobe.preparation import prepare
from neuroprobe.reducers import TopImages
from neuroprobe.results import Recording

_NO_RESPONSE = 1e-12  # response units
Box = tuple[float, float, float, float]  # top, bottom, left, right, pixels from the image's upper left corner


@dataclass(frozen=True, eq=False)
class TopPicture:
    """One of the images that drive a unit most."""

    image: Tensor  # (C, H, W)
    class_name: str | None
    response: float
    box: Box | None  # where the unit responds most; None for layers without places


def top_pictures(
    recording: Recording, data: Data, units: Sequence[tuple[str, int]], model: nn.Module | None = None
) -> list[list[TopPicture]]:
    """Fetch for each unit the pictures that drive it most, the strongest first; those without a response are left out.

    Example:
        >>> import torch, neuroprobe
        >>> images = torch.rand(6, 3, 32, 32)
        >>> recording = neuroprobe.record(neuroprobe.load_network("cnn7"), images, reducers=["top_images"])
        >>> ((strongest, *_),) = top_pictures(recording, images, [("relu5", 4)])
        >>> tuple(strongest.image.shape), strongest.class_name
        ((3, 32, 32), None)

    Args:
        recording: made with the reducer ``top_images``, or of every response.
        data: the images that were recorded; photographs of a folder are cut as the network was shown them.
        units: as (layer, unit).
        model: the network: boxes are then receptive fields, else a place's share of the map.

    Raises:
        ValueError: if the recording holds no top images, or the data are not those that were recorded.
    """
    tops = {layer: recording.top_images(layer) for layer, _ in units}
    rows = [(tops[layer], layer, unit) for layer, unit in units]
    opened, wanted = _opened(recording, data, model), [n for top, _, unit in rows for n in _responding(top, unit)]
    refuse_another_count(opened, recording.meta.get("images"))
    looked_at = map(int, recording.meta.get("fingerprints", ()))  # where of the top images nothing is known
    found = pictures(opened, [*wanted, *looked_at], recording.fingerprints)
    fields = _fields(recording, list(tops), model, found.values())
    names = recording.meta.get("classes") or ()
    return [
        [
            TopPicture(found[number].image, _class_name(found[number], names), *_where(top, unit, rank, fields[layer]))
            for rank, number in enumerate(_responding(top, unit))
        ]
        for top, layer, unit in rows
    ]


def _opened(recording: Recording, data: Data, model: nn.Module | None) -> Images:
    """Open the data as they were shown; a recording that does not say how was made for the network's own size."""
    said = recording.meta.get("input_size")
    size = None if said is None else tuple(said)
    if model is None:
        return open_images(data, shape=size, any_range=True)
    return prepare(model, preprocess=None).open(data, input_size=size)


def _responding(top: TopImages, unit: int) -> list[int]:
    """Return the numbers of a unit's images that it responds to at all."""
    return top.images[unit][top.values[unit] > _NO_RESPONSE].tolist()


def _where(top: TopImages, unit: int, rank: int, fields: ReceptiveFields | None) -> tuple[float, Box | None]:
    """Return a unit's response to an image and the box of its place."""
    response, place = float(top.values[unit, rank]), top.places[unit, rank].tolist()
    if fields is None or not place:
        return response, None
    row, column = place if len(place) == 2 else divmod(place[0], fields.columns.places)  # tokens, row by row
    return response, fields.box(row, column)


def _class_name(picture: Picture, names: Sequence[str]) -> str | None:
    if picture.label is None:
        return None
    return str(names[picture.label]) if picture.label < len(names) else str(picture.label)


def _fields(
    recording: Recording, layers: Sequence[str], model: nn.Module | None, found: Iterable[Picture]
) -> dict[str, ReceptiveFields | None]:
    """Return what the places of each layer see: measured where there is a model, else their shares of the image."""
    image = next((picture.image for picture in found), None)
    if image is None:
        return dict.fromkeys(layers)
    channels, height, width = image.shape
    measured = receptive_fields(model, layers, image_size=(channels, height, width)) if model is not None else {}
    return {layer: measured.get(layer) or _shares(_grid(recording, layer), (height, width)) for layer in layers}


def _shares(grid: tuple[int, ...], sides: tuple[int, int]) -> ReceptiveFields | None:
    return ReceptiveFields.shares(grid, sides) if len(grid) == 2 else None


def _grid(recording: Recording, layer: str) -> tuple[int, ...]:
    """Return the axes of places of a layer: (rows, columns) of a map or of the square that tokens come from."""
    shape = tuple(recording.meta["layers"][layer]["shape"][1:])  # of one image
    units = len(recording.units.loc[layer])
    grid = shape[1:] if len(shape) != 2 and shape[0] == units else shape[:-1]
    return (isqrt(grid[0]),) * 2 if len(grid) == 1 else grid
