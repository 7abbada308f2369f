import gc

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import neuroprobe
from neuroprobe import record
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.data import open_images
from neuroprobe.observing import observe
from neuroprobe.preparation import prepare
from neuroprobe.readout import Readout
from neuroprobe.reducers import Moments, TopImages

COUNT = 10


@pytest.fixture(scope="module")
def images():
    return torch.rand(COUNT, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def labels():
    return torch.tensor([0, 1, 2, 1, 0, 4, 4, 0, 1, 2])


@pytest.fixture
def cnn7():
    return neuroprobe.load_network("cnn7")


@pytest.fixture(scope="module")
@torch.no_grad()
def by_hand(images):
    """The maps of relu2, by running the modules one after the other."""
    network = neuroprobe.load_network("cnn7")
    mean, std = (torch.tensor(network.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    return network[:5]((images - mean) / std).clone()


def rows(recording, layer="relu2"):
    return torch.from_numpy(recording.curves[layer].values)


class Stream(IterableDataset):
    def __init__(self, images):
        self.images = images

    def __iter__(self):
        yield from self.images


# Values


@pytest.mark.parametrize(
    ("reduce", "reduced"),
    [
        ("mean", lambda maps: maps.mean((2, 3))),
        ("max", lambda maps: maps.amax((2, 3))),
        ("center", lambda maps: maps[:, :, 7, 7]),
        ("none", lambda maps: maps),
    ],
)
def test_responses_are_those_of_the_network(cnn7, images, by_hand, reduce, reduced):
    responses = rows(record(cnn7, images, "relu2", reduce=reduce, batch_size=4))
    assert_close(responses, reduced(by_hand), rtol=1e-5, atol=1e-5)


def test_curves_are_labelled(cnn7, images):
    recording = record(cnn7, images, ["relu1", "relu7"])
    assert {layer: (curve.dims, curve.shape) for layer, curve in recording.curves.items()} == {
        "relu1": (("image", "unit"), (10, 32)),
        "relu7": (("image", "unit"), (10, 512)),
    }
    assert recording.units.index.tolist() == [
        (layer, unit) for layer, units in {"relu1": 32, "relu7": 512}.items() for unit in range(units)
    ]


def test_whole_maps_have_places(cnn7, images):
    recording = record(cnn7, images, ["relu2", "relu7"], reduce="none")
    assert recording.curves["relu2"].dims == ("image", "unit", "y", "x")
    assert recording.curves["relu7"].dims == ("image", "unit")


def test_whole_sequences_have_tokens(images):
    network = nn.Sequential(nn.Flatten(2), nn.Linear(1024, 6), nn.GELU())
    curve = record(network, images, reduce="none", preprocess=None).curves["2"]
    assert (curve.dims, curve.shape) == (("image", "unit", "token"), (10, 6, 3))


def test_channels_last_maps_have_units_first(images):
    class Last(nn.Module):
        def forward(self, x):
            return torch.relu(nn.functional.layer_norm(x.permute(0, 2, 3, 1), (3,)))

    curve = record(Last(), images, reduce="none", preprocess=None).curves["/relu:0"]
    expected = nn.functional.layer_norm(images.permute(0, 2, 3, 1), (3,)).relu().permute(0, 3, 1, 2)
    assert_close(torch.from_numpy(curve.values), expected)


def test_the_defaults_are_all_non_linearities(cnn7, images):
    assert list(record(cnn7, images).curves) == [f"relu{i}" for i in range(1, 8)]


def test_in_place_operations_change_nothing(images):
    def network(inplace):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace), nn.Hardtanh(0, 0.1, inplace))

    kept, overwritten = (record(network(inplace), images, "*", preprocess=None) for inplace in (False, True))
    for layer in "0123":
        assert_close(rows(overwritten, layer), rows(kept, layer))


def test_meta_says_what_it_was_made_from(cnn7, images):
    meta = record(cnn7, images, "relu1").meta
    assert (meta["model"], meta["data"], meta["reduce"]) == ("cnn7", "Tensor", "mean")
    assert meta["images"] == len(images)
    assert meta["layers"] == {"relu1": {"kind": "ReLU", "shape": [1, 32, 30, 30]}}


# Every kind of data gives the same


def sources(images, labels):
    return {
        "pair": (images, labels),
        "arrays": (images.numpy(), labels.numpy()),
        "Dataset": TensorDataset(images, labels),
        "DataLoader": DataLoader(TensorDataset(images, labels), 3),
        "stream": DataLoader(Stream(images), 4),
    }


@pytest.mark.parametrize("kind", ["pair", "arrays", "Dataset", "DataLoader", "stream"])
def test_every_kind_of_data(cnn7, images, labels, by_hand, kind):
    assert_close(rows(record(cnn7, sources(images, labels)[kind], "relu2")), by_hand.mean((2, 3)))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10, 100])
def test_batches_cut_differently_give_the_same(cnn7, images, by_hand, batch_size):
    assert_close(rows(record(cnn7, images, "relu2", batch_size=batch_size)), by_hand.mean((2, 3)))


def test_a_shuffled_loader_is_read_in_the_order_of_its_data_set(cnn7, images, by_hand):
    loader = DataLoader(TensorDataset(images, torch.arange(COUNT)), 4, shuffle=True)
    order = []
    recording = record(
        cnn7, loader, "relu2", reducers={"order": lambda seen: order.extend(seen.labels.tolist()) or Moments.of(seen)}
    )
    assert order == list(range(COUNT))
    assert_close(recording.reduced["order"]["relu2"].mean, by_hand.mean((2, 3)).double().mean(0), rtol=1e-5, atol=1e-6)
    assert_close(rows(record(cnn7, loader, "relu2")), by_hand.mean((2, 3)))


def test_a_folder_of_photographs(cnn7, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for i, label in enumerate(("cat", "cat", "dog")):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(pixels[i]).save(tmp_path / label / f"{i}.png")
    recording = record(cnn7, tmp_path, "relu2")
    expected = record(cnn7, torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255, "relu2")
    assert_close(rows(recording), rows(expected))
    assert recording.meta["classes"] == ["cat", "dog"]


def test_photographs_of_any_size_are_brought_to_the_network(cnn7, tmp_path):
    (tmp_path / "class").mkdir()
    for i, size in enumerate([(32, 32), (100, 50), (20, 64)]):
        Image.new("RGB", size, (200, 100, 50)).save(tmp_path / "class" / f"{i}.png")
    same = rows(record(cnn7, tmp_path, "relu2"))
    assert_close(same, same[:1].expand(3, -1))


@pytest.mark.parametrize("size", [12, (12, 12), (3, 12, 12)])
def test_photographs_of_any_size_are_brought_to_a_size_that_is_given(tmp_path, size):
    (tmp_path / "photographs" / "class").mkdir(parents=True)
    for i, side in enumerate([(32, 32), (100, 50)]):
        Image.new("RGB", side, (200, 100, 50)).save(tmp_path / "photographs" / "class" / f"{i}.png")
    network, how = nn.Sequential(nn.ReLU()), {"reduce": "none", "preprocess": None, "out": tmp_path / "store"}
    with pytest.raises(ValueError, match="or to the input_size= of a call that takes it"):
        record(network, tmp_path / "photographs", **how)
    recording = record(network, tmp_path / "photographs", input_size=size, **how)
    assert recording.curves["0"].shape == (2, 3, 12, 12)
    assert_close(recording.curves["0"].mean(("image", "y", "x")).values * 255, np.array([200, 100, 50], np.float32))
    with pytest.raises(FileExistsError, match="data: "):
        record(network, tmp_path / "photographs", input_size=14, **how)


# Reducers


def test_reducers_give_what_the_responses_give(cnn7, images, labels):
    responses = rows(record(cnn7, images, "relu2")).double()
    given = {"moments": "moments", "class_moments": "class_moments", "top": lambda seen: TopImages.of(seen, k=3)}
    reduced = record(cnn7, (images, labels), "relu2", reducers=given, batch_size=4).reduced
    assert_close(reduced["moments"]["relu2"].mean, responses.mean(0))
    assert_close(reduced["moments"]["relu2"].variance, responses.var(0))
    assert_close(reduced["class_moments"]["relu2"].mean[4], responses[labels == 4].mean(0))
    assert reduced["class_moments"]["relu2"].count.tolist() == [3, 3, 2, 0, 2]
    assert torch.equal(reduced["top"]["relu2"].images, responses.argsort(dim=0, descending=True, stable=True)[:3].T)


def test_top_images_show_the_place_in_the_map(cnn7, images, by_hand):
    top = record(cnn7, images, "relu2", reducers="top_images", batch_size=3).reduced["top_images"]["relu2"]
    for unit in (0, 7):
        image, (row, column) = top.images[unit, 0], top.places[unit, 0]
        assert by_hand[image, unit, row, column] == pytest.approx(by_hand[image, unit].max().item(), rel=1e-5)


def test_a_reducer_of_ones_own(cnn7, images, by_hand):
    recording = record(cnn7, images, "relu2", reducers={"sum": lambda seen: seen.maps.sum((0, 2, 3))}, batch_size=4)
    assert_close(recording.reduced["sum"]["relu2"], by_hand.sum((0, 2, 3)), rtol=1e-4, atol=1e-3)
    assert dict(recording.curves) == {}


def test_one_forward_pass_serves_every_layer_and_reducer(cnn7, images):
    passes = []
    cnn7.register_forward_hook(lambda *_: passes.append(1))
    record(cnn7, images, "*", reducers=["moments", "top_images"], batch_size=4)
    assert len(passes) == 1 + 3  # a dry one, and one a batch


def test_memory_does_not_grow_with_the_number_of_images(cnn7):
    alive = []

    def counted(seen):
        alive.append(sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()))
        return Moments.of(seen)

    record(cnn7, DataLoader(Stream(torch.zeros(24, 3, 32, 32)), 4), "relu1", reducers={"counted": counted})
    assert len(set(alive[2:])) == 1


def test_reducers_want_one_response_a_unit(cnn7, images):
    with pytest.raises(ValueError, match="reduce must be 'mean', 'max' or 'center', not 'none'"):
        record(cnn7, images, reducers="moments", reduce="none")


def test_class_moments_without_labels(left_alone, cnn7, images):
    with left_alone(cnn7), pytest.raises(ValueError, match="class moments need labels"):
        record(cnn7, images, reducers="class_moments")


# Any network simply works


@pytest.mark.parametrize(
    ("dtype", "close"),
    [(torch.float64, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 5e-2)],
)
def test_networks_in_other_precision(left_alone, cnn7, images, by_hand, dtype, close):
    cnn7.to(dtype)
    with left_alone(cnn7):
        responses = rows(record(cnn7, images, "relu2"))
    assert_close(responses, by_hand.mean((2, 3)), rtol=close, atol=close)


def test_running_in_lower_precision(left_alone, cnn7, images, by_hand):
    with left_alone(cnn7):
        responses = rows(record(cnn7, images, "relu2", dtype=torch.bfloat16))
    assert not torch.equal(responses, by_hand.mean((2, 3)))
    assert_close(responses, by_hand.mean((2, 3)), rtol=5e-2, atol=5e-2)


def test_a_precision_that_is_none(cnn7, images):
    with pytest.raises(ValueError, match=r"torch\.float16 or None .*; torch\.int8 came"):
        record(cnn7, images, dtype=torch.int8)


def test_a_network_in_train_mode_is_measured_in_eval_mode(left_alone, cnn7, images, by_hand):
    cnn7.train()
    cnn7.bn3.eval()
    with left_alone(cnn7):
        assert_close(rows(record(cnn7, images, "relu2")), by_hand.mean((2, 3)))


def test_a_network_with_gradients(left_alone, cnn7, images):
    cnn7(images).sum().backward()
    with left_alone(cnn7):
        record(cnn7, images)


def test_a_network_in_channels_last(left_alone, cnn7, images, by_hand):
    cnn7.to(memory_format=torch.channels_last)
    with left_alone(cnn7):
        assert_close(rows(record(cnn7, images, "relu2")), by_hand.mean((2, 3)))


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_in_any_mode_of_gradients(left_alone, cnn7, images, mode):
    with mode(), left_alone(cnn7):
        assert not rows(record(cnn7, images, "relu2")).requires_grad


def test_wrapped_networks(left_alone, cnn7, images, by_hand):
    wrapped = nn.DataParallel(cnn7)
    with left_alone(wrapped):
        assert_close(rows(record(wrapped, images, "relu2")), by_hand.mean((2, 3)))


def test_transformers_take_no_shortcut_past_their_layers(images):
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(32, 2, 8, batch_first=True)
    network = nn.Sequential(nn.Flatten(1, 2), encoder)  # rows of pixels as tokens
    hidden = rows(record(network, images, "1.linear1", preprocess=None), "1.linear1")
    assert hidden.shape == (COUNT, 8)
    assert_close(hidden, rows(record(network, images, "*", preprocess=None), "1.linear1"))


def test_the_users_data_are_not_written_into(images):
    network = nn.Sequential(nn.Hardtanh(0, 0.5, inplace=True))
    grey = images[:, :1].clone()
    before = grey.clone()
    for data in (grey, DataLoader([grey], batch_size=None)):
        record(network, data, preprocess=lambda x: x.sub_(0.1))
        record(network, data, preprocess=None)
    assert torch.equal(grey, before)


def test_a_preprocessing_of_ones_own(images):
    network = nn.Sequential(nn.Linear(3072, 5), nn.ReLU())
    responses = rows(record(network, images, preprocess=lambda x: 2 * x.flatten(1)), "1")
    assert_close(responses, network(2 * images.flatten(1)).detach())


# What raises leaves no trace


class FailsLater(nn.Module):
    """Raises from its third forward pass on: the first shows its layers."""

    def __init__(self, error):
        super().__init__()
        self.norm, self.relu, self.error, self.passes = nn.BatchNorm2d(3), nn.ReLU(), error, []

    def forward(self, x):
        x = self.relu(self.norm(x))
        self.passes.append(1)
        if len(self.passes) >= 3:
            raise self.error("half way")
        return x


@pytest.mark.parametrize("mode", [True, False])
def test_success_leaves_no_trace(left_alone, cnn7, images, labels, mode):
    cnn7.train(mode)
    with left_alone(cnn7):
        record(cnn7, DataLoader(TensorDataset(images, labels), 4, shuffle=True), "*", reducers=["class_moments"])


class Remembers(nn.Module):
    """A network with a state of its own, which moves in eval mode too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))
        self.calls, self.hidden, self.relu = 0, None, nn.ReLU()

    def forward(self, x):
        self.passes += 1
        self.calls += 1
        self.hidden = x if self.hidden is None else self.hidden + x  # of another size it cannot be added
        return self.relu(self.hidden * self.passes + self.calls)


@pytest.mark.parametrize("out", [None, "store.zarr"])
def test_a_network_with_a_state_of_its_own_begins_where_it_stands(left_alone, images, tmp_path, out):
    network, alike, place = Remembers(), Remembers(), out and tmp_path / out
    with left_alone(network):
        recording = record(network, images, preprocess=None, batch_size=5, out=place)
    expected = torch.cat([alike(batch).mean((2, 3)) for batch in images.split(5)])
    assert_close(rows(recording, "relu"), expected)
    assert (network.calls, network.hidden) == (0, None)


def test_an_error_of_the_forward_pass_is_explained(left_alone, images):
    network = FailsLater(ZeroDivisionError)
    with (
        left_alone(network),
        pytest.raises(
            RuntimeError,
            match=r"of FailsLater raised ZeroDivisionError: half way\n.*\(4, 3, 32, 32\), torch\.float32 on cpu",
        ),
    ):
        record(network, images, batch_size=4, preprocess=None)


def test_an_interrupt_leaves_no_trace(left_alone, images):
    network = FailsLater(KeyboardInterrupt)
    with left_alone(network), pytest.raises(KeyboardInterrupt):
        record(network, images, batch_size=4, preprocess=None)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_of_a_reducer_is_its_own(left_alone, cnn7, images, error):
    def failing(_seen):
        raise error("of the reducer")

    with left_alone(cnn7), pytest.raises(error, match="of the reducer"):
        record(cnn7, images, reducers={"failing": failing})


def test_a_bad_image_in_a_later_batch(left_alone, cnn7, images):
    spoiled = images.clone()
    spoiled[7, 0, 0, 0] = torch.nan
    with left_alone(cnn7), pytest.raises(ValueError, match="image 7 has NaN"):
        record(cnn7, spoiled, batch_size=4)


def test_an_unknown_layer(left_alone, cnn7, images):
    with left_alone(cnn7), pytest.raises(UnknownLayerError, match=r"no layer 'relu9' .*; nearest: relu7"):
        record(cnn7, images, ["relu1", "relu9"])


def test_weights_that_are_not_finite(left_alone, cnn7, images):
    cnn7.conv2.weight.data[0, 0, 0, 0] = torch.nan
    with (
        left_alone(cnn7),
        pytest.raises(ValueError, match=r"layer 'relu2' gave NaN .*are the network's weights finite"),
    ):
        record(cnn7, images)


def test_a_layer_that_runs_for_some_images_only(images):
    class Choosy(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu, self.rare = nn.ReLU(), nn.ReLU()

        def forward(self, x):
            return self.rare(x) if (x < 2).all() else self.relu(x)

    with pytest.raises(RuntimeError, match=r"layer 'rare' ran 1 times in 2 forward passes"):
        record(Choosy(), torch.stack([images[0], images[1] + 2]), batch_size=1, preprocess=None)


def test_images_of_other_channels(cnn7, images):
    with pytest.raises(ValueError, match="images must have 3 channels for this network; 1 came"):
        record(cnn7, images[:, :1])


def test_images_too_small(left_alone, cnn7, images):
    with left_alone(cnn7), pytest.raises(RuntimeError, match=r"raised RuntimeError: .*\n.*of shape \(3, 3, 8, 8\)"):
        record(cnn7, images[:, :, :8, :8])


# The network's own output


def test_the_output_of_each_pass_is_told_after_its_layers_and_before_the_next_batch(cnn7, images):
    told = []

    def drawn():
        for batch in open_images(images, batch_size=4):
            told.append("batch")
            yield batch

    observe(
        prepare(cnn7),
        drawn(),
        ["fc2"],
        [lambda _, seen: told.append(seen.responses.clone())],
        Readout(),
        on_output=told.append,
    )
    assert [what for what in told if isinstance(what, str)] == ["batch"] * 3
    for batch, layer, output in zip(told[::3], told[1::3], told[2::3], strict=True):
        assert batch == "batch"
        assert_close(layer, output)


# Real photographs


def test_resnet20_knows_the_photographs(left_alone, resnet20, photographs):
    with left_alone(resnet20):
        logits = rows(record(resnet20, photographs, "linear"), "linear")
    accuracy = (logits.argmax(1) == photographs[1]).double().mean().item()
    assert accuracy == pytest.approx(0.8103, abs=0.03)  # on all 10,000; 2,000 have a standard error of 0.009


def test_class_means_of_photographs(resnet20, photographs):
    moments = record(resnet20, photographs, "linear", reducers="class_moments").reduced["class_moments"]["linear"]
    assert moments.count.tolist() == [200.0] * 10
    assert moments.mean.argmax(1).tolist() == list(range(10))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_mean_of_bfloat16_maps_is_no_further_off_than_one_rounding(layout):
    maps = torch.rand(3, 5, 20, 30, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16, memory_format=layout)
    means = Readout().respond(maps)
    assert means.dtype is torch.float32
    assert_close(means, maps.double().mean((2, 3)).float(), rtol=2**-9, atol=0)
