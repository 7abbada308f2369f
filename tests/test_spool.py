import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from neuroprobe import spool as module
from neuroprobe.reducers import observed
from neuroprobe.spool import Spool


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An empty temporary folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def open_files(folder):
    """How many files of a folder this process holds open, those without a name too (Linux)."""
    return sum(str(folder) in str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())


@pytest.mark.parametrize("size", [1, 3, 50])
@pytest.mark.parametrize("block", [1, 100, 10**6])
def test_what_comes_back_is_what_was_kept(size, block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_NUMBERS", block)
    responses = torch.rand(50, 7)
    with Spool() as spool:
        for part in responses.split(size):
            spool(observed(part))
        blocks = list(spool.blocks())
        again = list(spool.blocks())
    assert [units.start for units, _ in blocks] == [0, *(units.stop for units, _ in blocks[:-1])]
    np.testing.assert_array_equal(np.concatenate([part for _, part in blocks]), responses.T)
    np.testing.assert_array_equal(np.concatenate([part for _, part in again]), responses.T)
    assert max(part.size for _, part in blocks) <= max(block, 50)


def test_nothing_is_left_on_the_disk(temporary):
    with Spool() as spool:
        spool(observed(torch.rand(10, 4)))
        assert spool.bytes == 160
    assert list(temporary.iterdir()) == []
    assert open_files(temporary) == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(temporary, error):
    def fail(spool):
        spool(observed(torch.rand(10, 4)))
        raise error

    with pytest.raises(error), Spool() as spool:
        fail(spool)
    assert list(temporary.iterdir()) == []
    assert open_files(temporary) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_says_what_to_do(monkeypatch):
    monkeypatch.setattr(module, "TemporaryFile", lambda **_: open("/dev/full", "wb+"))  # noqa: PTH123, SIM115
    with pytest.raises(OSError, match=r"took 0 MB .*No space left.*set TMPDIR .*permutations=0"), Spool() as spool:
        spool(observed(torch.rand(10, 4)))
