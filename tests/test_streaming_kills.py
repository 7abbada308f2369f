"""`record(out=)` killed again and again: what comes out is, file by file, what an undisturbed run writes.

Each run is a forked process that is killed by the kernel: as it is about to open, move, cut or remove a file, with a
file half written (a limit on its length), or at any time whatever (a timer). The next one makes the same call.
"""

import sys
import threading
from itertools import count

import pytest
import torch
from deaths import SIGNALS, Death, forking
from torch import nn
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

import neuroprobe
from neuroprobe import checkpoints, shards

IMAGES, BATCH, KILLS = 100, 8, 50  # a run to the end writes 300 to 900 times
REDUCERS = ["class_moments", "top_images", "covariance"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills by limits and timers of Linux")


class Stream(IterableDataset):
    """Images one after the other."""

    def __iter__(self):
        yield from zip(*drawn(), strict=True)


def drawn():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(IMAGES, 3, 8, 8, generator=generator), torch.randint(4, (IMAGES,), generator=generator)


CASES = {
    "responses": lambda: {"data": drawn()},
    "whole maps": lambda: {"data": drawn(), "reduce": "none"},
    "states": lambda: {"data": drawn(), "reducers": REDUCERS},
    "a stream": lambda: {"data": DataLoader(Stream(), BATCH)},
}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 20, 3), nn.ReLU(), nn.Flatten(), nn.Linear(720, 33), nn.ReLU())


def record(case, place, death=None):
    """Make the call, in a process of its own, with a checkpoint after every batch and small shards."""
    checkpoints._SECONDS = checkpoints._SHARE = 0
    shards._SHARD, shards._BLOCK = (5 * 720 if case == "whole maps" else 30 * 33), 8 * 33  # responses
    tqdm.set_lock(threading.RLock())  # its own lock would outlive the process
    if death is not None:
        death.lie_in_wait(place)
    neuroprobe.record(network(), out=place, preprocess=None, batch_size=BATCH, progress=False, **CASES[case]())


@pytest.fixture(scope="module")
def processes():
    return forking()


def files(place):
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def run(processes, case, place, death=None):
    process = processes.Process(target=record, args=(case, place, death))
    process.start()
    process.join()
    return process.exitcode


def run_until_whole(processes, case, place, seeds):
    """Make the call again and again until one lives to the end; return how many were killed."""
    for kills in range(KILLS):
        exitcode = run(processes, case, place, Death(next(seeds), turn=kills + 1))
        if exitcode == 0:
            return kills
        assert exitcode in SIGNALS
        if not (place / "zarr.json").exists():  # written last
            with pytest.raises((ValueError, FileNotFoundError), match=r"is not whole|no neuroprobe result|no such"):
                neuroprobe.load(place)
    raise AssertionError("the recording does not get on")


def test_what_was_killed_is_what_was_not(processes, tmp_path):
    kills, seeds, undisturbed = 0, count(), {}
    for case in CASES:
        assert run(processes, case, tmp_path / case) == 0
        undisturbed[case] = files(tmp_path / case)
    while kills < KILLS:
        for case in CASES:
            place = tmp_path / f"{case}, {kills} kills later"
            kills += run_until_whole(processes, case, place, seeds)
            assert files(place) == undisturbed[case]
            neuroprobe.load(place)
