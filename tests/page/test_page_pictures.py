"""Stimuli on their sheets, and photographs of any source."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset

from neuroprobe.page.photographs import source, write_photographs
from neuroprobe.page.stimuli import COLUMNS, ROWS, as_picture, shown_stimuli, write_sheets
from neuroprobe.stimuli import bars, from_images, gabors, gratings

SETS = {
    "gratings": gratings(32, phases=2, contrast=0.5, mean=0.4, window="gaussian"),
    "stretched gratings": gratings(32, preset="ukita2020"),
    "bars": bars(32, orientations=4, lengths=[8, math.inf], window="circular"),
    "Gabor patches": gabors(32, orientations=4, phases=2, positions=[(0, 0), (5, -3)]),
}


@pytest.mark.parametrize("name", SETS)
def test_stimuli_are_drawn_again_from_what_a_result_says_of_them(name):
    given = SETS[name]
    again = shown_stimuli(given.describe())
    chosen = [0, len(given) // 2, len(given) - 1]
    assert torch.equal(again.images(chosen), given.images(chosen))
    assert len(again) == len(given)


def test_stimuli_of_ones_own_are_drawn_only_where_they_are_at_hand():
    images = torch.rand(4, 3, 8, 8)
    own = from_images(images, {"orientation": [0.0, 45, 90, 135]})
    assert shown_stimuli(own.describe()) is None
    assert shown_stimuli(own.describe(), own) is own
    assert shown_stimuli(own.describe(), gratings(8)) is None


def opened(path):
    with Image.open(path) as picture:
        picture.load()
        return picture


def tile(folder, name, number, side):
    sheet, place = divmod(number, COLUMNS * ROWS)
    row, column = divmod(place, COLUMNS)
    pixels = np.asarray(opened(folder / f"{name}-{sheet}.png"))
    return pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]


def test_a_stimulus_is_the_tile_of_its_number(tmp_path):
    stimuli = gratings(32)  # 576, on six sheets
    said = write_sheets(stimuli, np.array([3, 100, 575]), tmp_path, "s")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s-0.png", "s-1.png", "s-5.png"]
    for number in (3, 100, 575):
        expected = stimuli.images([number])[0, 0].mul(255).round().numpy()
        np.testing.assert_array_equal(tile(tmp_path, "s", number, 32), expected)
    assert (said["height"], said["width"], said["cropped"]) == (32, 32, False)


def test_of_a_large_grating_the_middle_is_shown_pixel_for_pixel(tmp_path):
    stimuli = gratings(128, orientations=3, frequencies=[0.25], phases=1)
    said = write_sheets(stimuli, np.arange(3), tmp_path, "s")
    assert (said["height"], said["cropped"]) == (64, True)
    expected = stimuli.images([1])[0, 0, 32:96, 32:96].mul(255).round().numpy()
    np.testing.assert_array_equal(tile(tmp_path, "s", 1, 64), expected)


def test_what_is_not_everywhere_alike_is_shown_whole(tmp_path):
    said = write_sheets(bars(128, orientations=3, widths=[8], positions=1, polarities=1), np.arange(3), tmp_path, "s")
    assert (said["height"], said["width"], said["cropped"]) == (64, 64, False)


def test_pictures_are_grey_where_colours_do_not_differ():
    grey = torch.full((3, 2, 2), 0.5)
    assert as_picture(grey).mode == as_picture(grey[:1]).mode == "L"
    assert as_picture(torch.rand(3, 2, 2)).mode == "RGB"
    assert as_picture(torch.rand(5, 2, 2)).mode == "L"  # more channels than a picture has
    assert np.asarray(as_picture(grey))[0, 0] == 128


class Stream(IterableDataset):
    def __init__(self, images):
        self.images = images

    def __iter__(self):
        return ((image, number % 3) for number, image in enumerate(self.images))


def written(data, numbers, folder, **how):
    return write_photographs(data, numbers, folder, progress=False, **how)


@pytest.mark.parametrize("kind", ["tensors", "stream"])
def test_each_image_is_written_once_under_its_number(kind, tmp_path, photos):
    data = photos if kind == "tensors" else DataLoader(Stream(photos[0]), 4)
    said = written(data, [5, 1, 1], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo-1.png", "photo-5.png"]
    assert said["about"] == {1: [1, None], 5: [2, None]}
    assert said["classes"] is None
    pixels = np.asarray(opened(tmp_path / "photo-5.png"))
    np.testing.assert_array_equal(pixels, photos[0][5].permute(1, 2, 0).mul(255).round().numpy())


def test_a_photograph_of_a_folder_has_its_file_and_class_and_the_size_the_network_saw(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (40, 30), "red").save(tmp_path / "data" / name / f"{name} <1>.png")
    (tmp_path / "out").mkdir()
    said = written(tmp_path / "data", [1], tmp_path / "out", shape=(3, 20, 20), classes=["told", "elsewhere"])
    assert said["about"] == {1: [1, "dogs <1>.png"]}
    assert said["classes"] == ("cats", "dogs")
    assert opened(tmp_path / "out" / "photo-1.png").size == (20, 20)


def test_large_photographs_are_made_small(tmp_path):
    said = written(torch.rand(1, 3, 100, 400), [0], tmp_path)
    assert said["file"] == {"ending": "jpg"}
    assert opened(tmp_path / "photo-0.jpg").size == (128, 32)


def test_values_outside_zero_to_one_are_brought_there(tmp_path):
    written(torch.linspace(-3, 5, 16).reshape(1, 1, 4, 4), [0], tmp_path)
    assert opened(tmp_path / "photo-0.png").getextrema() == (0, 255)


def test_an_image_that_is_not_there_is_left_out(tmp_path, photos):
    assert list(written(photos, [2, 77], tmp_path)["about"]) == [2]


def test_other_data_than_were_recorded_are_an_error(tmp_path, photos):
    with pytest.raises(ValueError, match="images that were recorded, 7 of them; 6 came"):
        written(photos, [2], tmp_path, count=7)


def test_where_a_folder_lies_is_nobodys_business():
    assert source("folder /home/someone/secret/photographs/") == "folder photographs"
    assert source("folder C:\\Users\\someone\\photographs") == "folder photographs"
    assert source("folder photographs") == "folder photographs"
    assert source("TensorDataset") == "TensorDataset"
