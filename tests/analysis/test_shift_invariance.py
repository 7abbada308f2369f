"""Shift invariance: planted networks whose answers are known, trained ones, and what a user may get wrong."""

import numpy as np
import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import neuroprobe
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.results import ShiftInvariance

SHIFTS = (-3, -2, -1, 1, 2, 3)


def circular(*strides, classes=4):
    """Circular convolutions with these strides, each with a ReLU, and a linear reading of their global means."""
    layers, channels = [], 3
    for stride in strides:
        layers += [nn.Conv2d(channels, 8, 3, stride, padding=1, padding_mode="circular"), nn.ReLU()]
        channels = 8
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))


class OnePixel(nn.Module):
    """Four units: the mean of the image, one pixel, a constant, and nothing."""

    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        grey = x.mean(1)
        units = (grey.mean((1, 2)), grey[:, 5, 5], torch.full((len(x),), 0.1), torch.full((len(x),), -1.0))
        return self.relu(torch.stack(units, 1))


@pytest.fixture
def images():
    return torch.rand(24, 3, 12, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def measure(model, data, **options):
    return neuroprobe.shift_invariance(model, data, **({"preprocess": None, "shifts": SHIFTS} | options))


# planted truth


def test_circular_convolutions_and_global_pooling_are_invariant_to_circular_shifts(images):
    shift = measure(circular(1, 1), (images, torch.zeros(24, dtype=torch.long)), border="circular")
    live = shift.units[shift.units.status == "ok"]
    assert len(live) > 8
    assert live.pearson.to_numpy() == pytest.approx(1)
    assert shift.layers.cosine_aligned.to_numpy() == pytest.approx(1, abs=1e-6)
    assert (shift.layers.cosine_map < 0.99).all()
    assert (shift.network.consistency == 1).all()
    assert (shift.network.p_top1_change == 0).all()
    assert shift.network.mac.to_numpy() == pytest.approx(0, abs=1e-6)
    assert (shift.network.accuracy == shift.accuracy).all()


def test_a_stride_of_two_has_no_aligned_maps_at_odd_shifts(images):
    layers = measure(circular(1, 2), images, border="circular").layers.cosine_aligned.unstack("layer")
    even = layers.index.get_level_values("shift") % 2 == 0
    assert layers["3"][even].to_numpy() == pytest.approx(1, abs=1e-6)
    assert layers["3"][~even].isna().all()
    assert layers["1"].to_numpy() == pytest.approx(1, abs=1e-6)


def test_a_unit_that_sees_one_pixel_is_not_invariant_and_a_constant_one_has_no_number(images):
    shift = measure(OnePixel(), images, border="circular")
    units = shift.units.loc["relu"]
    assert units.pearson[0] == pytest.approx(1)
    assert abs(units.pearson[1]) < 0.3
    assert units.pearson[2:].isna().all()
    assert units.status.tolist() == ["ok", "ok", "unresponsive", "dead"]
    assert shift.summary().loc["relu", ["constant", "unresponsive", "dead"]].tolist() == [2, 1, 1]
    assert shift.layers.isna().all(axis=None)  # single places have no pattern


def test_the_curves_are_the_correlations_over_images(images):
    shift = measure(OnePixel(), images, border="circular")
    grey = images.mean(1).numpy()
    curve = shift.curves["relu"]
    assert curve.dims == ("unit", "axis", "shift")
    for axis, place in (("x", (5, 3)), ("y", (3, 5))):  # moved by 2, the pixel shows what lay 2 before
        expected = np.corrcoef(grey[:, 5, 5], grey[:, *place])[0, 1]
        assert curve.sel(unit=1, axis=axis, shift=2).item() == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(shift.units.pearson.iloc[:2], curve.mean(("axis", "shift"))[:2])


def test_a_unit_that_a_shift_makes_constant_has_no_number_and_is_counted(images):
    images[:, :, 5, :5] = 0.5  # so that moved by 1 to 3 to the right the pixel is the same in all
    shift = measure(OnePixel(), images)
    assert shift.curves["relu"].sel(unit=1, axis="x").isnull().values.tolist() == [False] * 3 + [True] * 3
    assert shift.units.loc[("relu", 1), "status"] == "unresponsive"
    assert np.isnan(shift.units.loc[("relu", 1), "pearson"])


def test_the_network_is_measured_against_its_own_answer(images):
    """Its answer is which half of a row is brighter, and a shift mixes the halves."""

    class Halves(nn.Module):
        def forward(self, x):
            return torch.stack([x[..., :6].mean((1, 2, 3)), x[..., 6:].mean((1, 2, 3))], 1)

    model = nn.Sequential(nn.ReLU(), Halves())
    before, after = model(images), model(torch.roll(images, 3, 3))
    labels = before.argmax(1)
    labels[:6] = 1 - labels[:6]
    network = measure(model, (images, labels), border="circular").network
    same = (before.argmax(1) == after.argmax(1)).float().mean().item()
    change = (after.softmax(1) - before.softmax(1)).gather(1, before.argmax(1)[:, None]).abs().mean().item()
    row = network.loc[("x", 3)]
    assert row.consistency == pytest.approx(same)
    assert row.p_top1_change == pytest.approx(1 - same)
    assert row.mac == pytest.approx(change, rel=1e-4)
    assert row.accuracy == pytest.approx((after.argmax(1) == labels).float().mean().item())
    assert (network.loc["y"].consistency == 1).all()
    assert measure(model, (images, labels)).accuracy == 0.75


# trained networks and photographs


@pytest.fixture(scope="module")
def cnn7_on_photographs(photographs):
    few = tuple(part[:200] for part in photographs)
    return neuroprobe.shift_invariance(neuroprobe.load_network("cnn7"), few)


def test_cnn7s_unpadded_maps_move_exactly_with_the_image(cnn7_on_photographs):
    aligned = cnn7_on_photographs.layers.cosine_aligned
    assert aligned.loc["relu1"].to_numpy() == pytest.approx(1, abs=1e-5)
    assert aligned.loc["relu5"].dropna().to_numpy() == pytest.approx([1] * 4, abs=1e-5)  # at 4 pixels, both ways
    assert aligned.loc["relu6"].isna().all()


def test_cnn7_loses_invariance_with_the_shift_and_with_depth(cnn7_on_photographs):
    median = {layer: float(curve.median()) for layer, curve in cnn7_on_photographs.curves.items()}
    assert median["relu1"] > 0.95 > median["relu6"] > 0.7
    by_shift = cnn7_on_photographs.curves["relu6"].median("unit").mean("axis")
    assert (by_shift.sel(shift=[1, 2, 3]).values > by_shift.sel(shift=[2, 3, 4]).values).all()
    network = cnn7_on_photographs.network
    assert network.consistency.between(0.75, 1).all()
    assert cnn7_on_photographs.accuracy == pytest.approx(0.84, abs=0.06)
    assert (network.accuracy <= cnn7_on_photographs.accuracy + 0.03).all()


def test_resnet20_moves_with_the_image_but_for_its_borders(resnet20, photographs):
    shift = neuroprobe.shift_invariance(resnet20, tuple(part[:100] for part in photographs), shifts=(-4, 1))
    layers = shift.layers.cosine_aligned.unstack(["axis", "shift"])
    assert layers["x"][-4].between(0.7, 1).all()
    assert layers["y"][1].isna().sum() == 12  # of 19 layers, those with a stride of 2 or 4
    moved_back, as_they_stand = (shift.summary()[f"mean_cosine_{name}"] for name in ("aligned", "map"))
    assert (moved_back > as_they_stand).all()
    assert shift.accuracy == pytest.approx(0.81, abs=0.08)


# the same answer, whatever the cut, the mode, the source


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_the_batch_size_changes_nothing(batch_size, images):
    data = images, torch.arange(24) % 4
    network = circular(1, 2)
    one, other = (measure(network, data, batch_size=size) for size in (24, batch_size))
    for name in ("units", "layers", "network"):
        assert_frame_equal(getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-5)
    assert one.meta == other.meta


def test_the_data_are_read_once_and_in_order(images):
    read = []

    class Counted(TensorDataset):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    network, labels = circular(1), torch.arange(24) % 4
    shift = measure(network, DataLoader(Counted(images, labels), batch_size=5, shuffle=True))
    assert read == list(range(24))
    assert_frame_equal(shift.network, measure(network, (images, labels), batch_size=5).network)


@pytest.mark.parametrize("change", [nn.Module.train, nn.Module.double, nn.Module.bfloat16])
def test_modes_and_precisions_simply_work(change, images, left_alone):
    network = change(circular(1, 1))
    with left_alone(network):
        shift = measure(network, images, border="circular")
    assert shift.units.pearson.dropna().to_numpy() == pytest.approx(1, abs=0.02)


def test_images_move_before_they_are_preprocessed(images):
    seen = []

    def preprocess(batch):
        seen.append(batch.clone())
        return batch - 0.5

    measure(circular(1), images, preprocess=preprocess, border="zero", shifts=[2], batch_size=24)
    moved = seen[-2:]  # the last batch, on x and on y
    assert (moved[0][..., :2] == 0).all()
    assert torch.equal(moved[0][..., 2:], images[..., :-2])
    assert torch.equal(moved[1][:, :, 2:], images[:, :, :-2])


def test_crop_needs_no_border(images):
    class Sum(nn.Module):
        def forward(self, x):
            return x.sum((1, 2))

    model = nn.Sequential(nn.ReLU(), Sum())
    shift = measure(model, images, border="crop", input_size=6)
    assert shift.meta["image_size"] == [3, 6, 6]
    assert shift.layers.loc["0"].cosine_aligned.to_numpy() == pytest.approx(1)  # all that enters is real


def test_a_folder_is_scaled_to_the_networks_size(tmp_path):
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.effect_noise((40, 48), 60).convert("RGB").save(tmp_path / name / f"{number}.png")
    network = neuroprobe.load_network("cnn7")
    shift = neuroprobe.shift_invariance(network, tmp_path, ["relu1"], shifts=[1])
    assert (shift.meta["image_size"], shift.meta["images"], shift.meta["classes"]) == ([3, 32, 32], 4, ["cat", "dog"])
    cut = neuroprobe.shift_invariance(network, tmp_path, ["relu1"], shifts=[1, 4], border="crop")
    assert cut.meta["image_size"] == [3, 32, 32]


def test_signed_layers_are_rectified_and_say_so(images):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    shift = measure(network, images)
    assert set(shift.units.loc["1"].status) <= {"rectified", "dead"}
    assert set(shift.units.loc["3"].status) <= {"ok", "dead"}
    assert shift.meta["signed_layers"] == ["1"]


def test_maps_in_place_and_channels_last_are_read_as_they_were(images):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 3, padding=1)
            self.linear, self.relu = nn.Linear(4, 6), nn.ReLU()

        def forward(self, x):
            y = self.relu(self.linear(self.convolution(x).permute(0, 2, 3, 1)))
            seen = y.clone().mean((1, 2))
            y.zero_()
            return seen

    shift = measure(Last(), images, border="circular")
    assert shift.meta["layers"]["relu"]["shape"] == [1, 12, 12, 6]
    inside = shift.layers.cosine_aligned
    assert inside.between(0.8, 1).all()
    assert len(shift.units.loc["relu"]) == 6


def test_tokens_have_maps_that_cannot_be_moved_back():
    from torchvision.models import VisionTransformer

    images = torch.rand(6, 3, 16, 16)
    shift = measure(VisionTransformer(16, 4, 1, 2, 8, 16, num_classes=3), images, shifts=[4])
    assert shift.layers.cosine_map.notna().any()
    assert shift.layers.cosine_aligned.isna().all()


# what is missing


def test_without_labels_the_accuracy_is_nan_with_a_note(images):
    shift = measure(circular(1), images)
    assert np.isnan(shift.accuracy)
    assert shift.network.accuracy.isna().all()
    assert shift.network.consistency.notna().all()
    assert shift.meta["definitions"]["accuracy"] == "NaN: the data have no labels"


def test_without_logits_the_decisions_are_nan_with_a_note(images):
    shift = measure(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (images, torch.zeros(24, dtype=torch.long)))
    assert shift.network.isna().all(axis=None)
    assert shift.meta["definitions"]["mac"] == "NaN: the network gives no logits (images, classes)"
    assert shift.layers.cosine_aligned.notna().all()


def test_two_images_are_too_few_for_a_correlation(images):
    shift = measure(circular(1), images[:2])
    assert (shift.units.status == "too_few").all()
    assert shift.units.pearson.isna().all()
    assert shift.layers.cosine_aligned.notna().all()


# the model, and what is refused


@pytest.mark.parametrize("error", [ValueError("no more"), KeyboardInterrupt()])
def test_the_model_is_left_alone_when_it_stops_half_way(error, images, left_alone):
    passes = []

    class Stopping(nn.Module):
        def forward(self, x):
            passes.append(len(x))
            if len(passes) > 6:
                raise error
            return x

    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.InstanceNorm2d(2, track_running_stats=True), nn.ReLU(), Stopping())
    wanted = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else RuntimeError
    with left_alone(network), pytest.raises(wanted):
        measure(network, images)


def test_the_model_is_left_as_it_was_found(images, left_alone):
    network = neuroprobe.load_network("cnn7").train()
    with left_alone(network):
        neuroprobe.shift_invariance(network, torch.full((3, 3, 32, 32), 0.5), ["relu1"], shifts=[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shifts": (0, 1)}, r"\[0, 1\] came"),
        ({"shifts": (1, 1)}, r"\[1, 1\] came"),
        ({"shifts": (0.5,)}, r"\(0.5,\) came"),
        ({"shifts": 3}, "3 came"),
        ({"shifts": (12,)}, "12x12 pixels; a shift of 12 came"),
        ({"border": "wrap"}, "'wrap' came"),
        ({"border": "crop", "input_size": 12}, "at least 18x18 pixels; 12x12 came"),
        ({"border": "crop"}, "image size of Sequential is not known"),
        ({"input_size": 10}, "input_size is 10x10, and images of 12x12 came"),
        ({"layers": "relu"}, "no layer 'relu'"),
        ({"tokens": "all of them"}, "'all of them' came"),
        ({"batch_size": 0}, "0 came"),
        ({"dtype": torch.int8}, "torch.int8 came"),
        ({"preprocess": "imagenet"}, "'imagenet' came"),
    ],
)
def test_bad_input_is_named(options, message, images, left_alone):
    network = circular(1)
    with left_alone(network), pytest.raises((ValueError, TypeError, UnknownLayerError), match=message):
        measure(network, images, **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda images: (images, torch.full((24,), 9)), "number of outputs, 4; 9 came"),
        (lambda images: images * 255, "values from .* to 25.* came"),
        (lambda images: images[:0], "hold no images"),
    ],
)
def test_bad_data_are_named(data, message, images):
    with pytest.raises(ValueError, match=message):
        neuroprobe.shift_invariance(circular(1), data(images), shifts=[1])


# the result


def test_what_loads_is_what_was_measured(images, tmp_path):
    shift = measure(circular(1, 2), (images, torch.arange(24) % 4))
    loaded = neuroprobe.load(shift.save(tmp_path / "shift.zarr"))
    assert isinstance(loaded, ShiftInvariance)
    for name in ("units", "layers", "network"):
        assert_frame_equal(getattr(loaded, name), getattr(shift, name), check_exact=True)
    assert loaded.meta == shift.meta
    assert loaded.accuracy == shift.accuracy
    assert all(loaded.curves[layer].identical(curve) for layer, curve in shift.curves.items())


def test_a_result_without_labels_loads_as_it_was_saved_too(images, tmp_path):
    shift = measure(circular(1), images)
    loaded = neuroprobe.load(shift.save(tmp_path / "shift.zarr"))
    assert loaded.meta == shift.meta
    assert np.isnan(loaded.accuracy)


def test_the_tables_have_the_columns_and_rows_of_the_contract(images):
    shift = measure(circular(1, 2), images)
    assert list(shift.units.columns) == ["pearson", "status"]
    assert list(shift.layers.columns) == ["cosine_map", "cosine_aligned"]
    assert list(shift.network.columns) == ["accuracy", "consistency", "p_top1_change", "mac"]
    rows = pd.MultiIndex.from_product([["x", "y"], SHIFTS], names=["axis", "shift"])
    assert shift.network.index.equals(rows)
    assert shift.layers.index.droplevel("layer").unique().equals(rows)
    summary = shift.summary()
    assert list(summary.index) == ["1", "3"]
    assert summary.mean_cosine_map["3"] == pytest.approx(shift.layers.loc["3"].cosine_map.mean())
    assert repr(shift).startswith("ShiftInvariance(Sequential, 16 units, 2 layers, median pearson ")


def test_logits_that_are_nan_are_an_error(photographs):
    cnn7 = neuroprobe.load_network("cnn7")
    cnn7[-1].weight.data[0] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite logits"):
        neuroprobe.shift_invariance(cnn7, photographs[0][:4], ["relu1"], shifts=(1,), progress=False)
