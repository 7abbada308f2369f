"""`ablate` against forward passes written by hand and plain hooks, alone and together with other calls."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from small_networks import CLASSES, SIDE, SMALL, Attention, Head, Residual, Several, built, chain, conv
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import neuroprobe
from neuroprobe import Probe, ablate
from neuroprobe.ablating import named_units
from neuroprobe.addresses import UnknownLayerError, dry_run

HOW = {"preprocess": None, "progress": False}


@pytest.fixture
def images():
    return torch.rand(6, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    return built(chain)


@torch.no_grad()
def answer(model, images, units, **how):
    with ablate(model, units, **HOW, **how):
        return model(images)


@torch.no_grad()
def response(model, images, layer):
    with Probe(model, [layer]) as probe:
        model(images)
    return probe[layer]


# against passes written by hand


@torch.no_grad()
@pytest.mark.parametrize("make", [SMALL[name] for name in ("chain", "gated", "split", "handed on")])
def test_as_a_plain_hook(images, make):
    model = built(make)
    modules = {path: module for path, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Identity)}
    for path, module in modules.items():

        def zero(_module, _inputs, output):
            output = output.clone()
            output[:, 1] = 0
            return output

        hook = module.register_forward_hook(zero)
        expected = model(images)
        hook.remove()
        assert_close(answer(model, images, {path: [1]}), expected)


@torch.no_grad()
def test_functional_activations_in_place_or_not(images):
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.head = conv(3, 4), conv(4, 4), Head(4)

        def forward(self, x, held=(1, 1)):
            x = F.relu(self.one(x), inplace=True)
            x[:, 2] *= held[0]
            y = self.two(x)
            y.relu_()  # what it returns is not looked at
            y = y * torch.tensor([1, 1, held[1], 1])[:, None, None]
            return self.head(y)

    model = built(Functional)
    assert_close(answer(model, images, {"/relu:0": [2]}), model(images, held=(0, 1)))
    assert_close(answer(model, images, {"/relu:1": [2]}), model(images, held=(1, 0)))
    assert_close(answer(model, images, {"/relu:*": [2]}), model(images, held=(0, 0)))


@torch.no_grad()
@pytest.mark.parametrize("inplace", [False, True])
def test_one_call_of_a_module_that_is_called_again(images, inplace):
    model = built(lambda: Residual(inplace))

    def by_hand(held):
        def relu(x, call):
            x = x.clamp_min(0)
            return torch.cat([x[:, :3], x[:, 3:4] * (call not in held), x[:, 4:]], 1)

        x = relu(model.norm1(model.conv1(images)), 0)
        return model.head(relu(relu(model.norm2(model.conv2(x)), 1) + x, 2))

    assert_close(answer(model, images, {"relu:1": [3]}), by_hand({1}))
    assert_close(answer(model, images, {"relu:0": [3], "relu:2": [3]}), by_hand({0, 2}))
    assert_close(answer(model, images, {"relu": [3]}), by_hand({0, 1, 2}))


@torch.no_grad()
def test_one_part_of_what_a_module_gives(images):
    model = built(Several)
    maps, extra = model.inner(images)
    more = extra["more"][0]
    held = maps.clone()
    held[:, 1] = 0
    expected = model.head(torch.cat([held.relu(), more], 1))  # the other part was made of the maps as they are
    assert_close(answer(model, images, {"inner[0]": [1]})["logits"], expected)
    within = answer(model, images, {"inner.one": [1]})["logits"]
    other = model.inner.other(images).relu() + held[:, :2]
    assert_close(within, model.head(torch.cat([held.relu(), other], 1)))


@torch.no_grad()
def test_all_tokens_of_an_embedding_dimension(images):
    model = built(Attention)
    with ablate(model, {"block": [2, 5]}), Probe(model, ["block"]) as probe:
        logits = model(images)
    assert_close(probe["block"][..., [2, 5]], torch.zeros(6, 17, 2))
    expected = response(model, images, "block")
    expected[..., [2, 5]] = 0
    assert_close(logits, model.head(expected[:, 0]))


@torch.no_grad()
@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
def test_every_layer_can_be_held(images, make):
    model = built(make)
    for layer in dry_run(model, SIDE):
        with ablate(model, {layer.name: [0]}, value=0.25), Probe(model, [layer.name]) as probe:
            model(images)
        assert (probe[layer.name].select(layer.unit_axis, 0) == 0.25).all(), layer.name


# values


@torch.no_grad()
@pytest.mark.parametrize(
    ("value", "held"),
    [
        ("zero", [0, 0]),
        (-2, [-2, -2]),
        (torch.tensor(0.5), [0.5, 0.5]),
        (torch.tensor([10.0, 11]), [10, 11]),  # one a unit held
        (torch.arange(6.0), [4, 1]),  # one a unit of the layer
    ],
    ids=str,
)
def test_numbers_and_tensors(network, images, value, held):
    with ablate(network, {"relu1": [4, 1]}, value=value), Probe(network, ["relu1"]) as probe:
        network(images)
    maps = probe["relu1"][:, [4, 1]]
    assert_close(maps, torch.tensor(held).float()[:, None, None].expand_as(maps))


@torch.no_grad()
def test_a_tensor_with_the_axes_of_the_map(network, images):
    value = torch.randn(2, SIDE, SIDE)
    with ablate(network, {"relu1": [4, 1]}, value=value), Probe(network, ["relu1"]) as probe:
        network(images)
    assert torch.equal(probe["relu1"][:, [4, 1]], value.expand(6, 2, SIDE, SIDE))


@torch.no_grad()
@pytest.mark.parametrize("per_position", [False, True])
def test_the_mean_over_the_data(network, images, per_position):
    axes = (0,) if per_position else (0, 2, 3)
    mean = response(network, images, "relu1").mean(axes, keepdim=True)[:, [2]]
    how = {"value": "mean", "data": images, "per_position": per_position, **HOW}
    with ablate(network, {"relu1": [2]}, **how), Probe(network, ["relu1"]) as probe:
        network(images[:1])
    assert_close(probe["relu1"][:, [2]], mean.expand(1, 1, SIDE, SIDE))


@torch.no_grad()
def test_resample_gives_the_map_of_another_image(network, images):
    before = response(network, images, "relu1")[:, 2]
    with ablate(network, {"relu1": [2]}, value="resample", data=images, **HOW), Probe(network, ["relu1"]) as probe:
        network(images)
    distance = torch.cdist(probe["relu1"][:, 2].flatten(1), before.flatten(1))
    assert (distance.amin(1) < 1e-5).all()
    assert (distance.diagonal() > 1e-3).all()  # never its own


@torch.no_grad()
def test_noise_has_the_spread_asked_for(network, images):
    before = response(network, images, "relu1")
    how = {"value": "noise", "scale": 2.0, "data": images, **HOW}
    with ablate(network, {"relu1": [2]}, **how), Probe(network, ["relu1"]) as probe:
        network(images)
    added = (probe["relu1"] - before)[:, 2]
    assert float(added.std() / before[:, 2].std(correction=0)) == pytest.approx(2, rel=0.05)
    assert abs(float(added.mean() / added.std())) < 0.1


@pytest.mark.parametrize("value", ["resample", "noise"])
def test_draws_follow_the_image_and_the_seed(network, images, value):
    how = {"value": value, "data": images}
    whole = answer(network, images, {"relu1": [2, 3]}, **how)
    assert_close(answer(network, images[[4, 0]], {"relu1": [2, 3]}, **how), whole[[4, 0]])
    assert_close(answer(network, images, {"relu1": [2, 3]}, **how, batch_size=1), whole)
    assert not torch.allclose(answer(network, images, {"relu1": [2, 3]}, **how, seed=1), whole)


@torch.no_grad()
def test_after_the_normalisation(network, images):
    with ablate(network, {"relu1": [2]}, site="post_norm"), Probe(network, ["relu1", "bn1"]) as probe:
        network(images)
    assert probe["bn1"][:, 2].abs().max() == 0
    assert probe["relu1"][:, 2].abs().max() > 0


# together with others


@torch.no_grad()
def test_blocks_nest(network, images):
    with ablate(network, {"relu1": [0]}), ablate(network, {"relu1": [1], "relu2": [3]}):
        both = network(images)
    assert_close(both, answer(network, images, {"relu1": [0, 1], "relu2": [3]}))
    with ablate(network, {"relu1": [0]}, value=1.0), ablate(network, {"relu1": [0]}, value=2.0):
        inner = network(images)
    assert_close(inner, answer(network, images, {"relu1": [0]}, value=2.0))


def test_recordings_see_it(network, images):
    with ablate(network, {"relu1": [0, 3]}):
        units = neuroprobe.record(network, images, **HOW).units
    assert (units.loc["relu1"]["maximum"] == 0).tolist() == [True, False, False, True, False, False]
    assert (neuroprobe.record(network, images, **HOW).units.loc["relu1"]["maximum"] > 0).all()


def test_measures_see_it(network, images):
    many, labels = images.repeat(4, 1, 1, 1), torch.arange(24) % 2
    with ablate(network, {"relu1": [0]}):
        classes = neuroprobe.class_selectivity(network, (many, labels), permutations=0, **HOW).units
        shift = neuroprobe.shift_invariance(network, images, shifts=(1,), **HOW).units
        tuning = neuroprobe.orientation(network, input_size=SIDE, permutations=0, **HOW).units
    assert (classes.status["relu1", 0], tuning.status["relu1", 0]) == ("dead", "unresponsive")
    assert np.isnan(shift.pearson["relu1", 0])
    assert np.isfinite(shift.pearson["relu1", 1])


@pytest.mark.parametrize("value", ["zero", "mean", "noise"])
def test_unit_impact_within(network, images, value):
    labels = torch.arange(6) % CLASSES
    with ablate(network, {"relu1": [0]}, value=value, data=images, **HOW):
        impact = neuroprobe.unit_impact(network, (images, labels), ["relu2"], **HOW)
    logits = [answer(network, images, {"relu1": [0]}, value=value, data=images)]
    for unit in range(8):
        with ablate(network, {"relu1": [0]}, value=value, data=images, **HOW):
            logits.append(answer(network, images, {"relu2": [unit]}))
    intact, *losses = [float(F.cross_entropy(each, labels)) for each in logits]
    assert impact.meta["loss"] == pytest.approx(intact, abs=1e-6)
    assert impact.units.delta_loss.tolist() == pytest.approx([loss - intact for loss in losses], abs=1e-6)


def test_rows_of_a_unit_table_say_which(network, images):
    units = neuroprobe.record(network, images, **HOW).units
    best = units["mean"]["relu1"].nlargest(2).index.tolist()
    tuning = neuroprobe.orientation(network, ["relu1"], input_size=SIDE, permutations=0, **HOW)
    expected = answer(network, images, {"relu1": best})
    assert_close(answer(network, images, units.loc[[("relu1", unit) for unit in best]]), expected)
    top = tuning.top("relu1", 2)
    expected = answer(network, images, {"relu1": [unit for _, unit in top.index]})
    assert_close(answer(network, images, top), expected)
    assert_close(answer(network, images, top.index), expected)


def test_named_units():
    assert named_units({"a": 3, "b": range(2), "c": torch.tensor([4]), "d": np.array([5, 6])}) == {
        "a": (3,), "b": (0, 1), "c": (4,), "d": (5, 6),
    }  # fmt: skip


def test_gradients_flow(network, images):
    with ablate(network, {"relu1": [0]}):
        network(images).square().sum().backward()
    assert network.conv1.weight.grad[0].abs().max() == 0
    assert network.conv1.weight.grad[1].abs().max() > 0


def test_a_network_can_be_trained_without_some_units(images):
    network = nn.Sequential(OrderedDict(conv=conv(3, 4), relu=nn.ReLU(inplace=True), head=Head(4)))
    labels, optimiser = torch.arange(6) % CLASSES, torch.optim.SGD(network.parameters(), 0.5)
    before, losses = network.conv.weight.detach().clone(), []
    with ablate(network, {"relu": [2]}):
        for _ in range(20):
            optimiser.zero_grad()
            loss = F.cross_entropy(network(images), labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    moved = (network.conv.weight - before).abs().amax((1, 2, 3)) > 0
    assert moved.tolist() == [True, True, False, True]


# input that does not fit, and the model after it


@pytest.mark.parametrize(
    ("units", "how", "error", "says"),
    [
        ({"relu9": [0]}, {}, UnknownLayerError, "no layer 'relu9' in this network; nearest: relu"),
        ({"/relu:0": [0]}, {}, UnknownLayerError, "no layer '/relu:0' in this network"),
        ({"relu1": [6]}, {}, IndexError, r"layer 'relu1' has 6 units \(0 to 5\); unit 6 was asked for"),
        ({"relu1": [-1]}, {}, IndexError, r"layer 'relu1' has 6 units \(0 to 5\); unit -1 was asked for"),
        ({"relu1": [1, 2, 1]}, {}, ValueError, "name each unit once, .*; layer 'relu1' names a unit twice"),
        ({}, {}, ValueError, "must name each unit once, .*; {} names none"),
        ({"relu1": []}, {}, ValueError, r"{'relu1': \[\]} names none"),
        ({"relu1": [0.5]}, {}, TypeError, "counted in whole numbers, .*0.5.* came"),
        ([3, 5], {}, TypeError, r"{layer: \[units\]}, or rows or the index of a unit table .*; list came"),
        ({"relu1": [0]}, {"value": "mean"}, ValueError, "value='mean' is measured from images: pass data="),
        ({"relu1": [0]}, {"value": "median"}, ValueError, "'zero', 'mean', 'noise', 'resample'; 'median' came"),
        ({"relu1": [0]}, {"value": None}, TypeError, "a word, a number or a tensor; NoneType came"),
        ({"relu1": [0]}, {"value": torch.zeros(4)}, ValueError, r"the 6 units of 'relu1' or .* 1 held.*; \(4,\) came"),
        ({"relu1": [0]}, {"site": "before"}, ValueError, "site must be one of 'address', 'post_norm'; 'before' came"),
        ({"conv1": [0]}, {"site": "post_norm"}, ValueError, r"after 'conv1'; 'relu1' \(ReLU\) follows"),
        ({"fc": [0]}, {"site": "post_norm"}, ValueError, "after 'fc'; nothing follows"),
        ({"relu1": [0]}, {"per_position": True}, ValueError, "is for value='mean'; value='zero' came"),
        ({"relu1": [0]}, {"scale": -1}, ValueError, "a finite number from 0 is wanted; -1 came"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(left_alone, network, images, units, how, error, says):
    with left_alone(network.train()), pytest.raises(error, match=says), ablate(network, units, **how):
        network(images)


@pytest.mark.parametrize("value", ["zero", "mean", "noise", "resample"])
@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_alone(left_alone, network, images, value, training):
    network.train(training)
    with left_alone(network), ablate(network, {"relu1": [0]}, value=value, data=images, **HOW):
        pass
    with left_alone(network.eval()), torch.no_grad(), ablate(network, {"relu1": [0]}, value=value, data=images, **HOW):
        network(images)
    with left_alone(network), pytest.raises(KeyboardInterrupt), ablate(network, {"relu1": [0]}, **HOW):
        raise KeyboardInterrupt


@torch.no_grad()
def test_the_mode_is_left_to_the_user_and_the_search_for_layers_leaves_no_trace(network, images):
    other = built(chain)
    network.train()
    other.train()
    with ablate(network, {"relu2": [0]}):
        network(images)
        assert network.training
    other(images)
    assert_close(network.bn1.running_mean, other.bn1.running_mean)
    assert int(network.bn1.num_batches_tracked) == int(other.bn1.num_batches_tracked)


@torch.no_grad()
def test_the_way_in_may_be_a_wrapper(network, images):
    expected = answer(network, images, {"relu1": [0]})
    assert_close(answer(nn.DataParallel(network), images, {"relu1": [0]}), expected)


def test_blocks_that_begin_after_a_pass_compose_from_their_first_pass_on():
    model, images = neuroprobe.load_network("cnn7").eval(), torch.rand(3, 3, 32, 32)
    outer, inner = {"relu5": range(64)}, {"relu3": [0]}
    with torch.no_grad():
        with neuroprobe.ablate(model, outer | inner):
            expected = model(images)
        with neuroprobe.ablate(model, outer):
            model(images)
            with neuroprobe.ablate(model, inner):
                assert_close(model(images), expected)
            with neuroprobe.Probe(model, ["relu5"]) as probe:
                model(images)
    assert not probe["relu5"][:, :64].any()
    assert probe["relu5"].any()


def test_an_ablated_function_is_ablated_for_the_engine_too(data_folder):
    torch.manual_seed(0)
    model = neuroprobe.load_network("resnet20", data_folder / "resnet20_cifar10.safetensors")
    images, labels = torch.rand(4, 3, 32, 32), torch.arange(4)
    images[0] = 0.5  # the engine's check looks at the first image, and may see no difference
    with neuroprobe.ablate(model, {"layer3.1/relu:0": range(60)}):
        inside = neuroprobe.unit_impact(model, (images, labels), ["layer3.2"], progress=False)
        with torch.no_grad():
            logits = model.eval()(neuroprobe.preparation.prepare(model).prepared(images))
    assert inside.meta["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)
