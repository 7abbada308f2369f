"""Files that are there whole or not at all."""

import os

import pytest

from neuroprobe.folders import move_whole, moved_when_whole, write_whole


def test_a_file_is_written_and_replaced(tmp_path):
    place = tmp_path / "new" / "file"
    write_whole(place, b"one")
    write_whole(place, memoryview(b"two"))
    assert place.read_bytes() == b"two"
    assert list(place.parent.iterdir()) == [place]


def test_a_file_is_moved_to_where_no_folder_was(tmp_path):
    (tmp_path / "file").write_bytes(b"one")
    move_whole(tmp_path / "file", tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "b").read_bytes() == b"one"


def test_what_was_there_stays_until_the_new_is_on_the_disk(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", b"one")

    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", b"two")
    assert (tmp_path / "file").read_bytes() == b"one"


def test_a_full_disk_is_said_once_with_what_to_do(tmp_path):
    def write():
        with moved_when_whole(tmp_path / "result") as outer, moved_when_whole(outer / "store") as inner:
            inner.mkdir()
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=r"left on device: make room, or choose another place: .*store") as raised:
        write()
    assert str(raised.value).count("make room") == 1
    assert not list(tmp_path.iterdir())
