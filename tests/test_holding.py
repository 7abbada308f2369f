"""What units are held at: values by hand, and layouts of every kind."""

import pytest
import torch
from torch.testing import assert_close

from neuroprobe.addresses import Layer
from neuroprobe.calls import Call
from neuroprobe.holding import Holder, Holding, image_keys
from neuroprobe.map_statistics import MapMoments
from neuroprobe.reducers import Observed

UNITS = 4


def layer_of(shape, axis, name="relu", kind="ReLU"):
    return Layer(name, kind, Call(name, None, 0), (), (1, *shape), axis, True)


LAYOUTS = {
    "maps": layer_of((UNITS, 5, 6), 1),
    "channels last": layer_of((5, 6, UNITS), 3),
    "tokens": layer_of((7, UNITS), 2),
    "features": layer_of((UNITS,), 1),
}


@pytest.mark.parametrize("layer", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("units", [(2,), (3, 0), range(UNITS)])
def test_units_are_held_where_the_layer_has_them(layer, units):
    output = torch.randn(3, *layer.shape[1:])
    before, holder = output.clone(), Holder(Holding(value=torch.arange(1.0, UNITS + 1)))
    held = holder.held(layer, output, units, [])
    assert torch.equal(output, before)
    others = [unit for unit in range(UNITS) if unit not in units]
    maps, was = held.movedim(layer.unit_axis, -1), before.movedim(layer.unit_axis, -1)
    assert (maps[..., list(units)] == torch.tensor(list(units)) + 1).all()
    assert torch.equal(maps[..., others], was[..., others])
    added = holder.change(layer, output, units, []).movedim(1, -1)
    assert_close(was[..., list(units)] + added, maps[..., list(units)])


def test_the_memory_format_and_the_gradient_are_kept():
    output = torch.randn(2, UNITS, 5, 6, requires_grad=True).to(memory_format=torch.channels_last)
    held = Holder(Holding()).held(LAYOUTS["maps"], output, [1], [])
    assert held.is_contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(held.sum(), output)
    assert gradient.amax((0, 2, 3)).tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_precision_is_the_network_s(dtype):
    held = Holder(Holding(value=0.5)).held(LAYOUTS["features"], torch.randn(2, UNITS, dtype=dtype), [1], [])
    assert held.dtype == dtype
    assert (held[:, 1] == 0.5).all()


def test_noise_is_as_wide_as_the_unit():
    moments = MapMoments(per_position=False)
    maps = torch.stack([torch.tensor([1.0, -1, 1, -1]) * width for width in (0, 1, 2, 3)], 1)
    moments.add(Observed(maps, maps, torch.arange(4), None))
    holder = Holder(Holding(value="noise", scale=0.5), {"relu": moments})
    keys, output = list(range(2000)), torch.zeros(2000, UNITS)
    noise = holder.change(LAYOUTS["features"], output, range(UNITS), keys)
    assert noise.std(0).tolist() == pytest.approx([0, 0.5, 1, 1.5], rel=0.06)
    assert torch.equal(holder.change(LAYOUTS["features"], output[:3], [2], [5, 9, 7])[:, 0], noise[[5, 9, 7], 2])


def test_a_key_goes_with_the_image():
    images = torch.rand(4, 3, 5, 5)
    keys = image_keys(images)
    assert len(set(keys)) == 4
    assert image_keys(images.flip(0).to(memory_format=torch.channels_last)) == keys[::-1]


FOUND = [
    layer_of((UNITS,), 1, "conv", "Conv2d"), layer_of((UNITS,), 1), layer_of((UNITS,), 1, "drop", "Dropout"),
    layer_of((UNITS,), 1, "norm", "BatchNorm2d"), layer_of((UNITS,), 1, "fc", "Linear"),
    layer_of((2,), 1, "other", "LayerNorm"),
]  # fmt: skip


def test_the_normalisation_that_follows():
    _, relu, _, norm, *_ = FOUND
    assert Holding().target(relu, FOUND) is relu
    assert Holding(site="post_norm").target(relu, FOUND) is norm
    for number, came in [(0, r"'relu' \(ReLU\)"), (4, r"'other' \(LayerNorm\)"), (5, "nothing")]:
        with pytest.raises(ValueError, match=f"right after '{FOUND[number].name}'; {came} follows"):
            Holding(site="post_norm").target(FOUND[number], FOUND)


@pytest.mark.parametrize(
    ("value", "needs_data", "draws"),
    [("zero", False, False), ("mean", True, False), ("resample", True, True), ("noise", True, True), (1, False, False)],
)
def test_what_a_value_needs(value, needs_data, draws):
    holding = Holding(value=value)
    assert (holding.needs_data, holding.draws) == (needs_data, draws)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"value": float("nan")}, "value must be finite; nan came"),
        ({"value": float("-inf")}, "value must be finite; -inf came"),
        ({"value": torch.tensor([0.0, torch.nan])}, "value must be finite; tensor"),
        ({"value": "noise", "scale": float("nan")}, "a finite number from 0 is wanted; nan came"),
        ({"value": "noise", "scale": float("inf")}, "a finite number from 0 is wanted; inf came"),
        ({"value": "noise", "scale": -0.5}, "a finite number from 0 is wanted; -0.5 came"),
    ],
)
def test_numbers_must_be_finite(wrong, message):
    with pytest.raises(ValueError, match=message):
        Holding(**wrong)


@pytest.mark.parametrize("shape", [(3,), (UNITS, 5), (UNITS, 6, 5), (2, 5, 6), (1, UNITS)])
def test_a_tensor_that_does_not_fit(shape):
    says = rf"the 4 units of 'relu' or for each of the 1 held, .* the map \(5, 6\); \({', '.join(map(str, shape))},?\)"
    with pytest.raises(ValueError, match=says):
        Holder(Holding(value=torch.zeros(shape))).held(LAYOUTS["maps"], torch.zeros(2, UNITS, 5, 6), [1], [])
