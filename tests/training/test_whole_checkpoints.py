import errno
import os

import pytest
import torch

from neuroprobe.training.whole_checkpoints import WholeCheckpoints


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1, "weights": torch.ones(3)}, place)
    return place


def test_what_is_written_is_read(place):
    read = WholeCheckpoints().load_checkpoint(place)
    assert read["epoch"] == 1
    assert torch.equal(read["weights"], torch.ones(3))


def test_a_full_disk_leaves_the_last_checkpoint(place, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        WholeCheckpoints().save_checkpoint({"epoch": 2}, place)
    assert WholeCheckpoints().load_checkpoint(place)["epoch"] == 1
    assert [path.name for path in place.parent.iterdir()] == ["last.ckpt"]


def test_a_damaged_checkpoint_is_named(place):
    place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(ValueError, match=rf"{place} is no complete checkpoint .*: remove it to begin anew"):
        WholeCheckpoints().load_checkpoint(place)


class Code:
    def __reduce__(self):
        return print, ("run",)


def test_no_code_is_run_from_a_checkpoint(place, capsys):
    WholeCheckpoints().save_checkpoint({"epoch": Code()}, place)
    with pytest.raises(ValueError, match="no complete checkpoint"):
        WholeCheckpoints().load_checkpoint(place)
    assert not capsys.readouterr().out


def test_a_checkpoint_that_is_not_there_can_be_removed(place):
    for _ in range(2):
        WholeCheckpoints().remove_checkpoint(place)
    assert not place.exists()
