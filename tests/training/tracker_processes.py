"""Two processes train with a tracker, and without one; each writes what it has: ``tracker_processes.py FOLDER``."""

import sys
import warnings
from pathlib import Path

import torch
from lightning.pytorch import Callback
from small_training import Penalised, fitted, labelled

import neuroprobe


class Write(Callback):
    """Write weights, and what the tracker found, from each process."""

    def __init__(self, folder, tracker=None):
        self.folder, self.tracker = folder, tracker

    def on_train_end(self, trainer, pl_module):
        found = None if self.tracker is None else self.tracker.state_dict()
        state = {"weights": pl_module.network.state_dict(), "found": found}
        torch.save(state, self.folder / f"{trainer.global_rank}, {self.tracker is not None}.pt")


def main(folder):
    torch.set_num_threads(1)
    tracker = neuroprobe.UnitTracker(labelled(60, seed=1), every=2, preprocess=None)
    for callbacks in ([Write(folder)], [tracker, Write(folder, tracker)]):
        fitted(*callbacks, learner=Penalised, devices=2, strategy="ddp_fork")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
