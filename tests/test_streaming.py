"""`record(out=)`: the same as in memory, cut short and gone on with, refused where something differs."""

import functools
import logging
import shutil
from dataclasses import replace
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torchvision.utils import save_image

import neuroprobe
from neuroprobe import checkpoints, observing, record, shards, streaming
from neuroprobe.observing import Summed
from neuroprobe.reducers import Moments, TopImages, observed

COUNT, BATCH = 50, 8
REDUCERS = ["moments", "class_moments", "top_images", "quantiles", "covariance"]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """A checkpoint after every batch, and shards of a few images."""
    monkeypatch.setattr(checkpoints, "_SECONDS", 0)
    monkeypatch.setattr(checkpoints, "_SHARE", 0)
    monkeypatch.setattr(shards, "_SHARD", 20 * 33)
    monkeypatch.setattr(shards, "_BLOCK", 5 * 33)


@pytest.fixture(scope="module")
def images():
    return torch.rand(COUNT, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def labels():
    return torch.randint(4, (COUNT,), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def place(tmp_path):
    return tmp_path / "store.zarr"


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 20, 3), nn.ReLU(), nn.Flatten(), nn.Linear(720, 33), nn.ReLU())


class CutShort(nn.Module):
    """A network that fails in a pass; the first one is dry. Without a number it counts its passes."""

    def __init__(self, fails_in=None, error=KeyboardInterrupt, seed=0):
        super().__init__()
        self.network, self.passes, self.fails_in, self.error = network(seed), [], fails_in, error

    def forward(self, x):
        self.passes.append(len(x))
        if len(self.passes) == self.fails_in:
            raise self.error("cut short")
        return self.network(x)


def streamed(model, data, place, **options):
    options = {"preprocess": None, "batch_size": BATCH} | options
    if isinstance(data, DataLoader):
        options.pop("batch_size")
    return record(model, data, out=place, **options)


def cut_short(place, data, after=3, **options):
    """Record so many batches to a place, and no more."""
    with pytest.raises(KeyboardInterrupt, match="cut short") as stop:
        streamed(CutShort(after + 2), data, place, **options)
    return stop.value


def files(place):
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def assert_same(one, other):
    assert_frame_equal(one.units, other.units, check_exact=True)
    assert list(one.curves) == list(other.curves)
    for layer, curve in one.curves.items():
        assert curve.identical(other.curves[layer])
    assert {name: list(by_layer) for name, by_layer in one.reduced.items()} == {
        name: list(by_layer) for name, by_layer in other.reduced.items()
    }
    for name, by_layer in one.reduced.items():
        for layer, state in by_layer.items():
            torch.testing.assert_close(vars(state), vars(other.reduced[name][layer]), rtol=0, atol=0, equal_nan=True)


# the same as in memory


@pytest.mark.parametrize("options", [{}, {"reduce": "max"}, {"reduce": "none"}, {"reducers": REDUCERS}], ids=str)
def test_what_streams_is_what_is_kept_in_memory(place, images, labels, options):
    on_disk = streamed(network(), (images, labels), place, **options)
    in_memory = record(network(), (images, labels), preprocess=None, batch_size=BATCH, **options)
    assert_same(on_disk, in_memory)
    assert_same(neuroprobe.load(place), in_memory)
    meta = dict(on_disk.meta)
    assert meta.pop("identity")["images"] == COUNT
    assert meta == in_memory.meta


def test_values_by_hand(place):
    grey = torch.arange(12.0).div(16).reshape(6, 2, 1, 1).expand(6, 2, 4, 4)
    recording = streamed(nn.Sequential(nn.ReLU()), grey, place, batch_size=4)
    assert recording.curves["0"].values.tolist() == [[2 * i / 16, (2 * i + 1) / 16] for i in range(6)]
    assert recording.units["mean"].tolist() == [5 / 16, 6 / 16]


def test_a_saved_recording_has_the_same_files(place, images):
    streamed(network(), images, place)
    saved = record(network(), images, preprocess=None, batch_size=BATCH).save(place.with_name("saved.zarr"))
    one, other = files(place), files(saved)
    assert one.pop("zarr.json") != other.pop("zarr.json")  # what it was made from is noted for the streamed one
    assert one == other


def test_responses_stay_on_disk_until_they_are_looked_at(place, images):
    streamed(network(), images, place)
    loaded = neuroprobe.load(place)
    for shard in (place / "curves" / "1" / "values").glob("c.*"):
        shard.write_bytes(b"")
    with pytest.raises(ValueError, match="checksum"):  # of a file that was spoilt since
        loaded.curves["4"].sel(unit=3).to_numpy()
    assert loaded.curves["1"].sel(unit=3).to_numpy().shape == (COUNT,)


def test_top_images_are_taken_from_disk_part_by_part(place, images):
    streamed(network(), images, place, reduce="max")
    recording, whole = (
        neuroprobe.load(place),
        record(network(), images, preprocess=None, reduce="max", batch_size=BATCH),
    )
    assert len(list(shards.shard_by_shard(whole.curves["4"]))) == 3
    for layer in ("1", "4"):
        torch.testing.assert_close(
            vars(recording.top_images(layer)),
            vars(TopImages.of(observed(whole.curves[layer].to_numpy()))),
            rtol=0,
            atol=0,
        )


def test_a_loaded_recording_is_saved_elsewhere(place, images):
    streamed(network(), images, place)
    neuroprobe.load(place).save(place.with_name("copy.zarr"))
    assert files(place.with_name("copy.zarr")) == files(place)


def test_nothing_but_the_result_is_left(place, images):
    streamed(network(), images, place)
    assert sorted(path.name for path in place.iterdir()) == ["curves", "tables", "zarr.json"]


def test_the_model_is_left_alone(left_alone, place, images):
    model = network()
    with left_alone(model):
        streamed(model, images, place)


def test_the_model_is_left_alone_when_cut_short(left_alone, place, images):
    model = CutShort(3)
    with left_alone(model), pytest.raises(KeyboardInterrupt):
        streamed(model, images, place)


# going on


@pytest.mark.parametrize("options", [{}, {"reduce": "none"}, {"reducers": REDUCERS}], ids=str)
@pytest.mark.parametrize("after", [1, 3, 6])
def test_the_same_call_goes_on_and_gives_the_same_to_the_last_bit(place, images, labels, options, after):
    data = (images, labels)
    cut_short(place, data, after, **options)
    streamed(CutShort(), data, place, **options)
    undisturbed = place.with_name("undisturbed.zarr")
    streamed(CutShort(), data, undisturbed, **options)
    assert files(place) == files(undisturbed)


def test_only_what_is_missing_is_run(place, images):
    cut_short(place, images, after=3)
    model = CutShort()
    streamed(model, images, place)
    assert model.passes == [3, 8, 8, 8, 2]  # a dry pass, and four of seven batches


def test_the_bar_starts_where_the_recording_does(place, images, monkeypatch):
    cut_short(place, images, after=3)
    bars, shown = [], observing.progress_bar
    monkeypatch.setattr(observing, "progress_bar", lambda *a, **how: bars.append((a, how)) or shown(*a, **how))
    streamed(CutShort(), images, place)
    assert bars == [(("recording", COUNT), {"shown": True, "done": 24})]


def test_images_that_are_done_are_not_read(place, images):
    class Drawn(Dataset):
        def __init__(self):
            self.numbers = []

        def __len__(self):
            return COUNT

        def __getitem__(self, number):
            self.numbers.append(number)
            return images[number]

    cut_short(place, Drawn(), after=3)
    again = Drawn()
    streamed(CutShort(), again, place)
    rest = list(range(24, COUNT))
    compared, drawn = again.numbers[: -len(rest)], again.numbers[-len(rest) :]
    assert len(set(compared)) == 32
    assert drawn == rest


def test_a_whole_store_is_loaded_without_a_pass(place, images):
    first = streamed(CutShort(), images, place)
    model = CutShort()
    assert_same(streamed(model, images, place), first)
    assert model.passes == []


def test_cut_short_again_and_again(place, images):
    for after in (1, 1, 2, 2):
        cut_short(place, images, after)
    streamed(CutShort(), images, place)
    undisturbed = place.with_name("undisturbed.zarr")
    streamed(CutShort(), images, undisturbed)
    assert files(place) == files(undisturbed)


def test_cut_short_when_all_is_done_but_the_end(place, images, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(streaming.store, "_mark_whole", stop)
        with pytest.raises(KeyboardInterrupt):
            streamed(CutShort(), images, place)
    model = CutShort()
    finished = streamed(model, images, place)
    assert model.passes == []
    assert_same(finished, record(CutShort(), images, preprocess=None, batch_size=BATCH))


def test_what_a_kill_left_in_a_whole_store_is_tidied_up(place, images):
    streamed(CutShort(), images, place)
    (place / "unfinished").mkdir()
    (place / "unfinished" / "neuroprobe.json").write_text("{}")
    neuroprobe.load(place)
    streamed(CutShort(), images, place)
    assert not (place / "unfinished").exists()


def test_layers_in_another_order_are_the_same_call(place, images):
    streamed(network(), images, place, layers=["1", "4"])
    assert list(streamed(network(), images, place, layers=["4", "1", "1"]).curves) == ["1", "4"]


def test_real_photographs_and_weights(place, photographs, resnet20):
    data = (photographs[0][:64], photographs[1][:64])
    options = {"layers": "layer?.0", "batch_size": 16, "reducers": ["moments", "class_moments", "top_images"]}
    passes = []

    def fourth_fails(_module, _inputs):
        passes.append(1)
        if len(passes) == 4:
            raise KeyboardInterrupt

    with resnet20.register_forward_pre_hook(fourth_fails), pytest.raises(KeyboardInterrupt):
        record(resnet20, data, out=place, **options)
    resumed = record(resnet20, data, out=place, **options)
    assert_same(resumed, record(resnet20, data, out=place.with_name("undisturbed.zarr"), **options))
    kept = record(resnet20, data, **options | {"reducers": None})
    best = kept.curves["layer2.0"].argmax("image")
    assert resumed.reduced["top_images"]["layer2.0"].images[:, 0].tolist() == best.values.tolist()
    np.testing.assert_allclose(resumed.units["mean"], kept.units["mean"], rtol=1e-4, atol=1e-6)


def test_hooks_that_look_on_change_no_bit(place, images):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 20, 3), nn.BatchNorm2d(20), nn.ReLU())  # which may be folded elsewhere
    nn.init.uniform_(model[1].running_mean)
    seen = []

    def fourth_fails(_module, _inputs):
        seen.append(1)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with model.register_forward_pre_hook(fourth_fails), pytest.raises(KeyboardInterrupt):
        streamed(model, images, place)
    assert_same(streamed(model, images, place), streamed(model, images, place.with_name("undisturbed.zarr")))


def test_states_from_disk_join_new_ones_on_their_device():
    kept = Moments.of(observed(torch.rand(4, 3)))
    new = replace(kept, **{name: part.to("meta") for name, part in vars(kept).items() if name != "count"})
    summed = Summed({"moments": lambda _: new}, {"moments": {"relu": kept}})
    summed(SimpleNamespace(name="relu"), observed(torch.rand(4, 3)))
    assert summed.states["moments"]["relu"].mean.device.type == "meta"
    assert summed.states["moments"]["relu"].count == 8


# data that come in other ways


class Stream(IterableDataset):
    def __init__(self, images):
        self.images = images

    def __iter__(self):
        yield from self.images


def stream(images):
    return DataLoader(Stream(images), BATCH)


def test_a_stream_goes_on(place, images):
    cut_short(place, stream(images))
    model = CutShort()
    on_disk = streamed(model, stream(images), place)
    assert model.passes == [3, 8, 8, 8, 2]
    assert_same(on_disk, record(CutShort(), stream(images), preprocess=None))
    assert_same(streamed(CutShort(), stream(images), place), on_disk)


def test_another_stream_is_refused(place, images):
    other = images.clone()
    other[5, 0, 0, 0] = 0
    cut_short(place, stream(images))
    with pytest.raises(FileExistsError, match=r"24 images of another recording:\n  their digest: '\w+' there, '\w+'"):
        streamed(CutShort(), stream(other), place)
    with pytest.raises(FileExistsError, match=r"images: 24 there, 20 came"):
        streamed(CutShort(), stream(images[:20]), place)
    streamed(CutShort(), stream(images), place)
    with pytest.raises(FileExistsError, match=r"all images of another recording:\n  stream: '\w+' there"):
        streamed(CutShort(), stream(other), place)


def loaders(images):
    batches = [[3, 1, 4], [10], [5, 9, 2, 6], [40, 41], [7]]
    return {
        "batches of one's own": lambda: DataLoader(TensorDataset(images), batch_sampler=batches),
        "a sampler of one's own": lambda: DataLoader(TensorDataset(images), 2, sampler=[*chain(*batches)]),
        "without batches": lambda: DataLoader([images[batch] for batch in batches], batch_size=None),
        "workers": lambda: DataLoader(TensorDataset(images), 12, num_workers=1),
        "batches that are empty": lambda: DataLoader(TensorDataset(images), 5, collate_fn=but_the_second_five),
    }


def but_the_second_five(items):
    kept = [image for (image,) in items]
    return torch.stack(kept) if len(kept) == 1 or not (kept[0] == FIFTH).all() else torch.empty(0, 3, 8, 8)


FIFTH = torch.rand(COUNT, 3, 8, 8, generator=torch.Generator().manual_seed(0))[5]


@pytest.mark.parametrize("kind", loaders(torch.zeros(COUNT, 3, 8, 8)))
def test_a_loader_goes_on(place, images, kind):
    loader = loaders(images)[kind]
    cut_short(place, loader(), after=2)
    on_disk = streamed(CutShort(), loader(), place)
    assert_same(on_disk, record(CutShort(), loader(), preprocess=None))


def test_another_order_is_refused(place, images):
    loader = functools.partial(DataLoader, TensorDataset(images), 4)
    cut_short(place, loader(sampler=[3, 1, 2, *range(4, 30)]))
    with pytest.raises(FileExistsError, match=r"recording:\n  order: '\w+' there, '\w+' came\nMake"):
        streamed(CutShort(), loader(sampler=[1, 3, 2, *range(4, 30)]), place)


def test_images_that_differ_at_every_reading_are_warned_of(place, caplog):
    class Augmented(Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, number):
            return torch.rand(3, 8, 8)

    torch.manual_seed(0)
    with caplog.at_level(logging.WARNING, logger="neuroprobe"):
        cut_short(place, Augmented(), after=1)
    assert "other images each time it is read" in caplog.text
    with pytest.raises(FileExistsError, match="data: "):
        streamed(CutShort(), Augmented(), place)


@pytest.fixture
def folder(tmp_path, images):
    for number, image in enumerate(images[:20]):
        (tmp_path / "data" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        save_image(image, tmp_path / "data" / "ab"[number % 2] / f"{number}.png")
    return tmp_path / "data"


def test_a_folder_goes_on_wherever_it_is_moved(place, folder):
    cut_short(place, folder, after=1)
    folder = folder.rename(folder.with_name("moved"))
    assert_same(streamed(CutShort(), folder, place), record(CutShort(), folder, preprocess=None, batch_size=BATCH))


def change_size(folder):
    Image.new("RGB", (8, 8)).save(folder / "a" / "2.png")


def change_bytes(folder):
    spoilt = bytearray((folder / "a" / "0.png").read_bytes())
    spoilt[-5] ^= 1
    (folder / "a" / "0.png").write_bytes(spoilt)


def change_class(folder):
    (folder / "a" / "18.png").rename(folder / "b" / "18.png")


@pytest.mark.parametrize("change", [change_size, change_bytes, change_class])
def test_another_folder_is_refused(place, folder, change):
    cut_short(place, folder, after=1)
    change(folder)
    with pytest.raises(FileExistsError, match=r"8 of 20 images of another recording:\n  data: '\w+' there, '\w+' came"):
        streamed(CutShort(), folder, place)


# what is refused


def halved(x):
    return x / 2


def top(seen, k):
    return TopImages.of(seen, k=k)


OTHERS = {
    "weights": ({"model": CutShort(seed=1)}, "weights: '{}' there, '{}' came"),
    "architecture": ({"model": nn.Sequential(nn.Conv2d(3, 20, 3), nn.GELU())}, "architecture: '{}' there"),
    "data": ({"images": lambda images: images.flip(0)}, "data: '{}' there, '{}' came"),
    "labels": ({"labels": lambda labels: labels.flip(0)}, "data: '{}' there, '{}' came"),
    "fewer images": ({"images": lambda x: x[:9], "labels": lambda y: y[:9]}, "images: 50 there, 9 came"),
    "layers": ({"layers": "1"}, r"layers: None there, \['1'\] came"),
    "reduce": ({"reduce": "max"}, "reduce: 'mean' there, 'max' came"),
    "tokens": ({"tokens": "all"}, "tokens: 'patch' there, 'all' came"),
    "batches": ({"batch_size": 10}, "batch_size: 8 there, 10 came"),
    "preprocess": ({"preprocess": halved}, "preprocess: None there, 'test_streaming.halved \\w+' came"),
    "precision": ({"dtype": torch.bfloat16}, "precision: \"the network's own\" there, 'torch.bfloat16' came"),
    "unit_axis": ({"unit_axis": {"network.1": 1}}, "unit_axis.network.1: None there, 1 came"),
    "reducers": ({"reducers": ["moments"]}, r"reducers: None there, \['moments'\] came"),
}


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut short"])
@pytest.mark.parametrize("what", OTHERS)
def test_what_differs_is_named(place, images, labels, what, whole):
    if whole:
        streamed(CutShort(), (images, labels), place)
    else:
        cut_short(place, (images, labels))
    before = files(place)
    given, message = OTHERS[what]
    given = dict(given)
    model = given.pop("model", CutShort())
    data = (given.pop("images", torch.clone)(images), given.pop("labels", torch.clone)(labels))
    count = "all" if whole else "24 of 50"
    named = f"{count} images of another recording:\n(.*\n)*  " + message.format("\\w+", "\\w+")
    with pytest.raises(FileExistsError, match=named):
        streamed(model, data, place, **given)
    after = files(place)
    assert {name for name in before | after if before.get(name) != after.get(name)} <= {"unfinished/lock"}


def test_only_what_differs_is_named(place, images):
    cut_short(place, images)
    with pytest.raises(
        FileExistsError, match=r"recording:\n  reduce: 'mean' there, 'max' came\nMake the call as it was"
    ):
        streamed(CutShort(), images, place, reduce="max")


def test_other_settings_of_a_reducer_are_refused(place, images):
    def reducers(k):
        return {"top": lambda seen: TopImages.of(seen, k=k), "part": functools.partial(top, k=3)}

    cut_short(place, images, reducers=reducers(2))
    with pytest.raises(FileExistsError, match=r"reducers\.top: "):
        streamed(CutShort(), images, place, reducers=reducers(4))
    with pytest.raises(FileExistsError, match=r"reducers.part: .*3.* there, .*5.* came"):
        streamed(CutShort(), images, place, reducers=reducers(2) | {"part": functools.partial(top, k=5)})
    streamed(CutShort(), images, place, reducers=reducers(2))


def test_ablations_are_told_apart(place, images):
    model = CutShort()
    with neuroprobe.ablate(model, {"network.1": [3]}):
        held = streamed(model, images, place)
        assert_same(streamed(model, images, place), held)
    assert held.curves["network.1"].sel(unit=3).max() == 0
    with pytest.raises(FileExistsError, match=r"ablated: .*'network.1': \[3\].* there, None came"):
        streamed(model, images, place)
    with (
        neuroprobe.ablate(model, {"network.1": [4]}),
        pytest.raises(FileExistsError, match=r"ablated: .*\[3\].* there, .*\[4\].* came"),
    ):
        streamed(model, images, place)


def test_a_network_whose_code_is_new_is_refused(place, images):
    class Doubled(nn.Module):
        twice = False

        def forward(self, x):
            x = torch.relu(x)
            return torch.relu(x.repeat(1, 2, 1, 1) if self.twice else x)

    model = Doubled()
    failing = iter(range(100))

    def third_fails(_module, _inputs):
        if next(failing) == 3:
            raise KeyboardInterrupt

    with model.register_forward_pre_hook(third_fails), pytest.raises(KeyboardInterrupt):
        streamed(model, images, place)
    Doubled.twice = True
    with pytest.raises(ValueError, match=r"'/relu:1' is {.*6, 8, 8.*}, and {.*3, 8, 8.*} before: has the code of"):
        streamed(model, images, place)


def test_something_else_at_the_place_is_left_alone(place, images):
    place.mkdir()
    (place / "thesis.tex").write_text("all my work")
    (place.parent / "file").write_text("mine")
    for taken in (place, place.parent / "file"):
        with pytest.raises(
            FileExistsError, match="exists and is no neuroprobe recording; choose another path for out="
        ):
            streamed(CutShort(), images, taken)
    assert files(place) == {"thesis.tex": b"all my work"}
    assert (place.parent / "file").read_text() == "mine"


def test_a_saved_result_is_not_streamed_over(place, images):
    record(network(), images, preprocess=None).save(place)
    before = files(place)
    with pytest.raises(FileExistsError, match="holds a saved result of kind 'recording': choose another path"):
        streamed(network(), images, place)
    assert files(place) == before


def test_an_unfinished_store_passes_for_nothing_else(place, images):
    cut_short(place, images)
    with pytest.raises(ValueError, match="is not whole: it has 24 of 50 images so far; the call that began it goes on"):
        neuroprobe.load(place)
    with pytest.raises(FileExistsError, match="exists and is no neuroprobe result"):
        record(network(), images, preprocess=None).save(place, overwrite=True)
    assert not list(place.rglob("zarr.json"))


def test_a_call_that_fails_at_once_leaves_nothing(place, images):
    for bad in ({"layers": "none"}, {"reducers": {"own": lambda seen: seen.responses.sum(0)}}):
        with pytest.raises((ValueError, TypeError)):
            streamed(network(), images, place, **bad)
        assert not place.exists()
    streamed(network(), images, place)


def test_where_nothing_is_recorded_any_call_begins(place, images, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "__exit__", lambda *_: None)  # as if killed
        with pytest.raises(KeyboardInterrupt):
            streamed(CutShort(2), images, place)
    (place / "curves").mkdir()
    assert list(streamed(CutShort(), images, place, layers="network.1").curves) == ["network.1"]


# more than one at a time, and disks


def test_two_calls_cannot_write_one_store(place, images):
    def nested(seen):
        with pytest.raises(BlockingIOError, match="being written by another process or call: wait for it, or choose"):
            streamed(network(), images, place, reducers={"nested": nested})
        return Moments.of(seen)

    streamed(network(), images[:4], place, layers="1", reducers={"nested": Moments.of})
    shutil.rmtree(place)
    streamed(network(), images[:4], place, layers="1", reducers={"nested": nested})


def test_a_full_disk_says_what_is_safe(place, images, monkeypatch):
    appended, append = [], streaming._append

    def limited(file, rows):
        appended.append(file)
        if len(appended) > 10:
            raise OSError(28, "No space left on device")
        append(file, rows)

    with monkeypatch.context() as patch:
        patch.setattr(streaming, "_append", limited)
        with pytest.raises(OSError, match=r"No space left on device: .*store.zarr cannot be written to: make") as full:
            streamed(CutShort(), images, place)
    assert full.value.__notes__ == [f"32 of 50 images are safe in {place}: the same call goes on from there"]
    assert_same(streamed(CutShort(), images, place), record(CutShort(), images, preprocess=None, batch_size=BATCH))


def test_a_place_that_cannot_be_written_to(tmp_path, images):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file"):
        streamed(network(), images, tmp_path / "file" / "store.zarr")


def test_an_interrupt_says_what_is_safe(place, images):
    stop = cut_short(place, images)
    assert stop.__notes__ == [f"24 of 50 images are safe in {place}: the same call goes on from there"]


def test_a_file_that_was_spoilt_is_noticed(place, images):
    cut_short(place, images)
    (growing,) = (place / "unfinished").glob("1.responses.*")
    growing.write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{growing.name} is damaged: [\d,]+ bytes are wanted, 0 are there"):
        streamed(CutShort(), images, place)


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b""), lambda file: file.unlink()])
@pytest.mark.parametrize("which", ["curves/*/values/c.0.0", "unfinished/1.responses.*"])
def test_a_file_that_is_lost_is_named(place, images, which, damage):
    cut_short(place, images)
    lost = sorted(place.glob(which))[0]
    damage(lost)
    with pytest.raises(ValueError, match=rf"{lost.name} is damaged: .*, 0 are there; remove the store that it lies in"):
        streamed(CutShort(), images, place)


def test_other_versions_are_warned_of(place, images, monkeypatch, caplog):
    cut_short(place, images)
    monkeypatch.setattr(checkpoints, "versions", lambda: {"torch": "1.0"})
    with caplog.at_level(logging.WARNING, logger="neuroprobe"):
        streamed(CutShort(), images, place)
    assert "versions that may round differently" in caplog.text
    assert "'1.0' came" in caplog.text
