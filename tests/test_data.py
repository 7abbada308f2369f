import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, SubsetRandomSampler, TensorDataset

from neuroprobe.data import open_images, suggested_batch


def grey(count=6, *shape):
    return torch.full((count, *(shape or (3, 4, 4))), 0.5)


def spoiled(value, image=3):
    images = grey()
    images[image, 1, 2, 3] = value
    return images


def read(data, **options):
    return list(open_images(data, **options))


def photograph(path, width=8, height=8, colour=(255, 0, 0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Photographs of two classes, of different sizes."""
    photograph(tmp_path / "cat" / "a.png", 8, 8)
    photograph(tmp_path / "cat" / "b.png", 20, 10)
    photograph(tmp_path / "dog" / "c.png", 5, 9, (0, 255, 0))
    return tmp_path


class Pictures(Dataset):
    classes = ("cat", "dog")

    def __len__(self):
        return 5

    def __getitem__(self, number):
        return torch.full((3, 4, 4), number / 10), number % 2


class Stream(IterableDataset):
    def __iter__(self):
        yield from grey(5)


# What is read


def sources():
    images, labels = grey(5), torch.arange(5) % 2
    return {
        "images": images,
        "array": images.numpy(),
        "pair": (images, labels),
        "pair of arrays": (images.numpy(), labels.numpy()),
        "pair with a list": (images, labels.tolist()),
        "Dataset": TensorDataset(images),
        "Dataset with labels": Pictures(),
        "list of pairs": [(image, 1) for image in images],
        "DataLoader": DataLoader(Pictures(), 2),
        "stream": DataLoader(Stream(), 2),
    }


@pytest.mark.parametrize("data", sources().values(), ids=sources())
def test_every_kind_of_data(data):
    batches = read(data, batch_size=2)
    assert [len(batch.images) for batch in batches] == [2, 2, 1]
    assert torch.cat([batch.numbers for batch in batches]).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["pair", "pair of arrays", "pair with a list", "Dataset with labels", "DataLoader"])
def test_labels_are_class_indices(name):
    labels = torch.cat([batch.labels for batch in read(sources()[name])])
    assert (labels.dtype, labels.tolist()) == (torch.int64, [0, 1, 0, 1, 0])


@pytest.mark.parametrize(
    ("name", "count"), [("images", 5), ("Dataset with labels", 5), ("DataLoader", 5), ("stream", None)]
)
def test_the_count_is_known_before_reading(name, count):
    assert open_images(sources()[name]).count == count


def test_data_may_be_read_twice():
    images = open_images(grey())
    assert len(list(images)) == len(list(images)) == 1


def test_class_names_are_known_where_the_data_know_them(folder):
    assert open_images(Pictures()).classes == open_images(folder).classes == ("cat", "dog")
    assert open_images(grey()).classes is None


def test_a_data_loader_is_read_as_it_is():
    loader = DataLoader(Pictures(), sampler=[4, 0, 2], batch_size=2)
    batches = read(loader, batch_size=99)
    assert [batch.images[:, 0, 0, 0].tolist() for batch in batches] == [pytest.approx([0.4, 0.0]), pytest.approx([0.2])]
    assert batches[1].numbers.tolist() == [2]


def test_empty_batches_between_others_are_passed_over():
    loader = DataLoader([grey(2), grey(0), grey(1)], batch_size=None)
    assert [batch.numbers.tolist() for batch in read(loader)] == [[0, 1], [2]]


def test_a_batch_suits_the_image_size():
    assert suggested_batch(32, 32) > suggested_batch(224, 224) > suggested_batch(5000, 5000) == 1
    assert suggested_batch(1, 1) == suggested_batch(2, 2)  # there is a most


def test_a_batch_suits_the_memory():
    none, little, much = (suggested_batch(224, 224, memory=memory) for memory in (0, 2**28, 2**40))
    assert none == 1 < little < much == suggested_batch(224, 224)


# Folders


def test_a_folder_gives_labels_by_name(folder):
    (batch,) = read(folder, shape=(3, 8, 8))
    assert batch.labels.tolist() == [0, 0, 1]
    assert batch.images[:, :, 4, 4].tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_a_folder_at_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    (batch,) = read(f"~/{folder.name}", shape=(3, 8, 8))
    assert len(batch.images) == 3


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 4, 4), (3, 7, 12), (3, 30, 10)])
def test_photographs_are_scaled_to_cover_and_cut(folder, shape):
    (batch,) = read(str(folder), shape=shape)
    assert batch.images.shape == (3, *shape)


def test_the_centre_is_kept(tmp_path):
    picture = np.zeros((4, 12, 3), np.uint8)
    picture[:, 4:8] = 255
    (tmp_path / "class").mkdir()
    Image.fromarray(picture).save(tmp_path / "class" / "a.png")
    (batch,) = read(tmp_path, shape=(3, 4, 4))
    assert (batch.images == 1).all()


def test_photographs_become_grey_for_grey_networks(folder):
    (batch,) = read(folder, shape=(1, 8, 8))
    assert batch.images.shape == (3, 1, 8, 8)


def test_photographs_of_the_right_size_are_not_touched(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    (tmp_path / "class").mkdir()
    Image.fromarray(pixels).save(tmp_path / "class" / "a.png")
    (batch,) = read(tmp_path, shape=(3, 8, 8))
    np.testing.assert_allclose(batch.images[0].permute(1, 2, 0), pixels / 255, rtol=1e-6)


def test_photographs_of_several_sizes_want_a_known_size(folder):
    with pytest.raises(ValueError, match=r"must have one size \(.*\[3, 8, 8\].*\[3, 10, 20\].*\): scale them"):
        read(folder)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"one sub-folder a class .*; there is no folder .*/nowhere"):
        read(tmp_path / "nowhere")


def test_an_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"class folder in {tmp_path}"):
        read(tmp_path)


def test_a_folder_without_class_folders(tmp_path):
    photograph(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match=rf"class folder in {tmp_path}"):
        read(tmp_path)


def test_a_folder_of_several_sets(tmp_path):
    for split in ("train", "test"):
        photograph(tmp_path / split / "cat" / "a.png")
    with pytest.raises(ValueError, match=r"holds test/ and train/, which are no classes: give one of them"):
        read(tmp_path)
    assert len(read(tmp_path / "test")) == 1


def test_an_empty_class_folder(folder):
    (folder / "emu").mkdir()
    with pytest.raises(FileNotFoundError, match="no valid file for the classes emu"):
        read(folder)


@pytest.mark.parametrize("cut", [0.5, 0.0])
def test_a_broken_photograph_is_named(folder, cut):
    broken = folder / "cat" / "b.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(ValueError, match=rf"{broken} cannot be read as a photograph .*: mend it or take it out"):
        read(folder, shape=(3, 8, 8))


# Bad images


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_images_that_are_not_finite(value, batch_size):
    with pytest.raises(ValueError, match="image 3 has NaN or infinite values"):
        read(spoiled(value), batch_size=batch_size)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_images_must_be_finite_in_any_range(value):
    with pytest.raises(ValueError, match="image 3 has NaN or infinite values"):
        read(spoiled(value), any_range=True)


@pytest.mark.parametrize(("value", "came"), [(-0.25, "from -0.25 to 0.5"), (1.5, "from 0.5 to 1.5"), (255, "to 255")])
def test_images_outside_the_range(value, came):
    with pytest.raises(ValueError, match=rf"in \[0, 1\] .*{came}.*pass preprocess=None"):
        read(spoiled(value))


@pytest.mark.parametrize("value", [-7, 255])
def test_any_range_may_be_asked_for(value):
    assert len(read(spoiled(value), any_range=True)) == 1


@pytest.mark.parametrize("value", [-1e-6, 1 + 1e-6])
def test_rounding_may_overshoot_the_range(value):
    assert len(read(spoiled(value))) == 1


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_images_of_whole_numbers(dtype):
    with pytest.raises(ValueError, match=f"must be floating, in .*; {dtype} came: divide by 255"):
        read(grey().to(dtype))


@pytest.mark.parametrize("shape", [(), (5,), (4, 4), (3, 4, 4), (2, 3, 4, 4, 4)])
def test_images_with_other_axes(shape):
    came = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf"images must be a tensor \(N, C, H, W\); {came} came"):
        read(torch.rand(shape))


def test_batches_that_are_no_tensors():
    with pytest.raises(ValueError, match=r"images must be a tensor \(N, C, H, W\); str came"):
        read(DataLoader([("cat", 1)], batch_size=None))


@pytest.mark.parametrize("data", [grey(0), DataLoader(TensorDataset(grey(0))), []], ids=["images", "loader", "list"])
def test_no_images(data):
    with pytest.raises(ValueError, match="the data hold no images"):
        read(data)


def test_items_of_a_kind_that_is_not_known():
    with pytest.raises(TypeError, match=r"images or \(images, labels\); dict came"):
        read([{"image": grey(1)[0]}])


@pytest.mark.parametrize("data", [None, 3, {1, 2}])
def test_data_of_a_kind_that_is_not_known(data):
    with pytest.raises(TypeError, match=f"a DataLoader or a folder; {type(data).__name__} came"):
        read(data)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_at_least_one_image(size):
    with pytest.raises(ValueError, match=f"batch_size must be at least 1, or None; {size} came"):
        read(grey(), batch_size=size)


# Bad labels

LABELS = {
    "too few": (torch.arange(5), r"6 images, labels \(5,\) came"),
    "one-hot": (torch.eye(6), r"6 images, labels \(6, 6\) came"),
    "floating": (torch.zeros(6), r"whole numbers from 0; torch.float32 came"),
    "negative": (torch.tensor([0, 1, 2, -3, 0, 0]), r"class indices from 0; -3 came"),
    "no indices": (torch.tensor([0, 1, 2, 10**8, 0, 0]), r"class indices below 1,048,576; 100,000,000 came"),
    "names": (["cat"] * 6, r"whole numbers from 0; \['cat', 'cat'.* came"),
    "nothing": (None, "whole numbers from 0; None came"),
}


@pytest.mark.parametrize(("labels", "message"), LABELS.values(), ids=LABELS)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        read((grey(6), labels))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.uint64, bool])
def test_labels_of_any_whole_numbers(kind):
    (batch,) = read((grey(4), np.array([0, 1, 0, 1], dtype=kind)))
    assert batch.labels.tolist() == [0, 1, 0, 1]


def test_bad_labels_of_a_dataset():
    with pytest.raises(ValueError, match=r"whole numbers from 0; torch\.float64 came"):
        read([(image, 0.5) for image in grey()])


def test_tensors_are_taken_a_batch_at_once_and_copied(monkeypatch):
    images, labels = torch.rand(5, 3, 4, 4), torch.arange(5)
    monkeypatch.setattr(TensorDataset, "__getitem__", lambda *_: pytest.fail("an image was taken by itself"))
    batches = list(open_images((images, labels), batch_size=2))
    assert [batch.labels.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
    assert torch.equal(torch.cat([batch.images for batch in batches]), images)
    batches[0].images.zero_()
    assert images[0].max() > 0


def test_a_single_image_is_told_to_need_an_axis_more():
    image, labels = torch.rand(3, 8, 8), torch.arange(3)
    said = r"images must be a tensor \(N, C, H, W\); \(3, 8, 8\) came: of a single image give image\[None\]"
    for data in (image, (image, labels), (image.numpy(), [0, 1, 2]), (image, 5)):
        with pytest.raises(ValueError, match=said):
            open_images(data)
    assert [len(batch.images) for batch in open_images([image, image])] == [2]  # two items of a data set
    assert [batch.labels.tolist() for batch in open_images([(image, 0), (image, 4)])] == [[0, 4]]


# from a place on


def in_batches(images):
    return [(batch.numbers.tolist(), batch.drawn) for batch in images]


LOADERS = {
    "a Dataset": lambda: open_images(TensorDataset(torch.rand(7, 1, 2, 2)), batch_size=3),
    "a DataLoader": lambda: open_images(DataLoader(TensorDataset(torch.rand(7, 1, 2, 2)), 3)),
    "batches as items": lambda: open_images(DataLoader(torch.rand(7, 1, 2, 2).split(3), batch_size=None)),
    "batches of one's own": lambda: open_images(
        DataLoader(TensorDataset(torch.rand(7, 1, 2, 2)), batch_sampler=[[6, 5, 4], [3, 2, 1], [0]])
    ),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_images_from_a_place_on(kind):
    images = LOADERS[kind]()
    assert images.starts_anywhere
    assert in_batches(images) == [([0, 1, 2], 1), ([3, 4, 5], 2), ([6], 3)]
    rest = images.after(1, 3)
    assert in_batches(rest) == in_batches(images)[1:]
    assert all(torch.equal(one.images, other.images) for one, other in zip(rest, list(images)[1:], strict=True))
    assert in_batches(images.after(3, 7)) == []


def test_a_stream_starts_at_its_beginning():
    class Stream(IterableDataset):
        def __iter__(self):
            yield from torch.rand(3, 1, 2, 2)

    class Loader(DataLoader):
        pass

    assert not open_images(DataLoader(Stream(), 2)).starts_anywhere
    assert not open_images(Loader(TensorDataset(torch.rand(3, 1, 2, 2)))).starts_anywhere


def test_items_are_taken_alone():
    images = torch.rand(7, 1, 2, 2)
    alone = list(open_images(DataLoader(TensorDataset(images), 3)).alone([6, 2]))
    assert [item[0].tolist() for item in alone] == [images[6:].tolist(), images[2:3].tolist()]


def test_items_of_three_are_told_from_images_and_labels():
    with pytest.raises(TypeError, match=r"images or \(images, labels\); list of 3 came"):
        list(open_images(TensorDataset(grey(2), grey(2), grey(2))))


def test_more_than_images_and_labels():
    with pytest.raises(TypeError, match=r"\(images, labels\), a Dataset, .*; tuple of 3 came"):
        open_images((grey(2), torch.arange(2), torch.arange(2)))


def test_photographs_that_are_no_tensors_yet():
    with pytest.raises(TypeError, match=r"as tensors.*Image.*ToTensor\(\)"):
        list(open_images([(Image.new("RGB", (8, 8)), 0), (Image.new("RGB", (8, 8)), 1)]))


def test_a_stream_that_ends_sooner_each_time():
    class Ending(IterableDataset):
        left = 5

        def __iter__(self):
            self.left -= 1
            yield from torch.ones(self.left, 1, 2, 2)

    images = open_images(DataLoader(Ending(), 2))
    list(images)
    with pytest.raises(ValueError, match="the data hold 4 images in one pass and 3 in another"):
        list(images)


class Turning(Dataset):
    """Gives other images, or other labels, in each pass."""

    def __init__(self, what, count=6):
        self.what, self.count, self.reads = what, count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        passes, self.reads = divmod(self.reads, self.count)[0], self.reads + 1
        image, label = (number + passes * (self.what == wanted) for wanted in ("image", "label"))
        return torch.full((3, 4, 4), image % self.count / 10), label % 2


@pytest.mark.parametrize("what", ["image", "label"])
def test_data_that_differ_from_pass_to_pass(what):
    images = open_images(Turning(what))
    list(images)
    with pytest.raises(ValueError, match=rf"{what}.* 0 is not the same in two passes over the data: .* same order"):
        list(images)


def test_images_of_any_size_are_known_again():
    images = open_images(torch.rand(4, 3, 8, 8) * 1e38, any_range=True)
    assert [len(batch.images) for _ in range(2) for batch in images] == [4, 4]


def test_a_sampler_that_draws_another_order_each_time():
    torch.manual_seed(0)
    images = open_images(DataLoader(TensorDataset(torch.rand(20, 3, 4, 4)), 5, sampler=SubsetRandomSampler(range(20))))
    list(images)
    with pytest.raises(ValueError, match=r"image \d+ is not the same in two passes"):
        list(images)
