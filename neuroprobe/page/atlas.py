"""One public call: results in, a page out."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from neuroprobe.data import Data
from neuroprobe.distributed import first_for_all
from neuroprobe.folders import moved_when_whole
from neuroprobe.page.content import Content
from neuroprobe.page.folder import refuse_to_clobber
from neuroprobe.page.insight import Insight
from neuroprobe.page.joining import Joined, Results
from neuroprobe.stimuli import StimulusSet


@first_for_all
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
        model: the network, for the filters of its first layer, the order of layers, and what places of their maps see.
        data: the images that were recorded, in the same order, for pictures of those that drive units most.
        stimuli: the set that orientation was measured with, for pictures of it, where it is one of the user's own.
        title: of the page; the network's name where not given.
        overwrite: replace an atlas that is there.
        progress: show a bar on a terminal.

    Returns:
        Where the page is, ``out/index.html``.

    Raises:
        ValueError: if the results, or ``model``, are of different networks, or measured the same twice; if ``data`` are
            not the images that were recorded.
        TypeError: if a result has no units; FileExistsError: if something lies at ``out``.
    """
    place = Path(out).expanduser().resolve()
    refuse_to_clobber(place, overwrite=overwrite)
    joined = Joined.of(results)
    insight = Insight.of(model, joined)
    content = Content(
        joined=joined.ordered(insight.order),
        insight=insight,
        title=title or str(joined.meta["model"]),
        data=data,
        stimuli=stimuli,
        progress=progress,
    )
    with moved_when_whole(place) as partial:
        content.write(partial)
    return place / "index.html"
