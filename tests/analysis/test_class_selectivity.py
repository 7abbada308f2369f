import tempfile
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import neuroprobe
from neuroprobe import spool
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.analysis.class_columns import COLUMNS

STAGES = ["layer1.2/relu:0", "layer2.2/relu:0", "layer3.2/relu:0"]


def planted(responses, labels, last=nn.ReLU, **options):
    """Measure units whose responses (images, units) are given: an image's channels are what its units respond."""
    images = torch.as_tensor(np.asarray(responses), dtype=torch.float32)[:, :, None, None]
    data = (images, torch.as_tensor(np.asarray(labels)))
    options = {"permutations": 0, "preprocess": None} | options
    return neuroprobe.class_selectivity(nn.Sequential(last()), data, ["0"], **options)


def for_class(preferred, labels, high=3.0, low=1.0):
    return np.where(np.asarray(labels) == preferred, high, low)


@pytest.fixture(scope="module")
def labels():
    return np.arange(60) % 3


@pytest.fixture(scope="session")
def all_photographs(data_folder):
    """The 10,000 test photographs of CIFAR-10, as bytes (10000, 3, 32, 32), and their labels."""
    with ZipFile(data_folder / "cifar10.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("test/") and name.endswith(".jpg"))
        pixels = np.stack([np.asarray(Image.open(archive.open(name))) for name in names])
    labels = np.unique([name.split("/")[1] for name in names], return_inverse=True)[1]
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(labels)


# Known truth


def test_planted_units_have_the_indices_that_were_planted(labels):
    random = np.random.default_rng(0)
    responses = np.stack(
        [
            for_class(0, labels, 1, 0),
            np.ones(60),
            for_class(2, labels, 3, 1),
            random.exponential(size=60),
        ],
        axis=1,
    )
    units = planted(responses, labels, permutations=99).units.loc["0"]
    assert units.si[:3].to_numpy() == pytest.approx([1, 0, 0.5], abs=1e-6)
    assert units.si_cv[:3].to_numpy() == pytest.approx([1, 0, 0.5], abs=1e-6)
    assert units.preferred_class[:3].tolist() == [0, 0, 2]
    assert units.margin[:3].to_numpy() == pytest.approx([1, 0, 0.5], abs=1e-6)
    assert units.auroc[:3].tolist() == [1, 0.5, 1]
    assert units.eta_squared[[0, 2]].to_numpy() == pytest.approx([1, 1])
    assert units.p_value[:3].tolist() == [0.01, 1, 0.01]
    one_of_three = np.log2(3) - 2 / 3  # bits that "class 0 or not" holds
    assert units.mutual_information[:3].to_numpy() == pytest.approx([one_of_three, 0, one_of_three])
    assert units.p_value[3] > 0.05
    assert (units.q_value >= units.p_value).all()
    assert (units.status == "ok").all()


def test_the_table_has_every_column_and_the_curves_every_class(labels):
    classes = planted(np.stack([for_class(1, labels), for_class(2, labels)], 1), labels)
    assert list(classes.units.columns) == list(COLUMNS)
    assert str(classes.units.preferred_class.dtype) == "Int64"
    curve = classes.curves["0"]
    assert curve.dims == ("unit", "class")
    assert curve["class"].values.tolist() == [0, 1, 2]
    assert curve.values.tolist() == [[1, 3, 1], [1, 1, 3]]


def test_resnet20_has_the_known_selectivity_on_all_10000_photographs(resnet20, all_photographs):
    pixels, labels = all_photographs
    classes = neuroprobe.class_selectivity(
        resnet20, TensorDataset(pixels.float().div_(255), labels), STAGES, preset="leavitt2020", permutations=0
    )
    units = classes.units
    alive = units[units.status != "dead"]
    for table, wanted in ((units, [0.076, 0.148, 0.302]), (alive, [0.087, 0.153, 0.307])):
        means = table.si.groupby(level="layer", sort=False).mean()
        assert means.to_numpy() == pytest.approx(wanted, abs=0.001)
    assert classes.summary().mean_si.to_numpy() == pytest.approx([0.076, 0.148, 0.302], abs=0.001)
    assert classes.meta["images_per_class"] == [1000] * 10


def test_selectivity_rises_with_depth_and_stands_above_chance(resnet20, photographs):
    classes = neuroprobe.class_selectivity(resnet20, photographs, STAGES, permutations=50)
    summary = classes.summary()
    assert summary.mean_si.is_monotonic_increasing
    assert (summary.mean_si_null < summary.mean_si / 2).all()
    assert summary.share_selective.iloc[-1] > 0.95
    alive = classes.units[classes.units.status == "ok"]
    assert alive.si.corr(alive.si_cv) > 0.95
    assert (alive.auroc > 0.5).all()
    assert alive[["si", "margin", "eta_squared", "auroc", "sparseness"]].stack().between(0, 1).all()
    assert alive.mutual_information.between(0, np.log2(10)).all()


def test_shuffled_labels_leave_nothing_but_chance(resnet20, photographs):
    images, labels = photographs
    mixed = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    classes = neuroprobe.class_selectivity(resnet20, (images, mixed), STAGES[2], permutations=50)
    units = classes.units[classes.units.status == "ok"]
    assert units.si.mean() == pytest.approx(units.si_null.mean(), rel=0.25)
    assert abs(units.si_cv.mean()) < units.si.mean() / 3
    assert (units.q_value < 0.05).mean() < 0.1
    assert classes.summary().reading.item() == "largely chance"


# However the images come


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_batch_size_changes_nothing(batch_size, photographs):
    data = photographs[0][:120], photographs[1][:120]
    network = neuroprobe.load_network("cnn7")
    one, other = (
        neuroprobe.class_selectivity(network, data, ["relu1", "relu7"], permutations=19, batch_size=size).units
        for size in (64, batch_size)
    )
    exact = ["preferred_class", "status"]
    pd.testing.assert_frame_equal(one[exact], other[exact])
    pd.testing.assert_frame_equal(one.drop(columns=exact), other.drop(columns=exact), rtol=1e-3, atol=1e-3)


def test_units_worked_through_one_by_one_are_the_same(photographs, monkeypatch):
    data, network = (photographs[0][:60], photographs[1][:60] % 3), neuroprobe.load_network("cnn7")
    whole = neuroprobe.class_selectivity(network, data, ["relu1", "relu3"], permutations=9).units
    monkeypatch.setattr(spool, "_BLOCK_NUMBERS", 1)
    pd.testing.assert_frame_equal(
        neuroprobe.class_selectivity(network, data, ["relu1", "relu3"], permutations=9).units, whole
    )


def test_every_kind_of_data_gives_the_same(photographs, tmp_path):
    images, labels = photographs[0][:60], photographs[1][:60] % 3
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = tmp_path / f"class {label}"
        place.mkdir(exist_ok=True)
        pixels = image.permute(1, 2, 0).mul(255).round().byte().numpy()
        Image.fromarray(pixels).save(place / f"{number:03}.png")
    dataset = TensorDataset(images, labels)
    measured = [
        neuroprobe.class_selectivity(neuroprobe.load_network("cnn7"), data, ["relu3"], permutations=9)
        for data in ((images, labels), dataset, DataLoader(dataset, 16, shuffle=True), tmp_path)
    ]
    for other in measured[1:]:
        columns = ["si", "si_cv", "preferred_class", "eta_squared", "auroc"]
        pd.testing.assert_frame_equal(measured[0].units[columns], other.units[columns], rtol=1e-3, atol=1e-4)
    assert measured[0].curves["relu3"]["class"].values.tolist() == [0, 1, 2]
    assert measured[3].curves["relu3"]["class"].values.tolist() == ["class 0", "class 1", "class 2"]


def test_class_means_are_not_weighted_by_how_many_images_a_class_has():
    labels = np.array([0] * 90 + [1] * 10 + [2] * 20)
    units = planted(for_class(1, labels, 4, 2)[:, None], labels).units
    assert units.si.item() == pytest.approx((4 - 2) / (4 + 2), abs=1e-6)


def test_alternating_labels_still_have_two_halves(labels):
    units = planted(for_class(1, labels)[:, None], np.arange(60) % 2).units
    assert np.isfinite(units.si_cv.item())


def test_absent_classes_keep_their_place_but_do_not_count():
    labels = np.array([1] * 20 + [4] * 20)
    classes = planted(for_class(4, labels)[:, None], labels, permutations=19)
    assert classes.units.si.item() == pytest.approx(0.5, abs=1e-6)
    assert classes.units.preferred_class.item() == 4
    assert classes.units.auroc.item() == 1
    np.testing.assert_array_equal(classes.curves["0"][0], [np.nan, 1, np.nan, np.nan, 3])
    assert classes.meta["images_per_class"] == [0, 20, 0, 0, 20]


# Units without numbers

INDICES = [column for column in COLUMNS if column != "status"]


def test_dead_units_have_no_numbers(labels):
    responses = np.stack([np.zeros(60), for_class(1, labels)], 1)
    units = planted(responses, labels, permutations=9).units
    assert units.status.tolist() == ["dead", "ok"]
    assert units[INDICES].iloc[0].isna().all()
    assert units[INDICES].drop(columns="d_prime").iloc[1].notna().all()  # it does not vary within classes


@pytest.mark.parametrize(
    ("preset", "eps", "dead_si"), [("leavitt2020", 1e-7, 0), ("morcos2018", 0, 0), ("ranadive2023", 1e-6, np.nan)]
)
def test_presets_set_eps_and_the_rule_for_dead_units(preset, eps, dead_si, labels):
    responses = np.stack([np.zeros(60), for_class(1, labels, 2e-6, 0)], 1)
    classes = planted(responses, labels, preset=preset)
    assert classes.units.si.to_numpy() == pytest.approx([dead_si, 2e-6 / (2e-6 + eps)], nan_ok=True, rel=1e-5)
    assert classes.units.status.tolist() == ["dead", "ok"]
    assert classes.units[["margin", "preferred_class", "p_value"]].iloc[0].isna().all()
    counted_in = 2 if dead_si == 0 else 1
    assert classes.summary().mean_si.item() == pytest.approx(classes.units.si.sum() / counted_in)


def test_too_few_images_give_no_numbers(labels):
    few = np.array([0] * 30 + [1] * 9 + [2] * 9)
    units = planted(np.stack([for_class(1, few), np.zeros(48)], 1), few, permutations=9).units
    assert units.status.tolist() == ["too_few", "too_few"]
    assert units[INDICES].isna().all(axis=None)
    enough = np.array([0] * 30 + [1] * 10 + [2] * 1)
    assert planted(for_class(1, enough)[:, None], enough).units.status.item() == "ok"


def test_one_class_is_too_few():
    assert planted(np.ones((40, 2)), np.zeros(40, int), permutations=5).units.status.tolist() == ["too_few"] * 2


def test_signed_layers_are_rectified_and_say_so(labels):
    responses = np.stack([for_class(1, labels, 1, -5), np.full(60, -1.0)], 1)
    classes = planted(responses, labels, nn.Identity)
    assert classes.units.status.tolist() == ["rectified", "dead"]
    assert classes.units.si.iloc[0] == pytest.approx(1, abs=1e-6)
    assert classes.meta["signed_layers"] == ["0"]


def test_signed_layers_can_go_without_indices(labels):
    responses = np.stack([for_class(1, labels, 1, -5), for_class(1, labels)], 1)
    classes = planted(responses, labels, nn.Identity, signed="nan", permutations=9)
    assert classes.units.status.tolist() == ["signed", "signed"]
    assert classes.units[INDICES].isna().all(axis=None)
    assert classes.curves["0"].min() == -5


# Permutations, disk, seed


def test_without_permutations_nothing_goes_to_disk(labels, monkeypatch):
    monkeypatch.setattr(spool, "TemporaryFile", lambda **_: pytest.fail("a file was made"))
    units = planted(for_class(1, labels)[:, None], labels, permutations=0).units
    assert units[["auroc", "mutual_information", "si_null", "p_value", "q_value"]].isna().all(axis=None)
    assert units[["si", "si_cv", "margin", "eta_squared", "sparseness"]].notna().all(axis=None)


@pytest.mark.parametrize("error", [ValueError("no more"), KeyboardInterrupt()])
def test_the_model_and_the_disk_are_left_alone_when_it_stops_half_way(error, left_alone, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    batches = []

    class Stopping(nn.Module):
        def forward(self, x):
            batches.append(len(x))
            if len(batches) > 3:
                raise error
            return x

    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), Stopping()).train()
    wanted = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else RuntimeError
    data = torch.rand(60, 3, 8, 8), torch.arange(60) % 3
    with left_alone(network), pytest.raises(wanted):
        neuroprobe.class_selectivity(network, data, batch_size=10)
    assert list(tmp_path.iterdir()) == []


def test_the_model_is_left_as_it_was_found(left_alone, photographs):
    network = neuroprobe.load_network("cnn7").train()
    with left_alone(network):
        neuroprobe.class_selectivity(network, (photographs[0][:40], photographs[1][:40] % 2), permutations=3)


def test_the_same_seed_gives_the_same_result(photographs):
    data, network = (photographs[0][:60], photographs[1][:60] % 3), neuroprobe.load_network("cnn7")
    one, again, other = (
        neuroprobe.class_selectivity(network, data, ["relu3"], permutations=20, seed=seed).units for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, again)
    assert not one.p_value.equals(other.p_value)
    pd.testing.assert_series_equal(one.si, other.si)


@pytest.mark.parametrize("change", [nn.Module.half, nn.Module.double, nn.Module.bfloat16])
def test_precisions_simply_work(change, labels):
    network = change(nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU()))
    images = torch.rand(60, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    units = neuroprobe.class_selectivity(network, (images, labels), preprocess=None, permutations=5).units
    assert units.status.isin(["ok", "dead"]).all()


@pytest.mark.parametrize("reduce", ["mean", "max", "center"])
def test_a_map_is_read_as_asked(reduce, labels):
    maps = torch.zeros(60, 1, 3, 3)
    maps[:, 0, 0, 0] = torch.as_tensor(for_class(0, labels), dtype=torch.float32)
    maps[:, 0, 1, 1] = torch.as_tensor(for_class(1, labels, 0.4, 0.1), dtype=torch.float32)
    classes = neuroprobe.class_selectivity(
        nn.Sequential(nn.ReLU()), (maps, torch.as_tensor(labels)), preprocess=None, permutations=0, reduce=reduce
    )
    wanted = {"mean": [3.1 / 9, 1.4 / 9, 1.1 / 9], "max": [3, 1, 1], "center": [0.1, 0.4, 0.1]}[reduce]
    assert classes.curves["0"][0].values == pytest.approx(wanted, abs=1e-6)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "leavitt"}, "preset must be one of None, 'morcos2018', .*; 'leavitt' came"),
        ({"reduce": "none"}, "'center'; 'none' came"),
        ({"signed": "abs"}, "'abs' came"),
        ({"permutations": -1}, "permutations must be a whole number from 0; -1 came"),
        ({"permutations": 1.5}, "1.5 came"),
        ({"seed": True}, "seed must be a whole number from 0; True came"),
        ({"batch_size": 0}, "0 came"),
        ({"layers": ["relu9"]}, "no layer 'relu9'"),
        ({"dtype": torch.int8}, "torch.int8 came"),
        ({"data": torch.rand(4, 3, 32, 32)}, r"needs labels: give data as \(images, labels\)"),
        ({"data": (torch.rand(4, 3, 32, 32), [0, 1, 2])}, r"4 images, labels \(3,\) came"),
        ({"data": (torch.rand(4, 3, 32, 32), [0.0, 1, 2, 3])}, "labels must be class indices, .*float32 came"),
        ({"data": (torch.rand(2, 3, 32, 32), [0, -1])}, "-1 came"),
        ({"data": (torch.full((2, 3, 32, 32), 2.0), [0, 1])}, "values from 2 to 2 came"),
    ],
)
def test_bad_input_is_named(options, message, left_alone):
    network = neuroprobe.load_network("cnn7")
    options = {"data": (torch.rand(4, 3, 32, 32), [0, 1, 0, 1]), "layers": ["relu1"]} | options
    with left_alone(network), pytest.raises((ValueError, TypeError, UnknownLayerError), match=message):
        neuroprobe.class_selectivity(network, **options)


def test_a_label_without_a_name_is_refused():
    dataset = TensorDataset(torch.rand(3, 3, 32, 32), torch.tensor([0, 1, 2]))
    dataset.classes = ["cat", "dog"]
    with pytest.raises(ValueError, match=r"name 2 classes \(cat, dog\); label 2 came"):
        neuroprobe.class_selectivity(neuroprobe.load_network("cnn7"), dataset, ["relu1"])


# Kept


def test_what_loads_is_what_was_measured(tmp_path, labels):
    responses = np.stack([for_class(1, labels), np.zeros(60)], 1)
    dataset = TensorDataset(torch.as_tensor(responses, dtype=torch.float32)[:, :, None, None], torch.as_tensor(labels))
    dataset.classes = ["cat", "dog", "frog", "absent"]
    classes = neuroprobe.class_selectivity(nn.Sequential(nn.ReLU()), dataset, preprocess=None, permutations=9)
    loaded = neuroprobe.load(classes.save(tmp_path / "classes.zarr"))
    assert type(loaded) is type(classes)
    pd.testing.assert_frame_equal(loaded.units, classes.units)
    assert loaded.meta == classes.meta
    assert loaded.curves["0"].identical(classes.curves["0"])
    assert loaded.curves["0"]["class"].values.tolist() == ["cat", "dog", "frog", "absent"]
    pd.testing.assert_frame_equal(loaded.summary(), classes.summary())
