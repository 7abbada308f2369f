"""The engine against a plain loop: hold, run the whole network, look at its logits."""

import logging
import math

import pytest
import torch
import torchvision
from small_networks import REPLAYABLE_IN_APPEARANCE, SIDE, SMALL, UNREPLAYABLE, Residual, built, chain
from torch import nn
from torch.testing import assert_close

import neuroprobe
from neuroprobe import trials
from neuroprobe.addresses import UnknownLayerError, dry_run
from neuroprobe.holding import Holding
from neuroprobe.preparation import prepare
from neuroprobe.saying import say_once

VALUES = ("zero", "mean", "resample", "noise", 0.3)
ROUNDING = 1e-5  # of the largest logit


class Logits:
    """Keeps all that it is shown, (1 + trials, images, classes)."""

    def __init__(self, count):
        self.rows = [[] for _ in range(1 + count)]

    def intact(self, batch, logits):
        self.rows[0].append(logits.clone())

    def held(self, numbers, logits):
        for number, answer in zip(numbers, logits, strict=True):
            self.rows[1 + number].append(answer.clone())

    def all(self):
        return torch.stack([torch.cat(row) for row in self.rows])


def by_engine(model, images, wanted, *, batch_size=None, memory=None, **holding):
    prepared, seen = prepare(model, preprocess=None), Logits(len(wanted))
    data = prepared.open(images, batch_size=batch_size)
    trials.run_trials(prepared, data, wanted, seen, holding=Holding(**holding), memory=memory, progress=False)
    return seen.all()


@torch.no_grad()
def by_loop(model, images, wanted, **holding):
    answers = [model(images.clone())]
    for trial in wanted:
        if not trial:
            answers.append(model(images.clone()))
            continue
        with neuroprobe.ablate(model, trial, data=images, preprocess=None, progress=False, **holding):
            answers.append(model(images.clone()))
    return torch.stack([trials_logits(answer) for answer in answers])


def trials_logits(answer):
    return answer["logits"] if isinstance(answer, dict) else answer


def agree(one, other):
    return float((one - other).abs().max()) <= ROUNDING * float(other.abs().max())


def some_trials(model, side, every=1, seed=0):
    """A unit of each layer, each layer whole, and units of several layers together."""
    layers = dry_run(model, side)[::every]
    generator = torch.Generator().manual_seed(seed)
    drawn = {layer.name: torch.randperm(layer.units, generator=generator).tolist() for layer in layers}
    alone = [{name: [units[0]]} for name, units in drawn.items()]
    whole = [{name: sorted(units)} for name, units in drawn.items()]
    several = [{name: units[:2] for name, units in list(drawn.items())[start::3]} for start in range(3)]
    return [*alone, {}, *whole, *several]


@pytest.fixture
def images():
    return torch.rand(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on maps this small, threads would only wait for one another
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def in_parts(monkeypatch):
    """No network may be run whole for each trial."""

    def refuse(*_):
        raise AssertionError("the network was not run in parts")

    monkeypatch.setattr(trials, "Rerun", refuse)


# the same numbers as the plain loop


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
def test_as_the_plain_loop(images, make, value):
    model = built(make)
    wanted = some_trials(model, SIDE)
    assert agree(by_engine(model, images, wanted, value=value), by_loop(model, images, wanted, value=value))


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(
    "holding",
    [
        {"value": "mean", "per_position": True},
        {"value": "noise", "scale": 3.0, "seed": 7},
        {"value": "resample", "seed": 7},
        {"value": torch.tensor(-0.5)},
        {"value": torch.tensor([0.3, -1, 0, 2, 5, 1])},
        {"value": torch.randn(6, SIDE, SIDE, generator=torch.Generator().manual_seed(0))},
    ],
    ids=lambda holding: ", ".join(holding),
)
@pytest.mark.parametrize("site", ["address", "post_norm"])
def test_every_way_to_hold(images, holding, site):
    model, wanted = built(chain), [{"relu1": [2]}, {"relu1": [5, 0]}, {"relu1": range(6)}]
    by_parts = by_engine(model, images, wanted, site=site, **holding)
    assert agree(by_parts, by_loop(model, images, wanted, site=site, **holding))
    assert not agree(by_parts[1], by_parts[0])


TORCHVISION = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=7), 64, 24),
    "densenet": (lambda: torchvision.models.DenseNet(8, (2, 2, 2, 2), 16, num_classes=7), 64, 11),
    "mobilenet": (lambda: torchvision.models.mobilenet_v3_small(num_classes=7), 64, 29),
    "shufflenet": (lambda: torchvision.models.shufflenet_v2_x0_5(num_classes=7), 64, 23),
    "squeezenet": (lambda: torchvision.models.squeezenet1_1(num_classes=7), 64, 9),
    "vit": (lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=7), 32, 1),
    "convnext": (lambda: torchvision.models.ConvNeXt(stages(), num_classes=7), 32, 3),
    "swin": (lambda: torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 4], [2, 2], num_classes=7), 32, 7),
}


def stages():
    setting = torchvision.models.convnext.CNBlockConfig
    return [setting(8, 16, 1), setting(16, None, 1)]


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(("make", "side", "every"), TORCHVISION.values(), ids=TORCHVISION)
def test_torchvision_networks(make, side, every):
    model = built(make)
    last = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv2d)][-1]
    nn.init.normal_(last.weight)  # some begin with zeros
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    wanted = some_trials(model, side, every)
    assert agree(by_engine(model, images, wanted), by_loop(model, images, wanted))


@pytest.mark.usefixtures("in_parts")
def test_real_weights_and_photographs(resnet20, photographs):
    normalised = (photographs[0][:6] - 0.5) / 0.25
    wanted = some_trials(resnet20.eval(), 32, every=7)
    assert agree(by_engine(resnet20, normalised, wanted), by_loop(resnet20, normalised, wanted))


@pytest.mark.usefixtures("in_parts")
def test_after_the_normalisation_of_a_real_network(photographs):
    model, photos = neuroprobe.load_network("cnn7").eval(), (photographs[0][:6] - 0.5) / 0.25
    wanted = [{f"relu{number}": [3, 8]} for number in range(1, 8)]
    answers = [by_engine(model, photos, wanted, value="mean", site=site) for site in ("address", "post_norm")]
    expected = [by_loop(model, photos, wanted, value="mean", site=site) for site in ("address", "post_norm")]
    assert all(agree(*pair) for pair in zip(answers, expected, strict=True))
    assert agree(*answers)  # the mean of an affine map is the map of the mean
    assert not agree(answers[0], by_engine(model, photos, wanted, site="post_norm"))


@pytest.mark.usefixtures("in_parts")
def test_double_precision_is_kept(images):
    model, wanted = built(chain).double(), [{"relu1": [0]}, {"relu2": [1]}]
    with torch.no_grad():
        intact = model(images.double())
    answers = by_engine(model, images, wanted)
    assert answers.dtype == torch.float64
    assert_close(answers[0], intact, rtol=1e-12, atol=1e-13)


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("make", [chain, Residual])
def test_in_inference_mode(images, make):
    expected = by_engine(built(make), images, wanted := some_trials(built(make), SIDE))
    with torch.inference_mode():
        assert agree(by_engine(built(make), images, wanted), expected)  # a network made in it, too


# however the work is cut


def least_memory(model, images, wanted):
    with pytest.raises(ValueError, match=r"memory=1 bytes do not suffice for one image, which takes [\d,]+") as refused:
        by_engine(model, images, wanted, memory=1)
    return int(str(refused.value).partition("takes ")[2].partition(":")[0].replace(",", ""))


@pytest.mark.parametrize(("make", "value"), [("residual", "mean"), ("split", "resample"), ("tokens", "noise")])
def test_batches_and_memory_change_nothing(images, make, value):
    model = built(SMALL[make])
    wanted = some_trials(model, SIDE)
    least = least_memory(model, images, wanted)
    expected = by_engine(model, images, wanted, value=value)
    for how in ({"batch_size": 2}, {"batch_size": 1}, {"memory": least}, {"memory": 3 * least}):
        assert agree(by_engine(model, images, wanted, value=value, **how), expected), how


def test_no_memory_at_all_is_refused(images):
    with pytest.raises(ValueError, match="memory=0 bytes do not suffice for one image"):
        by_engine(built(chain), images, [{"relu1": [0]}], memory=0)


def test_every_trial_is_told_once_a_batch(images):
    seen = Logits(4)
    prepared = prepare(built(chain), preprocess=None)
    wanted = [{"relu1": [0]}, {}, {"relu2": [1], "relu1": [0]}, {"relu1": [1]}]
    data = prepared.open(images, batch_size=2)
    found = trials.run_trials(prepared, data, wanted, seen, holding=Holding(), progress=False)
    assert [[len(part) for part in row] for row in seen.rows] == [[2, 2, 1]] * 5
    assert [layer.name for layer in found] == [layer.name for layer in dry_run(prepared.model, SIDE)]
    assert torch.equal(seen.all()[2], seen.all()[0])  # no unit held


# networks that cannot be run in parts


@pytest.mark.parametrize("make", (NO_PARTS := UNREPLAYABLE | REPLAYABLE_IN_APPEARANCE).values(), ids=NO_PARTS)
def test_the_plain_loop_where_nothing_else_does(images, caplog, make):
    say_once.cache_clear()
    model = built(make)
    wanted = some_trials(model, SIDE)
    with caplog.at_level(logging.WARNING, "neuroprobe"):
        answers = by_engine(model, images, wanted, value="mean")
    assert agree(answers, by_loop(model, images, wanted, value="mean"))
    assert f"{type(model).__name__} cannot be run again in parts" in caplog.text
    assert "which gives the same numbers and takes longer" in caplog.text


class WritesIntoItsInput(nn.Module):
    def __init__(self, decides):
        super().__init__()
        self.chain, self.decides = chain(), decides

    def forward(self, images):
        images.mul_(2).sub_(1)
        return self.chain(images if not self.decides or images.mean() < 9 else -images)


@pytest.mark.parametrize("decides", [False, True])
def test_a_network_that_writes_into_its_input(images, decides):
    model, before = built(lambda: WritesIntoItsInput(decides)), images.clone()
    wanted = [{"chain.relu1": [0]}, {"chain.relu2": [1]}]
    assert agree(by_engine(model, images, wanted), by_loop(model, images, wanted))
    assert torch.equal(images, before)


# answers known on paper


def planted():
    """A chain whose unit 0 of the first layer is dead and whose unit 1 is the same for all images."""
    model = built(chain)
    with torch.no_grad():
        model.conv1.weight[:2] = 0
        model.conv1.bias[:2] = torch.tensor([-1.0, 0.7])
    return model


def test_a_dead_unit_at_zero_and_a_constant_one_at_its_mean_change_nothing(images):
    dead = by_engine(planted(), images, [{"relu1": [0]}, {"relu1": [1]}])
    assert_close(dead[1], dead[0], rtol=0, atol=1e-6)
    assert (dead[2] - dead[0]).abs().max() > 1e-3
    constant = by_engine(planted(), images, [{"relu1": [0, 1]}], value="mean")
    assert_close(constant[1], constant[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("layer", ["relu1", "bn1", "relu2", "pool"])
def test_without_one_layer_of_a_chain_the_answer_is_the_same_for_all_images(images, layer):
    model = built(chain)
    units = next(found.units for found in dry_run(model, SIDE) if found.name == layer)
    intact, held = by_engine(model, images, [{layer: range(units)}])
    assert intact.std(0).max() > 1e-4
    assert held.std(0).max() < 1e-7


class Aside(nn.Module):
    """A network with a branch that leads nowhere."""

    def __init__(self):
        super().__init__()
        self.body, self.aside = chain(), nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())

    def forward(self, images):
        self.aside(images)
        return self.body(images)


def test_a_layer_that_the_output_does_not_depend_on_is_said(images, caplog):
    say_once.cache_clear()
    intact, held = by_engine(built(Aside), images, [{"aside.1": [0, 1]}])
    assert_close(held, intact, rtol=0, atol=0)
    assert "output does not depend on aside.1: what is held there changes nothing" in caplog.text


@pytest.mark.parametrize("layers", ["aside.1", ["body.relu1", "aside.1"]])
def test_asked_for_by_name_it_is_refused(images, layers, left_alone):
    model, data = built(Aside), (images, torch.arange(len(images)) % 2)
    unread = "output does not depend on aside.1: what is held there changes nothing; name layers= without it"
    scores = neuroprobe.unit_impact(model, data, preprocess=None, progress=False).units.delta_loss
    assert float(scores.loc["aside.1"].abs().max()) == 0
    with left_alone(model):
        for call, given in (
            (neuroprobe.unit_impact, layers),
            (neuroprobe.noise_curves, layers),
            (neuroprobe.ablation, scores.loc[[layers] if isinstance(layers, str) else layers]),
        ):
            with pytest.raises(ValueError, match=unread):
                call(model, data, given, preprocess=None, progress=False)


def test_the_logits_can_be_held(images):
    answers = by_engine(built(chain), images, [{"fc": [1, 3]}], value=2.0)
    expected = answers[0].clone()
    expected[:, [1, 3]] = 2
    assert_close(answers[1], expected)


def test_a_layer_meant_by_two_names_has_the_units_of_both(images):
    model = built(Residual)
    by_two, by_one, all_calls = by_engine(
        model, images, [{"relu": [1], "relu:0": [2]}, {"relu:0": [1, 2], "relu:1": [1], "relu:2": [1]}, {"relu": [1]}]
    )[1:]
    assert_close(by_two, by_one)
    assert not agree(by_two, all_calls)


# input that does not fit, and the model after it


@pytest.mark.parametrize(
    ("trial", "holding", "error", "says"),
    [
        ({"relu9": [0]}, {}, UnknownLayerError, "no layer 'relu9' in this network; nearest: relu"),
        ({"relu1": [6]}, {}, IndexError, r"'relu1' has 6 units \(0 to 5\); unit 6 was asked for"),
        ({"conv1": [0]}, {"site": "post_norm"}, ValueError, r"right after 'conv1'; 'relu1' \(ReLU\) follows"),
        ({"relu1": [0]}, {"value": torch.zeros(4)}, ValueError, r"each of the 6 units of 'relu1' or for .* 1 held"),
    ],
)
def test_what_does_not_fit_is_refused(left_alone, images, trial, holding, error, says):
    model = built(chain).train()
    with left_alone(model), pytest.raises(error, match=says):
        by_engine(model, images, [trial], **holding)


def test_one_image_has_no_other_to_resample_from(images):
    with pytest.raises(ValueError, match="data with two different images are wanted"):
        by_engine(built(chain), images[:1].expand(3, -1, -1, -1), [{"relu1": [0]}], value="resample")


@pytest.mark.parametrize("make", [chain, Residual, UNREPLAYABLE["deciding"]])
def test_the_model_is_left_alone(left_alone, images, make):
    class Tired:
        def intact(self, batch, logits):
            pass

        def held(self, numbers, logits):
            raise KeyboardInterrupt

    model = built(make).train()
    wanted = some_trials(model, SIDE)
    with left_alone(model):
        assert math.isfinite(by_engine(model, images, wanted, value="noise").sum())
    prepared = prepare(model, preprocess=None)
    with left_alone(model), pytest.raises(KeyboardInterrupt):
        trials.run_trials(prepared, prepared.open(images), wanted, Tired(), holding=Holding(), progress=False)
