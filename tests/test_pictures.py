import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from neuroprobe.data import open_images
from neuroprobe.fingerprints import fingerprints
from neuroprobe.pictures import each_picture, pictures, refuse_another_count

IMAGES = torch.arange(100.0).reshape(100, 1, 1, 1).expand(-1, 3, 4, 4) / 100
LABELS = torch.arange(100) % 7


class Counting(Dataset):
    def __init__(self):
        self.read = []

    def __len__(self):
        return 100

    def __getitem__(self, number):
        self.read.append(number)
        return IMAGES[number], int(LABELS[number])


class Stream(IterableDataset):
    def __iter__(self):
        yield from zip(IMAGES, LABELS.tolist(), strict=True)


def loaders():
    by_hand = DataLoader(Counting(), batch_sampler=[[5, 6], [0, 99]])  # the user's own order: image 3 is number 99
    return {
        "tensors": ((IMAGES, LABELS), [3, 70], [3, 70]),
        "data set": (Counting(), [3, 70], [3, 70]),
        "loader": (DataLoader(Counting(), 8), [3, 70], [3, 70]),
        "stream": (DataLoader(Stream(), 8), [3, 70], [3, 70]),
        "own order": (by_hand, [0, 3], [5, 99]),
    }


@pytest.mark.parametrize("name", list(loaders()))
def test_a_picture_is_the_one_that_came_with_its_number(name):
    data, numbers, places = loaders()[name]
    found = pictures(open_images(data), numbers)
    assert list(found) == numbers
    assert [int(100 * picture.image.max() + 0.5) for picture in found.values()] == places
    assert [picture.label for picture in found.values()] == [place % 7 for place in places]


@pytest.mark.parametrize("name", ["tensors", "stream"])
def test_pictures_one_by_one_leave_out_what_is_not_there(name):
    found = list(each_picture(open_images(loaders()[name][0]), [70, 2500, 3]))
    assert [number for number, _ in found] == [3, 70]
    assert torch.equal(found[1][1].image, IMAGES[70])


def test_only_the_pictures_wanted_are_read():
    data = Counting()
    pictures(open_images(data), [70, 3, 3])
    assert data.read == [3, 70]


def test_no_numbers_are_no_pictures_and_images_alone_have_no_label():
    assert pictures(open_images(IMAGES), []) == {}
    assert pictures(open_images(IMAGES), [0])[0].label is None


@pytest.mark.parametrize("data", [(IMAGES, LABELS), DataLoader(Stream(), 8)], ids=["tensors", "stream"])
def test_fewer_images_than_were_recorded_are_an_error(data):
    with pytest.raises(ValueError, match="data must be the images that were recorded; image 2500 is wanted"):
        pictures(open_images(data), [2, 2500])


@pytest.mark.parametrize("name", list(loaders()))
def test_pictures_with_another_fingerprint_are_an_error(name):
    data, numbers, places = loaders()[name]
    known = dict(zip(numbers, fingerprints(IMAGES[places]).tolist(), strict=True))
    assert list(pictures(open_images(data), numbers, known)) == numbers
    with pytest.raises(ValueError, match=rf"recorded; image {numbers[1]} is another, of shape \(3, 4, 4\): give them"):
        pictures(open_images(data), numbers, known | {numbers[1]: 99.0})


def test_another_count_is_refused_where_it_is_known():
    refuse_another_count(open_images(IMAGES), 100)
    refuse_another_count(open_images(IMAGES), None)
    refuse_another_count(open_images(DataLoader(Counting(), 8, drop_last=True)), 96)
    refuse_another_count(open_images(loaders()["own order"][0]), 4)
    with pytest.raises(ValueError, match="images that were recorded, 50 of them; 100 came"):
        refuse_another_count(open_images(IMAGES), 50)
