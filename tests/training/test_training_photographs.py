import numpy as np
import pytest
import torch
from PIL import Image
from planted_photographs import planted, small_sets
from torch.utils.data import TensorDataset

from neuroprobe.training.photographs import (
    Photographs,
    first_in_turn,
    held_out,
    mean_and_std,
    read_photographs,
    to_be_learned,
    with_corrupted_labels,
)


@pytest.fixture
def photographs():
    return read_photographs(small_sets())["train"]


@pytest.fixture
def folder(tmp_path):
    """Write photographs of two classes, each as bright as its number."""
    for name, count in (("train", 6), ("test", 2)):
        for number in range(count):
            place = tmp_path / name / ("cat" if number % 2 else "dog")
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(place / f"{number}.png")
    return tmp_path


def test_a_folder_is_read(folder):
    sets = read_photographs(folder)
    assert list(sets) == ["train", "test"]
    assert sets["train"].classes == ("cat", "dog")
    assert sets["train"].images[:, 0, 0, 0].tolist() == [1, 3, 5, 0, 2, 4]
    assert sets["train"].labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert sets["train"].shape == (3, 8, 8)


def test_a_folder_at_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(read_photographs(f"~/{folder.name}")["train"]) == 6


def test_of_a_folder_the_first_in_turn_are_read(folder):
    assert read_photographs(folder, images=4)["train"].images[:, 0, 0, 0].tolist() == [1, 3, 0, 2]


def test_a_folder_is_scaled_where_a_size_is_wanted(folder):
    assert read_photographs(folder, (3, 4, 4))["test"].images.shape == (2, 4, 4, 3)


def test_what_was_read_is_taken_as_it_is(folder):
    sets = read_photographs(folder)
    assert read_photographs(sets)["train"] is sets["train"]


def test_a_validation_set_comes_along():
    assert list(read_photographs({**small_sets(), "val": planted(9)})) == ["train", "val", "test"]


def test_the_first_in_turn_of_uneven_classes():
    assert first_in_turn(torch.tensor([1, 1, 1, 1, 0, 2]), 4).tolist() == [0, 1, 4, 5]


def test_what_is_held_out_is_the_same_share_of_every_class(photographs):
    learned, out = held_out(photographs, 0.2, seed=0)
    assert torch.bincount(out.labels).tolist() == [4, 4, 4]
    together = torch.cat([learned.images, out.images]).flatten(1).tolist()
    assert sorted(together) == sorted(photographs.images.flatten(1).tolist())
    assert not torch.equal(out.images, held_out(photographs, 0.2, seed=1)[1].images)


def test_corrupted_labels_are_so_many_others():
    photographs = read_photographs({"train": planted(3000), "test": planted(30)})["train"]
    labels = with_corrupted_labels(photographs, 0.2, seed=0).labels
    wrong = labels != photographs.labels
    assert int(wrong.sum()) == 600
    steps = torch.bincount((labels - photographs.labels)[wrong] % 3, minlength=3)
    assert steps[0] == 0
    assert steps[1].item() == pytest.approx(300, abs=50)  # four standard deviations
    assert torch.equal(labels, with_corrupted_labels(photographs, 0.2, seed=0).labels)


def test_held_out_photographs_keep_their_labels():
    sets = to_be_learned(read_photographs(small_sets()), validation=0.2, corrupted=1.0, seed=0)
    originals = {tuple(image.flatten().tolist()): int(label) for image, label in zip(*planted(60), strict=True)}
    for name, same in (("val", True), ("train", False)):
        images = sets[name].images.permute(0, 3, 1, 2).flatten(1).tolist()
        kept = [
            originals[tuple(image)] == label for image, label in zip(images, sets[name].labels.tolist(), strict=True)
        ]
        assert set(kept) == {same}


@pytest.mark.parametrize("floating", [False, True])
def test_mean_and_deviation_are_those_of_all_pixels(photographs, floating):
    images = photographs.images.double() / 255
    if floating:
        photographs = Photographs(images.float(), photographs.labels, photographs.classes)
    mean, std = mean_and_std(photographs)
    assert mean == pytest.approx(images.mean((0, 1, 2)).tolist(), abs=1e-7)
    assert std == pytest.approx(images.flatten(0, 2).std(0).tolist(), abs=1e-7)


def tensors(images=None, labels=None):
    like, known = planted(12)
    return like if images is None else images, known if labels is None else labels


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ({"train": planted(6)}, TypeError, "test/ .* a mapping with train came"),
        ([planted(6)], TypeError, "list came"),
        ({"train": tensors(labels=torch.full((12,), -1)), "test": planted(6)}, ValueError, "from 0; -1 came"),
        ({"train": tensors(labels=torch.ones(12)), "test": planted(6)}, ValueError, r"torch\.float32 came"),
        ({"train": tensors(labels=torch.zeros(11)), "test": planted(6)}, ValueError, r"12 images, labels \(11,\) came"),
        ({"train": planted(12), "test": tensors(labels=torch.arange(12))}, ValueError, "up to 2; test has 11"),
        ({"train": (planted(12)[0], torch.zeros(12).long()), "test": (planted(1))}, ValueError, "12 of one class came"),
        (
            {"train": planted(12), "test": planted(6, size=9)},
            ValueError,
            r"test and train .* \(3, 9, 9\) and \(3, 8, 8\)",
        ),
        ({"train": tensors(images=torch.full((12, 3, 8, 8), 2.0)), "test": planted(6)}, ValueError, "from 2 to 2 came"),
        ({"train": planted(12), "test": planted(0)}, ValueError, "test holds no photographs"),
        ({"train": planted(0), "test": planted(6)}, ValueError, "train holds no photographs"),
        (
            {"train": TensorDataset(*planted(12)), "test": planted(6)},
            TypeError,
            r"train must be \(images, labels\), .*; TensorDataset came: of a data set, torch\.stack the images",
        ),
    ],
)
def test_data_that_cannot_be_learned(data, error, message):
    with pytest.raises(error, match=message):
        read_photographs(data)


def test_classes_of_folders_must_agree(folder):
    (folder / "test" / "dog").rename(folder / "test" / "wolf")
    with pytest.raises(ValueError, match=r"\('cat', 'wolf'\) and \('cat', 'dog'\) came"):
        read_photographs(folder)


def test_photographs_of_several_sizes(folder):
    Image.new("RGB", (9, 8)).save(folder / "train" / "dog" / "9.png")
    with pytest.raises(ValueError, match=r"one size .*9\.png has \(8, 9, 3\), others \(8, 8, 3\)"):
        read_photographs(folder)


def test_a_class_without_photographs(folder):
    (folder / "train" / "emu").mkdir()
    with pytest.raises(FileNotFoundError, match=r"one sub-folder a class .*/train: Found no valid file .* emu"):
        read_photographs(folder)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"there is no {tmp_path}/train"):
        read_photographs(tmp_path)


@pytest.mark.parametrize("count", [1, 61])
def test_more_images_than_there_are(count):
    with pytest.raises(ValueError, match=f"images must be 2 to 60, .*; {count} came"):
        read_photographs(small_sets(), images=count)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_of_corrupted_labels(photographs, share):
    with pytest.raises(ValueError, match=f"corrupted must be a share .*; {share} came"):
        with_corrupted_labels(photographs, share, seed=0)


def test_a_share_that_leaves_nothing(photographs):
    with pytest.raises(ValueError, match=r"validation=0\.01 of 60 photographs leaves"):
        held_out(photographs, 0.01, seed=0)


def test_a_channel_that_is_the_same_everywhere(photographs):
    images = photographs.images.clone()
    images[..., 1] = 3
    with pytest.raises(ValueError, match="a channel that is the same everywhere"):
        mean_and_std(Photographs(images, photographs.labels, photographs.classes))
