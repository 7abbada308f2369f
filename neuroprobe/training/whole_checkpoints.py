"""Checkpoints of Lightning's that are on the disk whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from neuroprobe.folders import write_whole


class WholeCheckpoints(CheckpointIO):
    """Writes a checkpoint beside the last one, waits for the disk, and only then puts it in its place.

    Killed at any point, or with a full disk, the last checkpoint is still there.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002
        """Write a checkpoint."""
        buffer = io.BytesIO()  # torch would write to the file bit by bit, and hide why it cannot
        torch.save(checkpoint, buffer)
        write_whole(Path(path), buffer.getbuffer())

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True) -> dict[str, Any]:  # noqa: ARG002
        """Read a checkpoint, never by running code from it.

        Raises:
            ValueError: if the file is damaged.
        """
        try:
            return torch.load(path, map_location=map_location, weights_only=True)
        except Exception as error:  # damaged bytes raise KeyError, EOFError, RuntimeError, ...
            raise ValueError(
                f"{path} is no complete checkpoint ({type(error).__name__}: {error}): remove it to begin anew"
            ) from error

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)
