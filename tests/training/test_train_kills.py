"""`train` killed again and again: weights, metrics and what is kept are, bit for bit, those of an undisturbed run.

As in test_streaming_kills.py, each run is a forked process that the kernel kills, within a checkpoint too, and the next
one makes the same call.
"""

import multiprocessing
import os
import sys
import threading
from itertools import count

import pytest
import torch
from deaths import SIGNALS, Death
from planted_photographs import small_network, small_sets
from safetensors import safe_open

KILLS = 30
CASES = {
    "a penalty and dropout": {"alpha": -1, "keep_every": 1, "corrupted": 0.1},
    "validation and patience": {"validation": 0.2, "patience": 2, "orientation_alpha": [0, 1]},
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills by limits and timers of Linux")


def train(case, place, death=None):
    """Make the call, in a process of its own."""
    from lightning.pytorch.utilities import rank_zero_only  # noqa: F401 - loaded by the process that forks
    from tqdm import tqdm

    import neuroprobe
    from neuroprobe.training.recipes import Recipe

    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own lock would outlive the process
    schedule = {"schedule": "one-cycle"} if "alpha" in CASES[case] else {"schedule": "steps", "milestones": (2,)}
    recipe = Recipe("small", epochs=5, batch_size=16, lr=0.02, max_shift=1, flip=True, **schedule)
    if death is not None:
        death.lie_in_wait(place)
    neuroprobe.train(
        small_network(), small_sets(), out=place, recipe=recipe, trainer={"accelerator": "cpu"}, progress=False,
        **CASES[case],
    )  # fmt: skip


@pytest.fixture(scope="module")
def processes():
    os.environ["OMP_NUM_THREADS"] = "1"
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(
        [
            "neuroprobe.training.fitting",
            "neuroprobe.training.train",
            "neuroprobe.results",
            "pandas",
            "safetensors.torch",
        ]
    )
    return forking


def run(processes, case, place, death=None):
    process = processes.Process(target=train, args=(case, place, death))
    process.start()
    process.join()
    return process.exitcode


def run_until_whole(processes, case, place, seeds):
    """Make the call again and again until one lives to the end; return how many were killed."""
    for kills in range(KILLS):
        death = Death(next(seeds), turn=kills + 1, events=12, seconds=0.4, most=6000)
        exitcode = run(processes, case, place, death)
        if exitcode == 0:
            return kills
        assert exitcode in SIGNALS
    raise AssertionError("the training does not get on")


def contents(place):
    """Return all that is left of a training; of a checkpoint its weights, of weights that have facts both unordered."""
    files = {str(path.relative_to(place)): path for path in place.rglob("*") if path.is_file()}
    found = {name: path.read_bytes() for name, path in files.items()}
    checkpoint = torch.load(files["checkpoints/last.ckpt"], weights_only=True)
    found["checkpoints/last.ckpt"] = {name: as_bytes(tensor) for name, tensor in checkpoint["state_dict"].items()}
    with safe_open(files["weights.safetensors"], "pt") as file:
        weights = {name: as_bytes(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 - no mapping
        found["weights.safetensors"] = file.metadata(), weights
    return found


def as_bytes(tensor):
    return tensor.numpy().tobytes()


def test_what_was_killed_is_what_was_not(processes, tmp_path):
    kills, seeds, undisturbed = 0, count(), {}
    for case in CASES:
        assert run(processes, case, tmp_path / case) == 0
        undisturbed[case] = contents(tmp_path / case)
    while kills < KILLS:
        for case in CASES:
            place = tmp_path / f"{case}, {kills} kills later"
            kills += run_until_whole(processes, case, place, seeds)
            assert contents(place) == undisturbed[case]
    assert "epochs/epoch-0005.safetensors" in undisturbed["a penalty and dropout"]
