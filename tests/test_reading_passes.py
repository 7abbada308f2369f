"""Reading passes: the folded network shows what the network shows, or is not used."""

from contextlib import contextmanager

import pytest
import torch
from small_networks import SIDE, SMALL, Head, built, conv
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import neuroprobe.reading_passes as reading
from neuroprobe.parts import parts_of
from neuroprobe.preparation import prepare
from neuroprobe.probe import tapping
from neuroprobe.reading_passes import Folded, reading_passes


class Normed(nn.Module):
    """Two convolutions with their normalisations, one of them alone before its ReLU."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = conv(3, 6), conv(6, 6), Head(6)
        self.norm, self.other = nn.BatchNorm2d(6), nn.BatchNorm2d(6)

    def forward(self, images):
        x = F.relu(self.norm(self.one(images)))
        return self.head(F.relu(self.other(self.two(x)) + x))


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Trust the networks of these tests as those of known libraries are trusted."""
    monkeypatch.setattr(reading, "_KNOWN_CODE", ("torch.nn.", "small_networks.", f"{__name__}."))


@pytest.fixture
def images():
    return torch.rand(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def opened(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return prepare(model.eval(), preprocess=None)


def folded_of(prepared, images):
    with prepared.at_rest():
        return Folded.of(prepared, images[:1], prepared.layers(images[:1], None))


def shown(prepared, passes, images):
    """Return what a way of running the network shows of all its layers, and its answer."""
    outputs = {}

    def keep(layer, output):
        outputs[layer.name] = output.clone()

    with prepared.at_rest():
        layers = prepared.layers(images[:1], None)
        with passes(layers) as (run, _cores):
            answer = run(prepared.prepared(images), keep)
    return outputs, answer


class Lowered(nn.ReLU):
    """A ReLU by name, that lets some values below zero by."""

    def forward(self, images):
        return super().forward(images) - 0.1


def test_only_what_a_relu_makes_is_known_to_have_nothing_below_zero(images):
    told = {}
    model = nn.Sequential(
        conv(3, 4), nn.BatchNorm2d(4), nn.ReLU(), conv(4, 4), Lowered(), conv(4, 4), nn.GELU(), Head(4)
    )
    prepared = opened(model)
    with prepared.at_rest():
        folded = folded_of(prepared, images)
        folded.run(prepared.prepared(images), lambda layer, _output: told.update({layer.name: layer.never_negative}))
    assert {name: told[name] for name in ("1", "2", "4", "6")} == {"1": False, "2": True, "4": False, "6": False}


@pytest.mark.parametrize("make", [*SMALL.values(), Normed], ids=[*SMALL, "normed"])
def test_what_the_network_shows(images, make, left_alone):
    model = built(make)
    prepared = opened(model)

    with left_alone(model):
        ours, answer = shown(prepared, lambda *given: reading_passes(prepared, images[:1], *given), images)
    hooked, own = shown(prepared, lambda *given: by_hooks(prepared, *given), images)
    assert ours.keys() == hooked.keys()
    for name, output in hooked.items():
        assert_close(ours[name], output, rtol=1e-4, atol=1e-5)
    assert_close(first_of(answer), first_of(own), rtol=1e-4, atol=1e-5)


def first_of(answer):
    return next(part for _, part in parts_of(answer))


@contextmanager
def by_hooks(prepared, layers):
    def run(images, keep):
        with tapping(prepared.model, layers, keep):
            return prepared.forward(images)

    yield run, 1


def test_normalisation_is_folded(images):
    folded = folded_of(opened(Normed()), images)
    names = [step.operation.function.__name__ for step in folded.steps]
    assert names.count("batch_norm") == 2  # all layers are read, the convolutions' outputs too
    prepared = opened(Normed())
    with prepared.at_rest():
        relus = [layer for layer in prepared.layers(images[:1], None) if layer.default]
        folded = Folded.of(prepared, images[:1], relus)
    assert "batch_norm" not in [step.operation.function.__name__ for step in folded.steps]


def test_a_user_s_own_code_runs_as_it_stands(images, monkeypatch):
    monkeypatch.undo()
    assert folded_of(opened(Normed()), images) is None
    assert folded_of(opened(nn.Sequential(conv(3, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())), images) is not None


@pytest.mark.parametrize("cores", [1, 2])
def test_what_has_no_normalisation_is_written_down_for_several_cores(images, monkeypatch, cores):
    monkeypatch.setattr(reading, "cores_of", lambda _device: cores)
    folded = folded_of(opened(nn.Sequential(conv(3, 4), nn.ReLU(), Head(4))), images)
    assert (folded is not None) == (cores > 1)


def test_another_s_hooks_see_the_network_run(images):
    model, calls = Normed(), []
    prepared = opened(model)
    with model.one.register_forward_hook(lambda *_: calls.append(1)):
        assert folded_of(prepared, images) is None
    assert folded_of(prepared, images) is not None


def test_half_precision_runs_as_it_stands(images):
    prepared = prepare(Normed().eval(), preprocess=None, dtype=torch.bfloat16)
    assert folded_of(prepared, images) is None


class Fickle(Normed):
    """Adds the number of its passes to what it answers."""

    passes = 0

    def forward(self, images):
        self.passes += 1
        return super().forward(images) + self.passes


def test_a_network_that_answers_otherwise_runs_as_it_stands(images):
    assert folded_of(opened(Fickle()), images) is None


@pytest.mark.parametrize("meeting", [nn.BatchNorm2d(4, track_running_stats=False), nn.Softmax(0)])
def test_a_network_whose_images_meet_runs_as_it_stands(images, meeting):
    model = nn.Sequential(conv(3, 4), nn.BatchNorm2d(4), meeting, nn.ReLU(), Head(4)).eval()
    assert folded_of(prepare(model, preprocess=None), images) is None


def test_images_of_another_size_run_as_they_stand(images):
    prepared = opened(Normed())
    folded, seen = folded_of(prepared, images), []
    small = images[:, :, :10, :10]
    with prepared.at_rest():
        answer = folded.run(small, lambda layer, _: seen.append(layer.name))
        assert_close(answer, prepared.model(small))
    assert len(seen) == len(folded.layers)
