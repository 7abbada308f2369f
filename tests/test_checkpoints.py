"""Checkpoints: who may write, what is kept, what is left."""

import json
import subprocess
import sys

import pytest
import torch

import neuroprobe
from neuroprobe.checkpoints import Checkpoints
from neuroprobe.data import open_images
from neuroprobe.reducers import Moments, TopImages, observed
from neuroprobe.unfinished import Progress, progress_at

IDENTITY = {"weights": "abc", "layers": ["relu"]}
IMAGES = torch.rand(10, 3, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def place(tmp_path):
    return tmp_path / "store"


def opened():
    return open_images(IMAGES, batch_size=4)


def begun(place, batches=1, states=None, identity=IDENTITY):
    """Do some batches, and stop as by an error."""
    with pytest.raises(ZeroDivisionError), Checkpoints(place, identity, 10) as checkpoints:  # noqa: PT012
        for done, _ in enumerate(checkpoints.remaining(opened()), start=1):
            if done == batches:
                checkpoints.save(states or {}, {"noted": [done]}, lambda: None)
                raise ZeroDivisionError


def test_progress_is_kept(place):
    begun(place, 2)
    progress = progress_at(place)
    assert (progress.images, progress.batches, progress.total) == (8, 2, 10)
    assert progress.facts == {"noted": [2]}
    assert str(progress) == "8 of 10 images"
    assert str(Progress({}, {}, None, 1200)) == "1,200 images"


def test_what_remains_is_what_was_not_done(place):
    begun(place, 2)
    with Checkpoints(place, IDENTITY, 10) as checkpoints:
        (batch,) = checkpoints.remaining(opened())
        assert torch.equal(batch.images, IMAGES[8:])
        assert batch.numbers.tolist() == [8, 9]
        checkpoints.save({}, {}, lambda: None)
        assert checkpoints.remaining(opened()) is None


def test_states_come_back_to_the_last_bit(place):
    seen = observed(torch.rand(5, 3))
    states = {"": {"a/b": Moments.of(seen), "c": Moments.of(seen)}, "top": {"c": TopImages.of(seen, k=2)}}
    begun(place, 1, states)
    with Checkpoints(place, IDENTITY, 10) as checkpoints:
        back = checkpoints.states
    assert {name: list(by_layer) for name, by_layer in back.items()} == {"": ["a/b", "c"], "top": ["c"]}
    for name, by_layer in states.items():
        for layer, state in by_layer.items():
            torch.testing.assert_close(vars(back[name][layer]), vars(state), rtol=0, atol=0)


def test_only_the_newest_checkpoint_is_kept(place):
    begun(place, 1)
    begun(place, 1)
    assert [path.name for path in (place / "unfinished").glob("states*")] == ["states.8.npz"]


def test_nothing_is_left_of_what_has_not_begun_or_is_whole(place):
    with pytest.raises(ZeroDivisionError), Checkpoints(place, IDENTITY, 10):
        raise ZeroDivisionError
    assert not place.exists()
    with Checkpoints(place, IDENTITY, 10):
        (place / "zarr.json").write_text("{}")
    assert [path.name for path in place.iterdir()] == ["zarr.json"]


def test_an_empty_folder_will_do(place):
    place.mkdir()
    begun(place)
    assert progress_at(place).images == 4


@pytest.mark.parametrize("foreign", ["notes.txt", "unfinished/notes.txt"])
def test_what_is_not_ours_is_not_touched(place, foreign):
    (place / foreign).parent.mkdir(parents=True)
    (place / foreign).write_text("mine")
    with pytest.raises(FileExistsError, match="exists and is no neuroprobe recording"):
        Checkpoints(place, IDENTITY, 10).__enter__()
    assert [path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()] == [foreign]


def test_differences_are_named(place):
    begun(place)
    with pytest.raises(
        FileExistsError, match=r"4 of 10 images of another recording:\n  weights: 'abc' there, 'xyz' came"
    ):
        Checkpoints(place, IDENTITY | {"weights": "xyz"}, 10).__enter__()


def test_a_manifest_of_another_format_is_not_guessed_at(place):
    begun(place)
    manifest = json.loads((place / "unfinished" / "neuroprobe.json").read_text())
    (place / "unfinished" / "neuroprobe.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(ValueError, match=r"was begun by neuroprobe .*, whose unfinished stores this one does not read"):
        progress_at(place)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "versions": {"neuroprobe": "1"}}']
)
def test_a_damaged_manifest_is_named(place, content):
    begun(place)
    (place / "unfinished" / "neuroprobe.json").write_text(content)
    for look in (progress_at, lambda place: Checkpoints(place, IDENTITY, 10).__enter__(), neuroprobe.load):
        with pytest.raises(ValueError, match=r"unfinished/neuroprobe.json is damaged: \w+: .*; remove the store"):
            look(place)


def spoilt(content, at):
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


DAMAGE = {
    "empty": lambda _content: b"",
    "cut off": lambda content: content[:-100],
    "another file": lambda _content: b"no such thing" * 99,
    "a bit of a state": lambda content: spoilt(content, content.rindex(b"\x93NUMPY") + 130),
    "a bit of what it is": lambda content: spoilt(content, content.index(b"descr") + 2),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_states_are_named(place, damage):
    begun(place, 1, {"": {"a": Moments.of(observed(torch.rand(5, 3)))}})
    file = place / "unfinished" / "states.4.npz"
    file.write_bytes(damage(file.read_bytes()))
    with (
        pytest.raises(ValueError, match=r"unfinished/states.4.npz is damaged: (?s:.*); remove the store"),
        Checkpoints(place, IDENTITY, 10) as checkpoints,
    ):
        checkpoints.states  # noqa: B018 - to look is to read


def test_another_process_is_kept_out_until_this_one_ends(place):
    code = f"""
import os, pathlib
from neuroprobe.checkpoints import Checkpoints
checkpoints = Checkpoints(pathlib.Path({str(place)!r}), {IDENTITY!r}, 10).__enter__()
print("writing", flush=True)
input()
os.kill(os.getpid(), 9)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with other:
        assert other.stdout.readline() == "writing\n"
        with pytest.raises(BlockingIOError, match="is being written by another process or call"):
            Checkpoints(place, IDENTITY, 10).__enter__()
        other.communicate("now\n")
    assert other.returncode == -9
    begun(place)


def test_a_lock_is_given_back_when_a_block_ends(place):
    for batches in (1, 1, 1):
        begun(place, batches)
    assert progress_at(place).images == 10
