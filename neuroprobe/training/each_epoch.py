"""What is written after each epoch."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping

from neuroprobe.training.module import Learning
from neuroprobe.training.run_folder import RunFolder, write_weights


class EachEpoch(Checkpoint):
    """Keeps a row an epoch, the best weights, and the checkpoint from which a killed training goes on.

    The checkpoint comes last, and holds the rows: what was written before it is written again, the same, where the
    process was killed in between.
    """

    def __init__(self, learning: Learning, folder: RunFolder, *, validates: bool, keep_every: int) -> None:
        self.rows: list[dict[str, float]] = []
        self._learning, self._folder, self._validates, self._keep_every = learning, folder, validates, keep_every

    @property
    def best(self) -> int:
        """The epoch, from 1, with the smallest validation loss, the first of several; the last without validation."""
        if not self._validates:
            return len(self.rows)
        return 1 + min(range(len(self.rows)), key=lambda number: self.rows[number]["val_loss"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep the untrained network."""
        if self._keep_every and trainer.is_global_zero and not self.rows:
            write_weights(self._learning.network, self._folder.epoch(0))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Write what the epoch came to; :meth:`state_dict` goes with the checkpoint."""
        self.rows.append(self._learning.row)
        if trainer.is_global_zero:
            self._write()
        trainer.save_checkpoint(self._folder.checkpoint)

    def state_dict(self) -> dict[str, Any]:
        """Return the rows."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of the epochs before."""
        self.rows = list(state_dict["rows"])

    def _write(self) -> None:
        done = len(self.rows)
        self._folder.write_metrics(self.rows)
        if self._keep_every and done % self._keep_every == 0:
            write_weights(self._learning.network, self._folder.epoch(done))
        if self._validates and self.best == done:
            write_weights(self._learning.network, self._folder.best)


class Patience(EarlyStopping):
    """Early stopping that a training which goes on remembers: one that was to stop does not learn another epoch."""

    def __init__(self, epochs: int) -> None:
        super().__init__("val_loss", patience=epochs, verbose=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop at once where the training had stopped already."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience
