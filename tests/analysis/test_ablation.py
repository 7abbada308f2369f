"""Ablation curves: networks whose every answer is known, and real ones against `ablate` by hand."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn
from torch.nn import functional as F

import neuroprobe
from neuroprobe.results import Ablation

CLASSES, EACH = 4, 6
LABELS = torch.arange(CLASSES).repeat_interleave(EACH)
IMAGES = F.one_hot(LABELS).float()[:, :, None, None].expand(-1, -1, 2, 2).contiguous()  # class c lights channel c


class Readout(nn.Module):
    """Units are copies of channels, and each speaks for one class; unit u of class 3 is at 3 and, its twin, at 4."""

    def __init__(self, carries=(0, 1, 2, 3, 3)):
        super().__init__()
        self.units = nn.Conv2d(CLASSES, len(carries), 1, bias=False)
        self.relu, self.head = nn.ReLU(), nn.Linear(len(carries), CLASSES, bias=False)
        chosen = F.one_hot(torch.tensor(carries), CLASSES).float()
        self.units.weight.data = chosen[:, :, None, None]
        self.head.weight.data = 10 * chosen.T

    def forward(self, images):
        return self.head(self.relu(self.units(images)).mean((2, 3)))


def scores_of(values, layer="relu"):
    index = pd.MultiIndex.from_product([[layer], range(len(values))], names=["layer", "unit"])
    return pd.Series(values, index, dtype=float, name="planted")


def ablation(model, scores, data=(IMAGES, LABELS), **options):
    return neuroprobe.ablation(model, data, scores, preprocess=None, **{"repeats": 3, **options})


def at(result, order, fraction, repeat=0, layer=None):
    return result.curve(layer).sel(order=order, fraction=fraction, repeat=repeat)


# answers known on paper


def test_the_unit_that_carries_a_class_takes_that_class_alone():
    result = ablation(Readout(), scores_of([0.1, 0.2, 0.9, 0.3, 0.4]), fractions=[0.2])
    assert at(result, "top", 0).class_accuracy.values.tolist() == [1, 1, 1, 1]
    assert at(result, "top", 0.2).class_accuracy.values.tolist() == [1, 1, 0, 1]
    row = result.table.loc[("relu", "top")]
    assert (row.delta_accuracy, row.fraction, row.units) == (-0.25, 0.2, 5)
    assert row.auc == pytest.approx((1 + 0.75) / 2)
    wrong, right = F.cross_entropy(torch.zeros(CLASSES), torch.tensor(2)), np.log1p(3 * np.exp(-10))
    assert row.delta_loss == pytest.approx((float(wrong) - right) / CLASSES, abs=1e-5)


def test_of_twins_one_carries_the_class_and_both_lose_it():
    result = ablation(Readout(), scores_of([0, 0.1, 0.2, 0.9, 0.8]), fractions=[0.2, 0.4], orders="top")
    assert at(result, "top", 0.2).class_accuracy.values.tolist() == [1, 1, 1, 1]
    assert at(result, "top", 0.4).class_accuracy.values.tolist() == [1, 1, 1, 0]


def test_a_dead_unit_changes_nothing_and_neither_does_a_constant_one_held_at_its_mean():
    model = Readout()
    model.units.weight.data[4] = 0
    dead = ablation(model, scores_of([0, 0.1, 0.2, 0.3, 0.9]), fractions=[0.2], orders="top")
    assert dead.table.loc[("relu", "top"), ["delta_loss", "delta_loss_low", "delta_loss_high"]].tolist() == [0, 0, 0]
    model.units.bias = nn.Parameter(torch.tensor([0, 0, 0, 0, 0.7]))
    constant = ablation(model, scores_of([0, 0.1, 0.2, 0.3, 0.9]), fractions=[0.2], orders="top", value="mean")
    assert constant.table.delta_loss.item() == pytest.approx(0, abs=1e-6)


def test_without_its_units_a_chain_says_the_same_to_every_image():
    result = ablation(Readout(), scores_of(range(5)), fractions=3)
    for order in ("top", "bottom", "random"):
        assert at(result, order, 1).class_accuracy.values.tolist() == [1, 0, 0, 0]  # the first of equals
        assert at(result, order, 1).loss.item() == pytest.approx(np.log(CLASSES))


def test_the_area_under_an_accuracy_that_never_changes_is_that_accuracy():
    model = Readout()
    model.head.weight.data.zero_()
    result = ablation(model, scores_of(range(5)), fractions=5)
    assert result.table[["auc"]].to_numpy() == pytest.approx(0.25)
    assert result.table.loc[[("relu", "top"), ("relu", "bottom")], "percentile"].tolist() == [50, 50]


def test_units_without_a_score_are_in_no_set():
    result = ablation(Readout(), scores_of([0.1, 0.2, np.nan, 0.3, 0.4]), fractions=[1], orders=("top", "random"))
    assert result.table.units.tolist() == [4, 4]
    assert at(result, "random", 1).class_accuracy.values.tolist() == [1, 0, 1, 0]  # and the first of equals


def test_a_matched_set_is_as_active_as_the_top_one():
    torch.manual_seed(0)
    model = Readout(carries=tuple(range(4)) * 5)
    gains = torch.linspace(0.1, 2, 20)[torch.randperm(20)]
    model.units.weight.data *= gains[:, None, None, None]
    model.head.weight.data /= 20  # so that the loss is far from 0
    orders = ("top", "random", "matched")
    result = ablation(model, scores_of(gains), fractions=[0.25], orders=orders, repeats=20)  # top is the first stratum
    curves = result.curve().sel(fraction=0.25)
    top = curves.loss.sel(order="top", repeat=0)
    assert curves.loss.sel(order="matched").values == pytest.approx(float(top), rel=1e-5)
    assert (curves.loss.sel(order="random") < top - 1e-4).mean() > 0.8
    assert result.table.loc[("relu", "top"), "percentile_matched"] == 50


def test_pooled_units_are_ranked_together():
    model = nn.Sequential(
        nn.Conv2d(4, 3, 1), nn.ReLU(), nn.Conv2d(3, 5, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    scores = pd.concat([scores_of([9, 1, 2], "1"), scores_of([8, 0, 7, 3, 4], "3")])
    result = ablation(model, scores, fractions=[0.375], orders=("top", "random"), per_layer=False)
    assert result.layer_names == ["all"]
    assert result.curve().units.values.tolist() == [0, 3]
    with neuroprobe.ablate(model, {"1": [0], "3": [0, 2]}), torch.no_grad():
        loss = F.cross_entropy(model(IMAGES), LABELS)
    assert at(result, "top", 0.375).loss.item() == pytest.approx(float(loss), abs=1e-5)


def test_enough_random_sets_give_a_p():
    few, many = (ablation(Readout(), scores_of(range(5)), fractions=[0.4], repeats=n) for n in (198, 199))
    assert few.table.p_value.isna().all()
    assert many.table.p_value.notna().tolist() == [True, True, False]
    assert many.table.p_value.dropna().between(0.01, 1).all()


def test_a_set_can_be_named_and_held_again():
    scores = scores_of([0.1, np.nan, 0.9, 0.3, 0.4])
    result = ablation(Readout(), scores, fractions=[0.5, 1], repeats=2)
    assert result.held() == {"relu": [2, 4]}
    assert result.held("bottom") == {"relu": [0, 3]}
    assert result.held("random", 1, "relu", 1) == {"relu": [0, 2, 3, 4]}
    assert result.held("top", 0) == {}
    model = Readout()
    with neuroprobe.ablate(model, result.held("random", 0.5, repeat=1)), torch.no_grad():
        loss = F.cross_entropy(model(IMAGES), LABELS)
    assert at(result, "random", 0.5, 1).loss.item() == pytest.approx(float(loss), abs=1e-5)


@pytest.mark.parametrize("fractions", [11, np.arange(11) / 10])
def test_a_set_goes_by_its_fraction_however_it_was_rounded(fractions):
    result = ablation(Readout(), scores_of([1, 2, 3, 4, 5]), orders="top", fractions=fractions)
    assert result.held("top", 0.3) == result.held("top", 0.1 + 0.2) == {"relu": [4]}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("best",), "no order 'best'"),
        (("top", np.nan), r"fraction must be one of \[0.0, 0.5\]; nan came"),
        (("top", 0.4), r"fraction must be one of \[0.0, 0.5\]; 0.4 came"),
        (("top", 0.5, "relu", 1), "there are 1 sets in order 'top': repeat must be 0 to 0; 1 came"),
    ],
)
def test_a_set_that_is_not_there_is_an_error(asked, message):
    with pytest.raises(ValueError, match=message):
        ablation(Readout(), scores_of(range(5)), fractions=[0.5]).held(*asked)


# real networks


@pytest.fixture(scope="module")
def some(photographs):
    images, labels = photographs
    return images[:60], labels[:60]


@pytest.fixture(scope="module")
def cnn7():
    return neuroprobe.load_network("cnn7")


@pytest.fixture(scope="module")
def gosi(cnn7):
    return neuroprobe.orientation(cnn7, permutations=0, progress=False).units["gosi"]


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        ("layer1.1/relu:1", {}),
        ("layer2.0/relu:0", {"value": "mean"}),
        ("layer3.2/relu:1", {"value": 0.3}),
        ("layer1.0/relu:0", {"value": "mean", "per_position": True}),
    ],
)
def test_halves_of_resnet20_are_what_ablate_by_hand_gives(resnet20, some, layer, options):
    units = dict(neuroprobe.layers(resnet20).set_index("name").units)[layer]
    scores = scores_of(np.random.default_rng(0).random(units), layer)
    some = some[0][:24], some[1][:24]
    result = neuroprobe.ablation(resnet20, some, scores, fractions=[0.5], orders=("top", "bottom"), **options)
    top, bottom = np.argsort(-scores)[: units // 2].tolist(), np.argsort(scores)[: units // 2].tolist()
    given = neuroprobe.networks.expected.expected_input(resnet20)
    images = (some[0] - torch.tensor(given.mean)[:, None, None]) / torch.tensor(given.std)[:, None, None]
    for order, held in (("top", top), ("bottom", bottom)):
        data = some[0] if options.get("value") == "mean" else None
        with neuroprobe.ablate(resnet20.eval(), {layer: held}, data=data, **options), torch.no_grad():
            logits = resnet20(images)
        curves = at(result, order, 0.5)
        assert curves.loss.item() == pytest.approx(float(F.cross_entropy(logits, some[1])), abs=2e-4)
        assert curves.accuracy.item() == pytest.approx(float((logits.argmax(1) == some[1]).float().mean()), abs=0.05)


def test_ukitas_site_is_after_the_normalisation(cnn7, gosi, some):
    address, post_norm = (
        neuroprobe.ablation(cnn7, some, gosi, ["relu1"], fractions=[0.5], orders="top", site=site)
        for site in ("address", "post_norm")
    )
    assert post_norm.meta["site"] == "post_norm"
    assert address.table.delta_loss.item() != post_norm.table.delta_loss.item()


def test_the_same_however_the_batches_are_cut_and_whichever_layers_and_orders_are_beside(cnn7, gosi, some):
    one = neuroprobe.ablation(cnn7, some, gosi, ["relu2"], fractions=3, repeats=2, batch_size=17)
    orders = ("random", "top", "matched", "bottom")
    other = neuroprobe.ablation(cnn7, some, gosi, ["relu2", "relu5"], fractions=3, repeats=3, orders=orders)
    shared = other.curve("relu2").sel(order=one.orders).isel(repeat=slice(2))
    for name in ("loss", "accuracy", "class_accuracy"):
        np.testing.assert_allclose(one.curve()[name], shared[name], atol=1e-4)
    single = ["top", "bottom"]  # the mean over random sets hangs on how many there are
    for name in ("delta_loss_low", "delta_loss_high"):
        np.testing.assert_allclose(one.curve()[name].sel(order=single), shared[name].sel(order=single), atol=1e-3)


def test_halves_disturb_the_shift_invariance_of_the_layers_above(cnn7, gosi, some):
    halves = neuroprobe.ablation(cnn7, some, gosi, ["relu2"], fractions=[0.5], orders=("top", "bottom"))
    intact = neuroprobe.shift_invariance(cnn7, some, shifts=[1], layers=["relu1", "relu4"]).units["pearson"]
    with neuroprobe.ablate(cnn7, halves.held("top")):
        ablated = neuroprobe.shift_invariance(cnn7, some, shifts=[1], layers=["relu1", "relu4"]).units["pearson"]
    assert ablated["relu1"].tolist() == pytest.approx(intact["relu1"].tolist(), nan_ok=True)
    assert ablated["relu4"].tolist() != pytest.approx(intact["relu4"].tolist(), nan_ok=True)


def test_what_was_measured_is_said(cnn7, gosi, some):
    result = neuroprobe.ablation(cnn7, some, gosi, ["relu1", "relu2"], fractions=[0.5], orders="top", seed=3)
    assert result.meta["scores"] == "gosi"
    assert (result.meta["seed"], result.meta["value"], list(result.meta["layers"])) == (3, "zero", ["relu1", "relu2"])
    assert result.meta["images"] == 60
    assert repr(result) == "Ablation(cnn7; top; 2 layers)"
    assert result.summary().columns.tolist() == ["units", "auc_top", "delta_loss_top"]


def test_a_model_is_left_alone(left_alone, cnn7, gosi, some):
    with left_alone(cnn7):
        neuroprobe.ablation(cnn7, some, gosi, ["relu6"], fractions=[0.5], orders=("top", "matched"), repeats=2)
    images, labels = some
    wrong = labels.clone()
    wrong[40] = 12
    with left_alone(cnn7), pytest.raises(ValueError, match="number of outputs, 10; 12 came"):
        neuroprobe.ablation(cnn7, (images, wrong), gosi, ["relu6"], fractions=[0.5], batch_size=16)


def test_what_is_saved_is_loaded(tmp_path, cnn7, gosi, some):
    result = neuroprobe.ablation(cnn7, some, gosi, ["relu6", "relu7"], fractions=[0.5, 1], repeats=2)
    loaded = neuroprobe.load(result.save(tmp_path / "ablation.zarr"))
    for other in (loaded, pickle.loads(pickle.dumps(result))):  # noqa: S301 - our own
        assert isinstance(other, Ablation)
        assert_frame_equal(other.table, result.table, check_exact=True)
        assert [other.curves[name].identical(curves) for name, curves in result.curves.items()] == [True, True]
        assert other.meta == result.meta


# what cannot be


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"orders": ()}, ValueError, r"one or more of top, bottom, random, matched, each once; \(\) came"),
        ({"orders": ("top", "top")}, ValueError, "each once"),
        ({"orders": ("top", "best")}, ValueError, "each of orders must be one of 'top', .*; 'best' came"),
        ({"fractions": 1}, ValueError, "a count from 2, .*; 1 came"),
        ({"fractions": [0.5, 2]}, ValueError, r"\[0.5, 2\] came"),
        ({"repeats": 0}, ValueError, "repeats must be a whole number from 1; 0 came"),
        ({"seed": -1}, ValueError, "seed must be a whole number from 0; -1 came"),
        ({"value": "nothing"}, ValueError, "'nothing' came"),
        ({"scale": -1, "value": "noise"}, ValueError, "-1 came"),
        ({"layers": "rely"}, ValueError, "no layer 'rely' in this network; nearest: relu"),
        ({"data": IMAGES}, ValueError, "need labels: give data as"),
    ],
)
def test_bad_input_is_an_error_that_says_what_came(options, error, message):
    with pytest.raises(error, match=message):
        ablation(Readout(), scores_of(range(5)), **options)


def test_a_network_that_gives_no_logits_is_an_error():
    model = nn.Sequential(nn.Conv2d(4, 3, 1), nn.ReLU())
    with pytest.raises(ValueError, match=r"logits \(images, classes\)"):
        ablation(model, scores_of(range(3), "1"))


def test_a_table_without_its_index_is_refused():
    with pytest.raises(ValueError, match=r"indexed by layer and order; \[None\] came"):
        Ablation(pd.DataFrame({"auc": [1.0]}), {}, {})
