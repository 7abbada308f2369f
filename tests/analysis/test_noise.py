"""Noise curves: accuracy that the normal distribution gives, and what noise cannot touch."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from torch import nn

import neuroprobe

COUNT = 1000
SIGN = torch.arange(COUNT) % 2
# the first channel is the class, as -1 or 1; the second makes every image another, so that its noise is
IMAGES = torch.stack([2.0 * SIGN - 1, torch.linspace(0, 1, COUNT)], 1)[:, :, None, None]


def sign_reader(gain=1.0):
    model = nn.Sequential(nn.Conv2d(2, 1, 1, bias=False), nn.Flatten(), nn.Linear(1, 2, bias=False))
    model[0].weight.data = torch.tensor([gain, 0.0])[None, :, None, None]
    model[2].weight.data = torch.tensor([[-1.0], [1.0]])
    return model


def curves(model, layers="0", **options):
    return neuroprobe.noise_curves(model, (IMAGES, SIGN), layers, preprocess=None, progress=False, **options)


def test_accuracy_is_that_of_a_normal_distribution_whatever_the_units_scale():
    result = curves(sign_reader(gain=7.0), scales=[0.5, 1, 3], repeats=2)
    accuracy = result.curve().accuracy.isel(order=0).mean("repeat")
    assert accuracy.values == pytest.approx([1, *norm.cdf(1 / np.array([0.5, 1, 3]))], abs=0.03)
    row = result.table.loc[("0", "noise")]
    assert (row.scale, row.units) == (1, 1)
    assert row.delta_accuracy == pytest.approx(norm.cdf(1) - 1, abs=0.03)
    low, high = (np.log10(3) - 0, 0 - np.log10(0.5))
    heights = norm.cdf(1 / np.array([0.5, 1, 3]))
    area = (high * (heights[0] + heights[1]) + low * (heights[1] + heights[2])) / 2 / (low + high)
    assert row.auc == pytest.approx(area, abs=0.03)


def test_a_constant_unit_has_no_spread_and_bears_any_noise():
    model = sign_reader()
    model.append(nn.Linear(2, 2))
    constant = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU())
    constant[0].weight.data.zero_()
    with_constant = nn.Sequential(constant, nn.Flatten(), nn.Linear(3, 2))
    result = curves(with_constant, "0.1", scales=[10.0], repeats=1)
    assert result.table.delta_loss.item() == pytest.approx(0, abs=1e-6)


def test_repeats_draw_anew_and_the_seed_brings_them_back():
    one, same, other = (
        curves(sign_reader(), scales=[1.0], repeats=2, seed=seed).curve().accuracy for seed in (0, 0, 9)
    )
    assert one.identical(same)
    assert not np.array_equal(one, other)
    assert one.isel(repeat=0, scale=1).item() != one.isel(repeat=1, scale=1).item()


def test_layers_one_by_one_and_all_at_once(left_alone, photographs):
    model = neuroprobe.load_network("cnn7")
    data = photographs[0][:40], photographs[1][:40]
    options = {"scales": [0.1, 1.0], "repeats": 1, "progress": False}
    with left_alone(model):
        apart = neuroprobe.noise_curves(model, data, ["relu1", "relu3"], **options)
    together = neuroprobe.noise_curves(model, data, ["relu1", "relu3"], per_layer=False, **options)
    assert apart.layer_names == ["relu1", "relu3"]
    assert apart.table.units.tolist() == [32, 64]
    assert (together.layer_names, together.table.units.tolist()) == (["all"], [96])
    loss = {name: curve.loss.sel(scale=1).item() for name, curve in (*apart.curves.items(), *together.curves.items())}
    assert loss["all"] > max(loss["relu1"], loss["relu3"])
    small = apart.curve("relu1").loss.sel(scale=0.1).item()
    assert abs(small - apart.curve("relu1").loss.sel(scale=0).item()) < 0.1 * loss["relu1"]


def test_what_is_saved_is_loaded(tmp_path):
    result = curves(sign_reader(), scales=[1.0], repeats=1)
    loaded = neuroprobe.load(result.save(tmp_path / "noise.zarr"))
    assert loaded.axis == "scale"
    pd.testing.assert_frame_equal(loaded.table, result.table)
    assert loaded.curve().identical(result.curve())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": []}, r"numbers above 0, in standard deviations; \[\] came"),
        ({"scales": [0.0, 1]}, r"\[0.0, 1\] came"),
        ({"scales": [1, np.inf]}, "inf"),
        ({"scales": 3}, "3 came"),
        ({"scales": "many"}, "'many' came"),
        ({"repeats": 0}, "repeats must be a whole number from 1; 0 came"),
        ({"seed": 0.5}, "seed must be a whole number from 0; 0.5 came"),
        ({"layers": "conv"}, "no layer 'conv'"),
    ],
)
def test_bad_input_is_an_error_that_says_what_came(options, message):
    with pytest.raises(ValueError, match=message):
        curves(sign_reader(), **options)
