"""Units followed over the checkpoints of a training: snapshots joined to one result."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from neuroprobe.analysis.orientation import Stimuli
from neuroprobe.data import Data
from neuroprobe.distributed import together
from neuroprobe.models import unwrap
from neuroprobe.networks.loading import load_weights
from neuroprobe.preparation import Preprocess
from neuroprobe.progress import progress_bar
from neuroprobe.readout import Tokens
from neuroprobe.results import Development
from neuroprobe.training.snapshots import Measurement, Snapshot, answers_of_all, unit_curves, units_of_all

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")
_EPOCH = re.compile(r"epoch(?P<sign>[-_=]?)(?P<number>\d+)")


@together
def track_units(
    network: nn.Module,
    checkpoints: str | Path | Mapping[int, str | Path],
    data: Data,
    *,
    layers: str | Sequence[str] | None = None,
    stimuli: Stimuli | None = None,
    classes: bool = True,
    orientation: bool = True,
    preprocess: Literal["auto"] | Preprocess | None = "auto",
    batch_size: int | None = None,
    device: torch.device | str | None = None,
    progress: bool = True,
    unit_axis: Mapping[str, int] | None = None,
    tokens: Tokens = "patch",
    dtype: torch.dtype | None = None,
) -> Development:
    """Follow every unit over the checkpoints of a training: class and orientation selectivity, dead units, accuracy.

    Example:
        >>> import tempfile, torch, neuroprobe
        >>> network = neuroprobe.load_network("cnn7", None)
        >>> data = torch.rand(40, 3, 32, 32), torch.arange(40) % 2
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for epoch in (0, 5):
        ...         torch.save(network.state_dict(), f"{folder}/epoch-{epoch:04d}.pt")
        ...     development = neuroprobe.track_units(network, folder, data, layers=["relu1", "relu2"])
        >>> development.layers.index.tolist()
        [(0, 'relu1'), (0, 'relu2'), (5, 'relu1'), (5, 'relu2')]
        >>> development.curves["relu1"].gosi.dims
        ('epoch', 'unit')

    Args:
        network: of the architecture that the checkpoints are of; its own weights are not looked at, nor changed.
        checkpoints: a folder of files whose names give the epoch: ``epoch-0003.safetensors`` (``.pt``, ``.pth``,
            ``.ckpt``), after 3 epochs, or ``epoch=2-step=400.ckpt`` as Lightning counts, after 3 too; or a mapping from
            epochs to files.
        data: images in [0, 1] with class indices: tensors, a Dataset, a DataLoader or a folder with one for each class.
        layers: names, globs, or None for the outputs of all non-linearities.
        stimuli: as in ``neuroprobe.orientation``; None for the default gratings, of the size of the images.
        classes: measure class selectivity.
        orientation: measure orientation selectivity.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images in [0, 1].
        batch_size: None for one that suits the image size.
        device: None for the network's own.
        progress: show a bar on a terminal.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens of a token layer are read: ``"patch"``, ``"cls"``, ``"all"``.
        dtype: ``torch.bfloat16`` or ``torch.float16`` to run the network in lower precision.

    Returns:
        A ``Development``: ``.curves[layer]`` with ``si``, ``gosi`` and more of every unit (epoch, unit), ``.layers`` a
        row an epoch and layer, ``.epochs`` with accuracy and loss; ``.summary()``, ``.plot()``, ``.save(path)``.

    Raises:
        FileNotFoundError: if there are no such files; ValueError: if they are of another architecture, or two of one
        epoch; and whatever the measurements raise.
    """
    measurement = Measurement(
        data=data, layers=layers, stimuli=stimuli, classes=classes, orientation=orientation, preprocess=preprocess,
        batch_size=batch_size, device=device, unit_axis=unit_axis, tokens=tokens, dtype=dtype,
    )  # fmt: skip
    files = _files(checkpoints)
    copied, snapshots = copy.deepcopy(unwrap(network)), {}
    with progress_bar("following units", len(files), shown=progress, unit="checkpoints") as bar:
        for epoch, file in sorted(files.items()):
            snapshots[epoch] = measurement.of(load_weights(copied, file))
            bar.update()
    return developed(snapshots)


def _files(checkpoints: str | Path | Mapping[int, str | Path]) -> Mapping[int, Path]:
    """Return the file of each epoch."""
    if isinstance(checkpoints, Mapping):
        files = {int(epoch): Path(file) for epoch, file in checkpoints.items()}
        where = "the mapping"
    else:
        files, where = _in_folder(Path(checkpoints)), f"folder {checkpoints}"
    if not files:
        raise FileNotFoundError(
            f"checkpoints named by epoch are wanted, such as epoch-0003.safetensors; there are none in {where}"
        )
    return files


def _in_folder(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"a folder of checkpoints is wanted, or a mapping {{epoch: file}}; there is no folder {folder}"
        )
    files: dict[int, Path] = {}
    for file in sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES):
        if (epoch := _epoch_of(file)) is None:
            continue
        if epoch in files:
            raise ValueError(
                f"{files[epoch].name} and {file.name} are both of epoch {epoch}: pass a mapping {{epoch: file}}"
            )
        files[epoch] = file
    return files


def _epoch_of(file: Path) -> int | None:
    """Read from a file's name after how many epochs it was written; Lightning's ``epoch=0`` is the first, done."""
    found = _EPOCH.search(file.stem)
    return None if found is None else int(found["number"]) + (found["sign"] == "=")


def developed(snapshots: Mapping[int, Snapshot]) -> Development:
    """Join the snapshots of a training, by epoch, to one result."""
    ordered = dict(sorted(snapshots.items()))
    units, last = units_of_all(ordered, ["epoch"]), ordered[max(ordered)]
    return Development(
        _with_whole_classes(last.units), unit_curves(units), last.meta, None,
        _layer_table(units), answers_of_all(ordered, ["epoch"]),
    )  # fmt: skip


def _layer_table(units: pd.DataFrame) -> pd.DataFrame:
    """Sum up each layer at each epoch."""
    import pandas as pd

    columns = {"units": _by_epoch_and_layer(units["status"]).size()}
    if "si" in units:
        columns["mean_si"] = _by_epoch_and_layer(units["si"]).mean()
        columns["dead"] = _by_epoch_and_layer(units["status"] == "dead").sum()
    if "gosi" in units:
        columns["mean_gosi"] = _by_epoch_and_layer(units["gosi"]).mean()
        columns["median_gosi"] = _by_epoch_and_layer(units["gosi"]).median()
        columns["unresponsive"] = _by_epoch_and_layer(units["status"] == "unresponsive").sum()
    return pd.DataFrame(columns)


def _by_epoch_and_layer(values: pd.Series[Any]) -> Any:
    return values.groupby(level=["epoch", "layer"], sort=False)


def _with_whole_classes(units: pd.DataFrame) -> pd.DataFrame:
    """Return the table with classes as whole numbers, as the measurement of one network has them."""
    return units.astype({"preferred_class": "Int64"}) if "preferred_class" in units else units
