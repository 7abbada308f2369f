"""All that a page says, put together and written: the units, the cards of each layer, the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import neuroprobe
from neuroprobe.models import random_state_kept
from neuroprobe.page.about import about
from neuroprobe.page.columns import columns
from neuroprobe.page.details import layer_details
from neuroprobe.page.encoding import script
from neuroprobe.page.folder import write_page
from neuroprobe.page.photographs import write_photographs
from neuroprobe.page.previews import image_previews, tuning_previews
from neuroprobe.page.stimuli import shown_stimuli, write_sheets
from neuroprobe.results import Recording, Tuning

if TYPE_CHECKING:
    from pathlib import Path

    from neuroprobe.data import Data
    from neuroprobe.page.insight import Insight
    from neuroprobe.page.joining import Joined
    from neuroprobe.stimuli import StimulusSet


@dataclass(frozen=True, eq=False, kw_only=True)
class Content:
    """What there is to show."""

    joined: Joined
    title: str
    insight: Insight
    data: Data | None
    stimuli: StimulusSet | None
    progress: bool

    @cached_property
    def layers(self) -> dict[str, dict[str, Any]]:
        """What the cards of each layer show."""
        return {layer: layer_details(self.joined, layer, self.insight) for layer in self.joined.layers}

    def write(self, folder: Path) -> None:
        """Write the page to a new folder."""
        for name in ("page", "data", "images"):
            (folder / name).mkdir(parents=True)
        units, layers = sum(self.joined.layers.values()), len(self.joined.layers)
        write_page(folder, self.title, f"{units:,} units of {layers} layers, one by one")
        for name, said in self._parts(folder / "images"):
            (folder / "data" / f"{name}.js").write_text(script("deliver", name, said), encoding="utf-8")

    def _parts(self, images: Path) -> Iterator[tuple[str, Any]]:
        """Yield what the page loads, each under the name that it asks for; the pictures are written on the way."""
        sheets, photographs = self._sheets(images), self._photographs(images)
        written = photographs["about"] if photographs else {}
        pictures = {
            "sheets": sheets,
            "photographs": photographs and photographs["file"],
            "images": image_previews(self.layers, self.joined.layers, written),
        }
        yield "units", self._units() | pictures
        yield "images", photographs
        for number, details in enumerate(self.layers.values()):
            yield f"layer-{number}", details

    def _units(self) -> dict[str, Any]:
        joined = self.joined
        return {
            "title": self.title,
            "network": {name: joined.meta.get(name) for name in ("model", "model_class", "weights", "versions")},
            "neuroprobe": neuroprobe.__version__,
            "layers": [
                {"name": name, "kind": self._kind(name), "shape": joined.shape(name)[1:], "units": units}
                for name, units in joined.layers.items()
            ],
            "columns": columns(joined),
            "results": [about(result) for result in joined.results],
            "curves": tuning_previews(self.layers, joined.layers),
        }

    def _kind(self, layer: str) -> str:
        said = (result.meta["layers"].get(layer) for result in self.joined.results)
        return next(layer["kind"] for layer in said if layer)

    def _sheets(self, folder: Path) -> dict[int, Any]:
        """Write the pictures of the stimuli that drive any unit best; say for each result how they are found."""
        sheets = {}
        for number, result in enumerate(self.joined.results):
            stimuli = shown_stimuli(result.meta["stimuli"], self.stimuli) if isinstance(result, Tuning) else None
            if stimuli is not None:
                best = [self.layers[layer]["tuning"]["best"]["stimuli"] for layer in result.layer_names]
                numbers = np.unique(np.concatenate(best, axis=None))
                sheets[number] = write_sheets(stimuli, numbers, folder, f"stimuli-{number}")
        return sheets

    def _photographs(self, folder: Path) -> dict[str, Any] | None:
        """Write the images that drive any unit most, where they are at hand."""
        numbers = [details["images"]["numbers"] for details in self.layers.values() if "images" in details]
        if self.data is None or not numbers:
            return None
        wanted = np.unique(np.concatenate(numbers, axis=None)).tolist()
        recordings = [result for result in self.joined.results if isinstance(result, Recording)]
        said = recordings[0].meta
        shape = said.get("input_size", self.insight.image_shape)
        how: Any = {"count": said.get("images"), "classes": said.get("classes"), "shape": shape and tuple(shape)}
        how["known"] = {number: known for each in recordings for number, known in each.fingerprints.items()}
        with random_state_kept(torch.device("cpu")):  # a user's data set may draw from it
            return write_photographs(self.data, wanted, folder, progress=self.progress, **how)
