from functools import partial

import pytest
import torch
from learning import LAYERS, SIDE, gradients, planted, small, trained
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import neuroprobe
from neuroprobe import OrientationPenalty, SelectivityPenalty
from neuroprobe.addresses import UnknownLayerError

GRATINGS = neuroprobe.stimuli.gratings((1, SIDE, SIDE), orientations=4, frequencies=[0.125, 0.25], phases=2)
on_gratings = partial(OrientationPenalty, stimuli=GRATINGS, preprocess=None)


def shown(model, alpha=1.0, layers=None, **options):
    with on_gratings(model, alpha, layers, **options) as penalty:
        return penalty(), penalty


# Values


@pytest.mark.parametrize("preprocess", [None, lambda images: 2 * images - 0.3])
def test_gosi_is_that_of_the_analysis(preprocess):
    model = small()
    value, penalty = shown(model, -2, preprocess=preprocess)
    measured = neuroprobe.orientation(model, stimuli=GRATINGS, preprocess=preprocess, permutations=0).units.gosi
    expected = measured.groupby(level="layer").mean()
    assert penalty.by_layer == pytest.approx({layer: expected[layer] for layer in LAYERS}, abs=1e-4)
    assert value.item() == pytest.approx(2 * penalty.gosi.item()) == pytest.approx(sum(penalty.by_layer.values()))


def test_gradients_are_those_of_finite_differences():
    model = small(channels=2).double()
    with on_gratings(model, -0.7, every=1) as penalty:

        def of(*parameters):
            with torch.no_grad():
                for parameter, value in zip(model.parameters(), parameters, strict=True):
                    parameter.copy_(value)
            return penalty()

        analytic = torch.autograd.grad(penalty(), list(model.parameters())[:4])
        held = [parameter.detach().clone() for parameter in model.parameters()]
        for number, gradient in enumerate(analytic):
            direction = torch.rand_like(held[number])
            ends = [of(*held[:number], held[number] + step * direction, *held[number + 1 :]) for step in (1e-6, -1e-6)]
            assert_close((ends[0] - ends[1]) / 2e-6, (gradient * direction).sum(), rtol=1e-5, atol=1e-8)


def test_alpha_is_a_dial():
    def ends(alpha):
        model = small()
        trained(model, on_gratings(model, alpha, every=2))
        return shown(model)[1].gosi.item()

    low, middle, high = map(ends, (-2, 0, 2))
    assert low < middle - 0.05 < middle + 0.05 < high


def test_gratings_are_shown_in_one_call_of_some_and_first_in_an_epoch():
    model = small()
    with on_gratings(model, [1, 2], every=3) as penalty:
        values = [penalty(planted()[1]).item() for _ in range(5)]
        penalty.set_epoch(1)
        values += [penalty().item(), penalty().item()]
    gosi = penalty.gosi.item()
    assert values == pytest.approx([-gosi, 0, 0, -gosi, 0, -2 * gosi, 0])


def test_by_default_there_are_48_gratings_of_the_size_given():
    model = small()
    with OrientationPenalty(model, 1, input_size=12) as penalty:
        assert penalty._images.shape == (48, 1, 12, 12)
        assert penalty().requires_grad


def test_bars_may_be_shown():
    bars = partial(neuroprobe.stimuli.bars, orientations=4, widths=[2], lengths=[3], positions=2)
    _, penalty = shown(small(), stimuli=bars, input_size=SIDE)
    assert 0 < penalty.gosi < 1


def test_the_pass_is_by_running_statistics():
    model = small(norm=nn.BatchNorm2d)
    model(planted()[0])
    in_training, _ = shown(model.train())
    in_use, _ = shown(model.eval())
    assert_close(in_training, in_use)


def test_autocast_to_bfloat16():
    model = small()
    value, _ = shown(model)
    with torch.autocast("cpu", torch.bfloat16):
        lower, _ = shown(model)
    assert lower.dtype is torch.float32
    assert_close(lower, value, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, partial(torch.compile, backend="eager")], ids=["parallel", "compiled"]
)
def test_wrapped_networks(wrap):
    model = small()
    assert_close(shown(wrap(model))[0], shown(model)[0])


# Beside others, and the model left alone


@pytest.mark.parametrize("gratings_first", [True, False])
def test_both_penalties_in_any_order(gratings_first):
    images, labels = planted()
    alone, together = (small(norm=nn.BatchNorm2d) for _ in range(2))
    with SelectivityPenalty(alone, -1) as classes:
        output = alone(images)
        (F.cross_entropy(output, labels) + classes(labels) + shown(alone, -1)[0]).backward()
    with SelectivityPenalty(together, -1) as classes, on_gratings(together, -1) as gratings:
        output = together(images)
        terms = [lambda: gratings(labels), lambda: classes(labels)]
        sum((term() for term in terms[:: 1 if gratings_first else -1]), F.cross_entropy(output, labels)).backward()
    assert_close(gradients(together), gradients(alone))


def test_a_batch_after_the_gratings_does_not_change_their_gradient():
    model = small(norm=nn.BatchNorm2d)
    model(planted()[0])
    values = []
    for batch in (lambda: None, lambda: model(planted()[0])):
        model.zero_grad()
        value, _ = shown(model)
        batch()
        value.backward()
        values.append(model.conv1.weight.grad.clone())
    assert_close(*values)


@pytest.mark.parametrize("norm", [nn.Identity, nn.BatchNorm2d])
def test_nothing_is_left_behind(left_alone, norm):
    model = small(norm=norm)
    model.norm.eval()
    with left_alone(model):
        shown(model)


def test_nothing_is_left_behind_by_an_error(left_alone):
    model = small()

    def failing():
        with on_gratings(model, 1) as penalty:
            penalty()
            raise ZeroDivisionError

    with left_alone(model), pytest.raises(ZeroDivisionError):
        failing()


# What does not fit


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"alpha": float("nan")}, ValueError, "alpha must be a finite number; nan came"),
        ({"every": 0}, ValueError, "every must be a whole number from 1; 0 came"),
        ({"stimuli": neuroprobe.stimuli.gratings(SIDE)}, ValueError, r"at most 48 images .* 6 frequency x 12 .* = 576"),
        ({"stimuli": "gratings"}, TypeError, r"a set from neuroprobe\.stimuli .*; str came"),
        ({"stimuli": None}, ValueError, "image size of Small is not known .* give input_size="),
        ({"layers": "conv3"}, UnknownLayerError, "no layer 'conv3'"),
    ],
)
def test_what_does_not_fit_is_an_error_on_entry(left_alone, options, error, message):
    model = small()
    with left_alone(model), pytest.raises(error, match=message), on_gratings(model, **({"alpha": 1} | options)):
        pass


def test_layers_of_which_none_can_learn_are_an_error():
    with pytest.raises(ValueError, match="needs a layer that learns; /relu:0, act came"):
        shown(small().requires_grad_(False))


def test_outside_its_block_there_is_no_penalty():
    with pytest.raises(RuntimeError, match=r"`with OrientationPenalty\(\.\.\.\) as penalty:`"):
        on_gratings(small(), 1)()
