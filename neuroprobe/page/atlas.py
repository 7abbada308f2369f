"""One public call: results in, a page out."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from neuroprobe.addresses import Layer, dry_run
from neuroprobe.data import Data
from neuroprobe.folders import moved_when_whole
from neuroprobe.models import unwrap
from neuroprobe.networks.expected import expected_input
from neuroprobe.page.content import Content
from neuroprobe.page.filters import first_filters
from neuroprobe.page.folder import refuse_to_clobber
from neuroprobe.page.joining import Joined, Results
from neuroprobe.results import Tuning
from neuroprobe.stimuli import StimulusSet


def atlas(
    results: Results,
    out: str | Path = "atlas/",
    *,
    model: nn.Module | None = None,
    data: Data | None = None,
    stimuli: StimulusSet | None = None,
    title: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write a web page of every unit of a network, from what was measured of it; it opens from disk, with no server.

    The page has the network as a strip of layers with the distribution of an index, a table to sort and filter, and a
    card for every unit: tuning, best stimuli, the images that drive it most, class profile, impact, invariance.

    Example:
        >>> import tempfile, neuroprobe
        >>> tuning = neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu1", "relu2"])
        >>> place = neuroprobe.atlas(tuning, tempfile.mkdtemp() + "/atlas")
        >>> place.name, (place.parent / "data" / "units.js").stat().st_size < 100_000
        ('index.html', True)

    Args:
        results: one result or several, or where they are saved: orientation, class_selectivity, unit_impact,
            shift_invariance, importance, and a recording with the reducer ``"top_images"`` (or of every response).
            All of one network; layers may differ.
        out: a folder that is not there yet.
        model: the network, for the filters of its first layer and the order of its layers.
        data: the images that were recorded, in the same order, for pictures of those that drive units most.
        stimuli: the set that orientation was measured with, for pictures of it, where it is one of the user's own.
        title: of the page; the network's name where not given.
        overwrite: replace an atlas that is there.
        progress: show a bar on a terminal.

    Returns:
        Where the page is, ``out/index.html``.

    Raises:
        ValueError: if the results, or ``model``, are of different networks, or measured the same twice.
        TypeError: if a result has no units; FileExistsError: if something lies at ``out``.
    """
    place = Path(out).expanduser().resolve()
    refuse_to_clobber(place, overwrite=overwrite)
    joined = Joined.of(results)
    found = [] if model is None else _layers_of(model, joined)
    content = Content(
        joined=joined.ordered([layer.name for layer in found]),
        title=title or str(joined.meta["model"]),
        filters={} if model is None else first_filters(model, found),
        data=data,
        image_shape=_image_shape(model, joined),
        stimuli=stimuli,
        progress=progress,
    )
    with moved_when_whole(place) as partial:
        content.write(partial)
    return place / "index.html"


def _layers_of(model: nn.Module, joined: Joined) -> list[Layer]:
    """Return the layers of the network that the results are of; none where the size of its images is not known."""
    joined.refuse_another(model)
    shape = _image_shape(model, joined)
    return [] if shape is None else dry_run(model, shape)


def _image_shape(model: nn.Module | None, joined: Joined) -> tuple[int, int, int] | None:
    """Return (C, H, W) of the images that the network takes, where it or a result tells."""
    expected = None if model is None else expected_input(unwrap(model))
    shown = [result.meta["stimuli"]["size"] for result in joined.results if isinstance(result, Tuning)]
    return expected.size if expected else tuple(shown[0]) if shown else None
