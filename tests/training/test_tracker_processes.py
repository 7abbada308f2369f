"""Where two processes train, the first measures; both have what it found, and train as they do without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_training import labelled, network
from torch.testing import assert_close

import neuroprobe

SCRIPT = Path(__file__).parent / "tracker_processes.py"
MOST_SECONDS = 300


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each process wrote: (process, with the tracker) -> weights and what was found."""
    folder = tmp_path_factory.mktemp("processes")
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, SCRIPT, folder]
    ran = subprocess.run(command, env=one_thread, capture_output=True, timeout=MOST_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    return {
        (rank, with_it): torch.load(folder / f"{rank}, {with_it}.pt") for rank in (0, 1) for with_it in (True, False)
    }


def test_training_is_what_it_is_without_the_tracker(found):
    for rank in (0, 1):
        assert_close(found[rank, True]["weights"], found[rank, False]["weights"], rtol=0, atol=0)


def test_both_have_what_the_first_measured(found):
    first, second = (found[rank, True]["found"]["snapshots"] for rank in (0, 1))
    assert list(first) == list(second) == [0, 2, 3]
    for epoch, snapshot in first.items():
        assert_close(snapshot["columns"], second[epoch]["columns"], rtol=0, atol=0, equal_nan=True)
        assert snapshot["meta"] == second[epoch]["meta"]


def test_what_it_measured_is_what_one_process_measures(found):
    trained = network()
    trained.load_state_dict(found[0, True]["weights"])
    alone = neuroprobe.class_selectivity(trained, labelled(60, seed=1), permutations=0, preprocess=None)
    si = found[1, True]["found"]["snapshots"][3]["columns"]["si"]
    assert_close(si, torch.tensor(alone.units["si"].to_numpy(dtype="float32")), equal_nan=True)
