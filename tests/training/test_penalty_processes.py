"""Two processes with a part of the batch each find the penalty and the gradient that one finds with all of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from penalty_processes import NORMS, SHARES
from torch.testing import assert_close

SCRIPT = Path(__file__).parent / "penalty_processes.py"
MOST_SECONDS = 300


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the script found: alone, and in each of two processes."""
    folder = tmp_path_factory.mktemp("processes")
    places = [(0, 1), (0, 2), (1, 2)]
    runs = [
        subprocess.Popen(
            [sys.executable, SCRIPT, folder, str(rank), str(size)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank, size in places
    ]
    for run in runs:
        printed, _ = run.communicate(timeout=MOST_SECONDS)
        assert run.returncode == 0, printed.decode()
    return [torch.load(folder / f"{rank} of {size}.pt") for rank, size in places]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("share", SHARES)
def test_penalty_and_gradient_are_those_of_one_process(found, share, norm, rank):
    alone, shared = found[0][share, norm], found[1 + rank][share, norm]
    assert_close(shared, alone, rtol=1e-5, atol=1e-5)
    assert alone[2].abs().max() > 1e-2
