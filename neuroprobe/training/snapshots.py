"""The units of a network at one time of its training: what is measured of them, and how it travels in a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from torch import nn

from neuroprobe.analysis.class_selectivity import class_selectivity
from neuroprobe.analysis.orientation import Stimuli, orientation
from neuroprobe.analysis.outcomes import Outcomes
from neuroprobe.answers import logits_of
from neuroprobe.data import Data
from neuroprobe.distributed import first_for_all
from neuroprobe.observing import first_image
from neuroprobe.preparation import Preparation, Preprocess, prepare
from neuroprobe.readout import Tokens
from neuroprobe.results import unit_index
from neuroprobe.stimuli import StimulusSet

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from neuroprobe.results import Result

OF_CLASSES = ("si", "si_cv", "d_prime", "preferred_class")
OF_ORIENTATION = ("gosi", "gosi_blank", "osi", "preferred_orientation", "preferred_frequency", "bandwidth")
_STATUSES = ("ok", "rectified", "signed", "too_few", "unresponsive", "dead")  # the later ones take the place of others


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The units of a network at one time."""

    units: pd.DataFrame  # index (layer, unit), columns of numbers and status
    accuracy: float  # share of images, NaN without labels
    loss: float  # nats
    meta: Mapping[str, Any]

    def to_state(self) -> dict[str, Any]:
        """Return it as tensors, numbers and words, which a checkpoint may hold and is read back from safely."""
        numbers = self.units.drop(columns="status").astype("float32")
        return {
            "layers": self.units.groupby(level="layer", sort=False).size().to_dict(),
            "columns": {name: torch.from_numpy(column.to_numpy(copy=True)) for name, column in numbers.items()},
            "status": torch.tensor([_STATUSES.index(status) for status in self.units["status"]], dtype=torch.int8),
            "accuracy": self.accuracy,
            "loss": self.loss,
            "meta": json.dumps(self.meta),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Snapshot:
        """Undo :meth:`to_state`."""
        import pandas as pd

        columns = {name: tensor.numpy() for name, tensor in state["columns"].items()}
        status = np.array(_STATUSES, dtype=object)[state["status"].numpy()]
        units = pd.DataFrame({**columns, "status": status}, index=unit_index(state["layers"]))
        return cls(units, state["accuracy"], state["loss"], json.loads(state["meta"]))


@dataclass(frozen=True, eq=False, kw_only=True)
class Measurement:
    """What is measured of a network, the same at each time of its training."""

    data: Data
    layers: str | Sequence[str] | None = None
    stimuli: Stimuli | None = None
    classes: bool = True
    orientation: bool = True
    preprocess: Literal["auto"] | Preprocess | None = "auto"
    batch_size: int | None = None
    device: torch.device | str | None = None
    unit_axis: Mapping[str, int] | None = None
    tokens: Tokens = "patch"
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        if not (self.classes or self.orientation):
            raise ValueError("classes=False and orientation=False leave nothing to follow: leave one of them True")

    def of(self, network: nn.Module) -> Snapshot:
        """Measure a network as it is now, and leave it so."""
        how: dict[str, Any] = {"preprocess": self.preprocess, "device": self.device, "dtype": self.dtype}
        prepared = prepare(network, **how)
        accuracy, loss, shape = self._answers(prepared)
        how |= {"unit_axis": self.unit_axis, "tokens": self.tokens, "batch_size": self.batch_size, "progress": False}
        found: list[Result] = []
        if self.classes:
            found.append(class_selectivity(network, self.data, self.layers, permutations=0, **how))
        if self.orientation:
            size = None if isinstance(self.stimuli, StimulusSet) else shape
            found.append(orientation(network, self.layers, self.stimuli, input_size=size, permutations=0, **how))
        return Snapshot(_units(found), accuracy, loss, _meta(found))

    def _answers(self, prepared: Preparation) -> tuple[float, float, tuple[int, ...]]:
        """Return accuracy and loss on the images, NaN without labels, and the shape (C, H, W) of an image."""
        outcomes = Outcomes(trials=0)
        with prepared.at_rest():
            images = prepared.open(self.data, batch_size=self.batch_size).shared()
            image, batches = first_image(images)
            for batch in batches:
                if batch.labels is None:
                    return np.nan, np.nan, tuple(image.shape[1:])
                outcomes.intact(batch, logits_of(prepared.forward(prepared.prepared(batch.images))))
        outcomes = images.pooled(outcomes)
        return float(outcomes.accuracy[0]), float(outcomes.loss[0]), tuple(image.shape[1:])


@first_for_all
def first_looks(measurement: Measurement, network: nn.Module) -> Snapshot:
    """Let the first of several processes measure a network, while the others wait for what it finds."""
    return measurement.of(network)


def units_of_all(snapshots: Mapping[Any, Snapshot], names: Sequence[str]) -> pd.DataFrame:
    """Put the unit tables of several snapshots into one; names are those of what tells the snapshots apart."""
    import pandas as pd

    return pd.concat({key: snapshot.units for key, snapshot in snapshots.items()}, names=list(names))


def answers_of_all(snapshots: Mapping[Any, Snapshot], names: Sequence[str]) -> pd.DataFrame:
    """Return the accuracy and the loss of several snapshots, a row each."""
    import pandas as pd

    answers = [(snapshot.accuracy, snapshot.loss) for snapshot in snapshots.values()]
    return pd.DataFrame(answers, index=pd.Index(list(snapshots)), columns=["accuracy", "loss"]).rename_axis(list(names))


def unit_curves(units: pd.DataFrame) -> dict[str, xr.Dataset]:
    """Return the columns of each layer's units along what tells snapshots apart."""
    import xarray as xr

    layers = {str(name): units.xs(name, level="layer") for name in units.index.unique("layer")}
    curves = {name: xr.Dataset.from_dataframe(cast("pd.DataFrame", table)) for name, table in layers.items()}
    return {name: dataset.assign_coords(status=dataset["status"].astype(str)) for name, dataset in curves.items()}


def _units(found: Sequence[Result]) -> pd.DataFrame:
    """Put the columns that are followed into one table of the units, the most serious status with them."""
    import pandas as pd

    tables = [result.units for result in found]
    columns = [table[[name for name in OF_CLASSES + OF_ORIENTATION if name in table]] for table in tables]
    ranks = np.max([[_STATUSES.index(status) for status in table["status"]] for table in tables], axis=0)
    joined = pd.concat(columns, axis="columns").astype("float32")
    return joined.assign(status=np.array(_STATUSES, dtype=object)[ranks])


def _meta(found: Sequence[Result]) -> dict[str, Any]:
    """Return what the results were made from, as one."""
    joined: dict[str, Any] = {}
    for result in reversed(found):  # where both have a value, that of the first
        joined |= {**result.meta, "definitions": joined.get("definitions", {}) | result.meta["definitions"]}
    return joined
