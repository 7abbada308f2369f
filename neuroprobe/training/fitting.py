"""Lightning at work: a plan is fitted, tested and written; what Lightning does to its surroundings is put right."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from neuroprobe.networks.loading import load_weights
from neuroprobe.training.dials import Dials
from neuroprobe.training.keeping import Keeper, Patience
from neuroprobe.training.module import Learning
from neuroprobe.training.plan import Plan
from neuroprobe.training.run_folder import RunFolder
from neuroprobe.training.whole_checkpoints import WholeCheckpoints

_OURS = {
    "max_epochs": "the recipe's",
    "max_steps": "the recipe's, by its epochs",
    "fast_dev_run": "always off: make the recipe short, as dataclasses.replace(RECIPES['cnn7'], epochs=1) does",
    "callbacks": "given by track=",
    "enable_checkpointing": "always on",
    "plugins": "the folder's",
}


class Fitting:
    """A training by Lightning, in a folder.

    Args:
        dials: what pushes selectivity.
        options: for Lightning's Trainer.

    Raises:
        ValueError: if Lightning does not take an option, or it is the recipe's.
    """

    def __init__(
        self,
        plan: Plan,
        dials: Dials,
        folder: RunFolder,
        *,
        seed: int,
        callbacks: Sequence[Callback],
        patience: int | None,
        keep_every: int,
        options: Mapping[str, Any],
        progress: bool,
    ) -> None:
        self._folder = folder
        self._learning = Learning(plan, dials, seed=seed)
        self._keeper = Keeper(self._learning, folder, keep_every=keep_every)
        stops = [] if patience is None else [Patience(patience)]
        with _quiet():
            self._trainer = _trainer(
                options,
                max_epochs=plan.recipe.epochs,
                callbacks=[*callbacks, *stops, self._keeper],
                limit_val_batches=1.0 if self._learning.validates else 0,
                enable_progress_bar=progress and (sys.stderr.isatty() or "ipykernel" in sys.modules),
                default_root_dir=folder.place,
            )

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self._trainer.is_global_zero

    def run(self) -> None:
        """Learn, from where the folder stands; test; write the weights, last of all."""
        checkpoint = self._folder.checkpoint if self._folder.checkpoint.is_file() else None
        with _quiet(), self._what_is_safe():
            try:
                with _ctrl_c_let_through():
                    self._trainer.fit(self._learning, ckpt_path=checkpoint)
            finally:
                self._learning.leave()
            if not self._folder.checkpoint.is_file():  # nor in any other process
                raise ValueError("Lightning stopped before the first epoch was over: let trainer= allow it more")
            if self._learning.validates:
                load_weights(self._learning.network, self._folder.best)
            with _ctrl_c_let_through():
                self._trainer.test(self._learning, verbose=False)
            self._trainer.strategy.barrier()

    @property
    def _safe(self) -> str:
        """What is on the disk, and how to go on."""
        if not self._keeper.safe:
            return f"no epoch is finished in {self._folder.place}"
        epochs = "1 epoch is" if self._keeper.safe == 1 else f"{self._keeper.safe} epochs are"
        return f"{epochs} safe in {self._folder.place}: the same call goes on from there"

    @contextmanager
    def _what_is_safe(self) -> Iterator[None]:
        """Say, where a training is stopped, what is on the disk."""
        try:
            yield
        except BaseException as error:
            error.add_note(self._safe)
            raise


@contextmanager
def settings_kept() -> Iterator[None]:
    """Put what a Trainer sets in all of torch, where it is to be deterministic or to benchmark, back as it was."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warns)
        torch.backends.cudnn.benchmark = benchmark


def _trainer(options: Mapping[str, Any], **ours: Any) -> Trainer:
    if not isinstance(options, Mapping):
        raise TypeError(
            "trainer must be a mapping of options for Lightning's Trainer, such as {'accelerator': 'gpu'}; "
            f"{type(options).__name__} came"
        )
    for name in options.keys() & _OURS.keys():
        raise ValueError(f"trainer={{{name!r}: ...}} is not the user's to give: it is {_OURS[name]}")
    quiet = {"logger": False, "enable_model_summary": False, "num_sanity_val_steps": 0, "devices": 1}
    own = {"plugins": [WholeCheckpoints()], "use_distributed_sampler": False}
    for name in ("limit_train_batches", "limit_test_batches"):
        if options.get(name) == 0:
            raise ValueError(f"trainer={{{name!r}: 0}} leaves no photographs to learn or to be tested on: allow some")
    try:
        return Trainer(**{**quiet, **ours, **own, **options})
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise ValueError(f"Lightning's Trainer does not take {dict(options)}: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice to those who write its modules from those who call ours."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            warnings.filterwarnings("ignore", module=r"lightning\.", category=FutureWarning)  # of torch's, to Lightning
            yield
    finally:
        log.setLevel(level)


@contextmanager
def _ctrl_c_let_through() -> Iterator[None]:
    """Raise Ctrl-C as it came: Lightning makes it an exit of the program, and is deaf to it from then on."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise stop.__context__ from None
