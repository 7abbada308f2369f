"""`train` killed again and again: weights, metrics and what is kept are, bit for bit, those of an undisturbed run.

As in test_streaming_kills.py, each run is a forked process that the kernel kills, within a checkpoint too, and the next
one makes the same call.
"""

import sys
import threading
from itertools import count

import pytest
import torch
from deaths import SIGNALS, Death, forking
from planted_photographs import plain_network, small_network, small_sets
from safetensors import safe_open
from torch.testing import assert_close
from tqdm import tqdm

import neuroprobe
from neuroprobe.training.recipes import Recipe
from neuroprobe.training.train import load_run

KILLS = 30
RECIPE = Recipe(
    "small", epochs=5, batch_size=16, lr=0.02, schedule="steps", milestones=(3,), max_shift=1, flip=True
)  # fmt: skip
ALONE = {"accelerator": "cpu"}
KILLED = {
    "a penalty and dropout": {"alpha": -1, "keep_every": 1, "corrupted": 0.1},
    "validation and patience": {"validation": 0.2, "patience": 2, "orientation_alpha": [0, 1]},
}
SHARED = {"network": plain_network, "alpha": -1, "validation": 0.2}
CASES = {
    **KILLED,
    "alone": SHARED,
    "in two processes": SHARED | {"trainer": ALONE | {"devices": 2, "strategy": "ddp_fork"}},
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills by limits and timers of Linux")


def train(case, place, death=None):
    """Make the call, in a process of its own."""
    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own lock would outlive the process
    asked = {"network": small_network, "trainer": ALONE} | CASES[case]
    if death is not None:
        death.lie_in_wait(place)
    neuroprobe.train(asked.pop("network")(), small_sets(), out=place, recipe=RECIPE, progress=False, **asked)


@pytest.fixture(scope="module")
def processes():
    return forking()


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
    for case in KILLED:
        assert run(processes, case, tmp_path / case) == 0
        undisturbed[case] = contents(tmp_path / case)
    while kills < KILLS:
        for case in KILLED:
            place = tmp_path / f"{case}, {kills} kills later"
            kills += run_until_whole(processes, case, place, seeds)
            assert contents(place) == undisturbed[case]
    assert "epochs/epoch-0005.safetensors" in undisturbed["a penalty and dropout"]


def test_two_processes_train_as_one(processes, tmp_path):
    """Halves of each batch in two processes, gradients averaged: the same steps, but for rounding."""
    for case, place in (("alone", tmp_path / "one"), ("in two processes", tmp_path / "two")):
        assert run(processes, case, place) == 0
    one, two = (load_run(tmp_path / name, plain_network()) for name in ("one", "two"))
    assert_close(one.network.state_dict(), two.network.state_dict(), rtol=0, atol=1e-5)
    assert one.test["accuracy"] == two.test["accuracy"]
    for column in ("train_loss", "val_loss", "val_accuracy", "si"):
        assert one.history[column].to_numpy() == pytest.approx(two.history[column].to_numpy(), abs=1e-5)
