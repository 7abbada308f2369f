"""What a training writes as it goes on, and in which order: so nothing is lost, wherever it is killed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping

from neuroprobe.training.module import Learning
from neuroprobe.training.run_folder import RunFolder, write_weights
from neuroprobe.training.tracker import UnitTracker


class Keeper(Checkpoint):
    """Keeps a row an epoch, the weights that are wanted, and the checkpoint from which a killed training goes on.

    The checkpoint comes last in an epoch, and holds the rows: what was written before it is written again, the same,
    where the process was killed in between. The weights come last of all, once the test photographs are seen.
    """

    def __init__(self, learning: Learning, folder: RunFolder, *, keep_every: int) -> None:
        self.rows: list[dict[str, float]] = []
        self.safe = 0  # epochs in the checkpoint
        self._learning, self._folder, self._keep_every = learning, folder, keep_every

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep the untrained network."""
        if self._keep_every and trainer.is_global_zero and not self.rows:
            write_weights(self._learning.network, self._folder.epoch(0))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Write what the epoch came to; :meth:`state_dict` goes with the checkpoint."""
        self.rows.append(self._learning.row)
        if trainer.is_global_zero:
            self._write(len(self.rows))
        trainer.save_checkpoint(self._folder.checkpoint)
        self.safe = len(self.rows)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Write what a tracker found."""
        if trainer.is_global_zero:
            for tracker in _trackers(trainer.callbacks):  # type: ignore[attr-defined]
                tracker.result.save(self._folder.development, overwrite=True)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Write the weights, which say that the training is over."""
        if trainer.is_global_zero:
            epoch = best_epoch(self._folder.read_metrics()["val_loss"].tolist())
            write_weights(self._learning.network, self._folder.weights, self._learning.facts | {"epoch": epoch})

    def state_dict(self) -> dict[str, Any]:
        """Return the rows."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of the epochs before."""
        self.rows = list(state_dict["rows"])
        self.safe = len(self.rows)

    def _write(self, done: int) -> None:
        self._folder.write_metrics(self.rows)
        if self._keep_every and done % self._keep_every == 0:
            write_weights(self._learning.network, self._folder.epoch(done))
        if self._learning.validates and done == best_epoch([row["val_loss"] for row in self.rows]):
            write_weights(self._learning.network, self._folder.best)


class Patience(EarlyStopping):
    """Early stopping that a training which goes on remembers: one that was to stop does not learn another epoch."""

    def __init__(self, epochs: int) -> None:
        super().__init__("val_loss", patience=epochs, verbose=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop at once where the training had stopped already."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


def checked_callbacks(track: Callback | Sequence[Callback]) -> list[Callback]:
    """Return what is to come along with a training.

    Raises:
        TypeError: if something is no callback; ValueError: if there are two trackers, which one folder does not hold.
    """
    callbacks = list(track) if isinstance(track, Sequence) else [track]
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(
                "track must be a UnitTracker, or callbacks of lightning.pytorch, () for none; "
                f"{type(callback).__name__} came"
            )
    if (count := len(_trackers(callbacks))) > 1:
        raise ValueError(f"track takes one UnitTracker at most; {count} came: let one follow the layers of all")
    return callbacks


def _trackers(callbacks: Sequence[Callback]) -> list[UnitTracker]:
    return [callback for callback in callbacks if isinstance(callback, UnitTracker)]


def best_epoch(losses: Sequence[float]) -> int:
    """Return the first epoch, from 1, with the smallest validation loss; the last where none was measured (NaN).

    Example:
        >>> best_epoch([0.9, 0.5, 0.5, 0.7])
        2
        >>> best_epoch([float("nan")] * 3)
        3
    """
    measured = [(loss, epoch) for epoch, loss in enumerate(losses, start=1) if not isnan(loss)]
    return min(measured)[1] if measured else len(losses)
