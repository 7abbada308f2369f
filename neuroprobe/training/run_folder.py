"""The folder of a training: what it is made from, its checkpoint, what it came to."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from torch import nn

from neuroprobe.folders import write_whole
from neuroprobe.identity import differences
from neuroprobe.provenance import versions

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("neuroprobe")
COLUMNS = ("train_loss", "val_loss", "val_accuracy", "si", "gosi", "alpha", "orientation_alpha", "lr")


class RunFolder:
    """Where a training keeps what it has.

    ``run.json`` comes first and says what the training is made from; ``weights.safetensors`` comes last and says that
    it is finished. In between, ``checkpoints/last.ckpt`` is all that a training goes on from; what is beside it was
    written before it, and is written again where the training was killed in between.
    """

    def __init__(self, place: str | Path) -> None:
        self.place = Path(place).expanduser()
        self.options = self.place / "run.json"
        self.weights = self.place / "weights.safetensors"
        self.metrics = self.place / "metrics.csv"
        self.development = self.place / "development.zarr"
        self.checkpoint = self.place / "checkpoints" / "last.ckpt"
        self.best = self.place / "checkpoints" / "best.safetensors"

    @property
    def is_finished(self) -> bool:
        """Whether the training is over."""
        return self.weights.is_file()

    def epoch(self, number: int) -> Path:
        """Return the file of the weights after so many epochs."""
        return self.place / "epochs" / f"epoch-{number:04}.safetensors"

    def begin(self, options: Mapping[str, Any]) -> None:
        """Take up what is there, or begin anew where nothing is.

        Raises:
            FileExistsError: if a training by other options lies there.
        """
        options = json.loads(json.dumps(options))
        if self.options.is_file() and self._has_learned:
            self._refuse_other(json.loads(self.options.read_text(encoding="utf-8")), options)
        if self._goes_on:
            return
        self.epoch(0).unlink(missing_ok=True)  # of other options, it may be
        write_whole(self.options, json.dumps({"options": options, "versions": versions()}, indent=1).encode())

    @contextmanager
    def locked(self, *, by_first: bool = True) -> Iterator[None]:
        """Keep other calls from writing while a block lasts; of the processes of one call the first does it for all.

        A block that raises before anything is learned, in a folder that held nothing, leaves none.

        Raises:
            FileExistsError: if something else than a training lies there; BlockingIOError: if another call writes it.
        """
        if not by_first:
            yield
            return
        self._refuse_foreign()
        is_new = not self.options.is_file()
        self.place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.place / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise BlockingIOError(
                f"{self.place} is being written by another process: wait for it, or choose another folder for out="
            ) from error
        with lock:
            try:
                yield
            except BaseException:
                if is_new and not self._has_learned and self._holds_ours_alone:
                    shutil.rmtree(self.place, ignore_errors=True)
                raise

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Write what the epochs came to, all of them."""
        import pandas as pd

        table = pd.DataFrame(rows, columns=list(COLUMNS), index=pd.RangeIndex(1, len(rows) + 1, name="epoch"))
        write_whole(self.metrics, table.to_csv().encode())

    def read_metrics(self) -> pd.DataFrame:
        """Return what the epochs came to, a row each, counted from 1."""
        import pandas as pd

        words = pd.read_csv(self.metrics, index_col="epoch", dtype=dict.fromkeys(COLUMNS, str))
        return words.astype(float)  # each exactly as it was written

    def read_facts(self) -> dict[str, str]:
        """Return what stands in the header of the weights."""
        from safetensors import safe_open

        with safe_open(self.weights, "pt") as file:
            return file.metadata()

    def read_options(self) -> dict[str, Any]:
        """Return what the training is made from.

        Raises:
            FileNotFoundError: if the folder holds no training.
        """
        if not self.options.is_file():
            raise FileNotFoundError(f"{self.place} holds no training: there is no {self.options.name}")
        stored = json.loads(self.options.read_text(encoding="utf-8"))
        return {**stored["options"], "versions": stored["versions"]}

    @property
    def _goes_on(self) -> bool:
        return self.is_finished or self.checkpoint.is_file()

    @property
    def _has_learned(self) -> bool:
        kept = self.epoch(0).parent.glob("*.safetensors")  # where a damaged checkpoint was removed, they may be all
        return self._goes_on or any(file != self.epoch(0) for file in kept)

    @property
    def _holds_ours_alone(self) -> bool:
        """Whether no callback of the user's has written here."""
        ours = {".lock", self.options.name, self.metrics.name, self.epoch(0).parent.name, self.checkpoint.parent.name}
        return {path.name for path in self.place.iterdir()} <= ours

    def _refuse_foreign(self) -> None:
        if self.place.exists() and not self.place.is_dir():
            raise FileExistsError(f"{self.place} is a file: choose a folder for out=")
        inside = self.place.iterdir() if self.place.is_dir() and not self.options.is_file() else ()
        there = sorted(path.name for path in inside if path.name not in (".lock", "run.json.new"))
        if there:
            raise FileExistsError(
                f"{self.place} exists and holds no training ({there[0]}): choose another folder for out="
            )

    def _refuse_other(self, stored: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        lines = differences(stored["options"], options)
        if lines:
            differs = "".join(f"\n  {line}" for line in lines)
            raise FileExistsError(
                f"{self.place} holds a training by other options:{differs}\nMake the call as it was, choose another "
                "folder for out=, or remove this one"
            )
        changed = differences(stored["versions"], versions())
        if changed and not self.is_finished:
            _log.warning("%s goes on with versions that may round differently: %s", self.place, "; ".join(changed))


def write_weights(network: nn.Module, place: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write a network's weights, with facts in the header of the file."""
    from safetensors.torch import save

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_whole(place, _sorted(save(weights, {name: str(value) for name, value in (facts or {}).items()})))


def _sorted(file: bytes) -> bytes:
    """Return a safetensors file with its header in one order: left to itself, equal weights would differ as files."""
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + file[end:]
