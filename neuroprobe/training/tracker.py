"""Units followed while a network learns: a callback for anybody's Lightning trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import nn

from neuroprobe.analysis.orientation import Stimuli
from neuroprobe.data import Data
from neuroprobe.preparation import Preprocess
from neuroprobe.readout import Tokens, whole_number
from neuroprobe.results import Development
from neuroprobe.training.development import developed
from neuroprobe.training.snapshots import Measurement, Snapshot, first_looks

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise ImportError('UnitTracker needs Lightning: pip install "neuroprobe[train]"') from error


class UnitTracker(Callback):
    """Follow every unit while a network learns: class and orientation selectivity, dead units, accuracy.

    It looks at the network before the first epoch, after each ``every``-th and after the last, in eval mode, and leaves
    the training as it would be without. What it found travels in Lightning's checkpoints: a training that goes on from
    one ends with the result of one that was never stopped.

    Example:
        >>> import torch, neuroprobe
        >>> images, labels = torch.rand(40, 3, 32, 32), torch.arange(40) % 2
        >>> tracker = neuroprobe.UnitTracker((images, labels), every=5, layers=["relu*"])
        >>> callbacks = [tracker]  # of your Trainer; when it has fitted, there is tracker.result

    The network is ``module.network`` where the module has one, else the module itself. Of several processes the first
    measures while the others wait.

    Args:
        data: photographs in [0, 1] with class indices, that the network does not learn from: tensors, a Dataset, a
            DataLoader or a folder with one for each class. A thousand or two are enough to see layers change, and take
            a second or two on two cores.
        every: how many epochs apart.
        layers: names, globs, or None for the outputs of all non-linearities.
        stimuli: as in ``neuroprobe.orientation``; None for the default gratings, of the size of the photographs.
        classes: measure class selectivity.
        orientation: measure orientation selectivity.
        preprocess: ``"auto"`` for the network's own normalisation, None, or a function of images in [0, 1].
        batch_size: None for one that suits the image size.
        unit_axis: the axis that counts the units, for layers where it is found wrong.
        tokens: which tokens of a token layer are read: ``"patch"``, ``"cls"``, ``"all"``.

    Raises:
        ImportError: where Lightning is not installed; ValueError: for arguments that do not fit.
    """

    def __init__(
        self,
        data: Data,
        *,
        every: int = 1,
        layers: str | Sequence[str] | None = None,
        stimuli: Stimuli | None = None,
        classes: bool = True,
        orientation: bool = True,
        preprocess: Literal["auto"] | Preprocess | None = "auto",
        batch_size: int | None = None,
        unit_axis: Mapping[str, int] | None = None,
        tokens: Tokens = "patch",
    ) -> None:
        whole_number("every", every, least=1)
        self._every = every
        self._measurement = Measurement(
            data=data, layers=layers, stimuli=stimuli, classes=classes, orientation=orientation, preprocess=preprocess,
            batch_size=batch_size, unit_axis=unit_axis, tokens=tokens,
        )  # fmt: skip
        self._snapshots: dict[int, Snapshot] = {}

    def __repr__(self) -> str:
        """Say what it follows: a training goes on with a tracker of the same."""
        asked = self._measurement
        what = f"layers={asked.layers!r}, classes={asked.classes}, orientation={asked.orientation}"
        return f"{type(self).__name__}(every={self._every}, {what})"

    @property
    def result(self) -> Development:
        """What was found so far.

        Raises:
            RuntimeError: if no training has begun.
        """
        if not self._snapshots:
            raise RuntimeError("nothing was followed yet: pass the tracker to a Trainer as a callback, and fit")
        return developed(self._snapshots)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002 - Lightning's
        """Begin anew with a new training; what a checkpoint holds is loaded after this."""
        if stage == "fit" and trainer.current_epoch == 0:
            self._snapshots = {}

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the network that nothing was done to yet; and where a checkpoint was made just before it was due."""
        if not self._snapshots or self._is_due(trainer, trainer.current_epoch):
            self._look(trainer.current_epoch, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the network after each so many epochs, and after the last."""
        if self._is_due(trainer, trainer.current_epoch + 1):
            self._look(trainer.current_epoch + 1, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the network where training was stopped early."""
        self._look(trainer.current_epoch, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return what was found so far, for a checkpoint."""
        return {"snapshots": {epoch: snapshot.to_state() for epoch, snapshot in self._snapshots.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        self._snapshots = {epoch: Snapshot.from_state(state) for epoch, state in state_dict["snapshots"].items()}

    def _is_due(self, trainer: Trainer, epoch: int) -> bool:
        return epoch % self._every == 0 or epoch == trainer.max_epochs

    def _look(self, epoch: int, pl_module: LightningModule) -> None:
        if epoch not in self._snapshots:
            self._snapshots[epoch] = first_looks(self._measurement, _network_of(pl_module))


def _network_of(pl_module: LightningModule) -> nn.Module:
    network = getattr(pl_module, "network", None)
    return network if isinstance(network, nn.Module) else pl_module
