"""The call as a whole: any data and network, what comes back, what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

import neuroprobe
from neuroprobe import importance
from neuroprobe.analysis.importance import METHODS
from neuroprobe.probe import Probe
from neuroprobe.results import Importance

BOTH = ["conductance", "gradient_x_activation"]
QUICK = {"layers": ["relu5", "relu7"], "method": BOTH, "steps": 2}


@pytest.fixture
def cnn7():
    return neuroprobe.load_network("cnn7")


@pytest.fixture(scope="module")
def data(photographs):
    return tuple(part[:10] for part in photographs)


def columns(found):
    return torch.tensor(found.units[found.methods].to_numpy())


# Values


def test_gradient_x_activation_of_the_log_probability_is_the_slope_of_the_loss(cnn7, data):
    def loss(scale):
        def scaled(_module, _inputs, output):
            return output * torch.where(torch.arange(128) == 5, scale, 1.0)[:, None, None]

        hook = cnn7.eval().relu5.register_forward_hook(scaled)
        normalised = neuroprobe.preparation.prepare(cnn7).preprocess(data[0])
        with torch.no_grad(), hook:
            return nn.functional.cross_entropy(cnn7.double()(normalised.double()), data[1]).item()

    slope = (loss(1.001) - loss(0.999)) / 0.002
    found = importance(cnn7.double(), data, "relu5", method="gradient_x_activation", of="log_probability")
    assert found.units.gradient_x_activation.loc["relu5", 5] == pytest.approx(-slope, rel=1e-3)


def test_the_prediction_in_place_of_the_label(cnn7, data):
    images, labels = data
    with torch.no_grad():
        predicted = cnn7.eval()(neuroprobe.preparation.prepare(cnn7).preprocess(images)).argmax(1)
    assert (predicted != labels).any()
    found = importance(cnn7, images, **QUICK, target="prediction")
    assert_close(columns(found), columns(importance(cnn7, (images, predicted), **QUICK)))


def test_baselines(cnn7, data):
    black, level, image = (
        importance(cnn7, data, "relu7", steps=2, baseline=baseline)
        for baseline in (0, 0.3, torch.full((3, 32, 32), 0.3))
    )
    assert_close(columns(level), columns(image))
    assert (columns(black) - columns(level)).abs().max() > 1e-3
    assert [found.meta["baseline"] for found in (black, level, image)] == [0.0, 0.3, "an image"]
    same = importance(cnn7, data, "relu7", steps=2, baseline=data[0][0])
    assert not columns(importance(cnn7, (data[0][:1], data[1][:1]), "relu7", steps=2, baseline=data[0][0])).any()
    assert columns(same).any()


# Any data, any network


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batches_cut_differently_give_the_same(cnn7, data, batch_size):
    whole, cut = importance(cnn7, data, **QUICK), importance(cnn7, data, **QUICK, batch_size=batch_size)
    assert_close(columns(cut), columns(whole), rtol=1e-4, atol=1e-6)
    assert cut.meta["images"] == 10


def test_kinds_of_data(cnn7, data):
    loader = DataLoader(TensorDataset(*data), 4)
    assert_close(columns(importance(cnn7, loader, **QUICK)), columns(importance(cnn7, data, **QUICK)))


def test_memory_does_not_grow_with_the_number_of_images(cnn7, data):
    calls = []
    cnn7.register_forward_hook(lambda _m, inputs, _o: calls.append(len(inputs[0])))
    importance(
        cnn7, (data[0].repeat(10, 1, 1, 1), data[1].repeat(10)), "relu7", method="gradient_x_activation", batch_size=8
    )
    assert max(calls) == 8


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_in_any_mode_of_gradients(left_alone, cnn7, data, mode):
    expected = columns(importance(cnn7, data, **QUICK))
    with mode(), left_alone(cnn7):
        assert_close(columns(importance(cnn7, (data[0].clone(), data[1]), **QUICK)), expected)


def test_a_frozen_network_in_train_mode_with_gradients(left_alone, cnn7, data):
    cnn7.train()
    cnn7(data[0]).sum().backward()
    expected = columns(importance(cnn7, data, **QUICK))
    cnn7.requires_grad_(False)
    with left_alone(cnn7):
        assert_close(columns(importance(cnn7, data, **QUICK)), expected)


def test_inside_a_probe(left_alone, cnn7, data):
    with left_alone(cnn7), Probe(cnn7, ["relu7"]):
        found = importance(cnn7, data, **QUICK)
    assert_close(columns(found), columns(importance(cnn7, data, **QUICK)))


def test_lower_precision(left_alone, cnn7, data):
    with left_alone(cnn7):
        low = columns(importance(cnn7, data, "relu7", dtype=torch.bfloat16, steps=5))
    full = columns(importance(cnn7, data, "relu7", steps=5))
    assert (low - full).norm() < 0.2 * full.norm()
    assert not torch.equal(low, full)


def test_left_alone_after_an_exception(left_alone, cnn7, data):
    def fail(*_):
        raise KeyboardInterrupt

    cnn7.fc2.register_full_backward_pre_hook(fail)
    with left_alone(cnn7), pytest.raises(KeyboardInterrupt):
        importance(cnn7, data, **QUICK)


# What comes back


def test_a_column_a_method_in_the_order_asked_for(cnn7, data):
    found = importance(cnn7, data, "relu7", method=BOTH[::-1], steps=2)
    assert found.units.columns.tolist() == [*BOTH[::-1], "status"]
    assert found.headline == "gradient_x_activation"
    assert found.top("relu7", 3).gradient_x_activation.is_monotonic_decreasing
    assert set(found.units.status) <= {"ok", "dead"}
    assert found.units[BOTH].notna().all(axis=None)
    summary = found.summary()
    assert summary.sum_conductance["relu7"] == pytest.approx(found.units.conductance.sum())


def test_meta_says_what_it_was_made_from(cnn7, data):
    meta = importance(cnn7, data, **QUICK, of="log_probability").meta
    assert (meta["model"], meta["methods"], meta["target"], meta["of"]) == ("cnn7", BOTH, "label", "log_probability")
    assert (meta["baseline"], meta["steps"], meta["images"]) == ("zeros after preprocessing", 2, 10)


def test_what_loads_equals_what_was_saved(cnn7, data, tmp_path):
    found = importance(cnn7, data, **QUICK)
    loaded = neuroprobe.load(found.save(tmp_path / "importance.zarr"))
    assert isinstance(loaded, Importance)
    pd.testing.assert_frame_equal(loaded.units, found.units)
    assert (loaded.meta, loaded.headline, repr(loaded)) == (found.meta, found.headline, repr(found))


def test_agreement_with_ablation(cnn7, data):
    found = importance(cnn7, data, **QUICK)
    impact = pd.DataFrame({"delta_loss": np.exp(found.units.conductance)})  # the same order
    table = found.agreement(impact)
    assert table.spearman.xs("conductance", level="method").tolist() == pytest.approx([1, 1, 1])
    assert table.index.unique("layer").tolist() == ["relu5", "relu7", "all"]


def test_deep_units_rank_as_exact_ablation_ranks_them(cnn7, photographs):
    data = tuple(part[:60] for part in photographs)
    impact = neuroprobe.unit_impact(cnn7, data, "relu6")
    slopes = importance(cnn7, data, "relu6", method="gradient_x_activation", of="log_probability")
    assert slopes.agreement(impact).spearman["relu6", "gradient_x_activation"] > 0.8


# What is refused


class Skips(nn.Module):
    """A network that leaves its ReLU out where an image is bright."""

    def forward(self, x):
        x = x.flatten(1)
        return (torch.relu(x) if x.max() < 0.9 else x)[:, :3]


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"method": "shap"}, ValueError, "method must be one of 'conductance', .*; 'shap' came"),
        ({"method": []}, ValueError, "method is empty: name at least one of conductance"),
        ({"target": "loss"}, ValueError, "target must be one of 'label', 'prediction'; 'loss' came"),
        ({"of": "loss"}, ValueError, "of must be one of 'logit', 'log_probability'; 'loss' came"),
        ({"steps": 0}, ValueError, "steps must be a whole number from 1; 0 came"),
        ({"steps": 2.5}, ValueError, "steps must be a whole number from 1; 2.5 came"),
        ({"baseline": "black"}, TypeError, "the baseline must be a level, .*; str came"),
        ({"baseline": 2.0}, ValueError, r"images must be in \[0, 1\] .* 2 to 2 came"),
        ({"baseline": torch.zeros(3, 8, 8)}, ValueError, r"an image \(3, 32, 32\) .*; \(3, 8, 8\) came"),
        ({"layers": "relu9"}, KeyError, "no layer 'relu9'"),
        ({"method": "deeplift", "of": "log_probability"}, ValueError, "attributes logits; of='log_probability' came"),
    ],
)
def test_wrong_arguments(left_alone, cnn7, data, keywords, error, message):
    with left_alone(cnn7), pytest.raises(error, match=message):
        importance(cnn7, data, **keywords)


def test_labels_that_are_missing_or_too_large(left_alone, cnn7, data):
    with left_alone(cnn7), pytest.raises(ValueError, match=r"target='label' needs labels: .* target='prediction'"):
        importance(cnn7, data[0])
    with left_alone(cnn7), pytest.raises(ValueError, match="number of outputs, 10; 19 came"):
        importance(cnn7, (data[0], data[1] + 10))


def test_a_network_without_logits(data):
    with pytest.raises(ValueError, match=r"logits \(images, classes\) is wanted; \(10, 4, 30, 30\) came"):
        importance(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), data, preprocess=None)


def test_a_layer_that_runs_for_some_images_only(data):
    images = torch.stack([torch.full((3, 4, 4), 0.5), torch.ones(3, 4, 4)])
    with pytest.raises(RuntimeError, match="layer '/relu:0' did not run"):
        importance(Skips(), (images, torch.tensor([0, 1])), preprocess=None, batch_size=1)


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_are_not_finite(cnn7, data, method):
    cnn7.fc2.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match=f"{method} of layer 'relu7' is NaN or infinite"):
        importance(cnn7, data, "relu7", method=method, steps=2)
