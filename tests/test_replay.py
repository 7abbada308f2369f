"""Programs: the pass again, whole and in parts, and nothing more than is needed."""

import pytest
import torch
from small_networks import SIDE, SMALL, Branches, Head, built, chain, conv
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from neuroprobe.addresses import dry_run
from neuroprobe.answers import logits_of
from neuroprobe.calls import function_name
from neuroprobe.replay import Program
from neuroprobe.tape import write_down


@pytest.fixture
def images():
    return torch.rand(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def program_of(model, images, *wanted):
    layers = [layer for layer in dry_run(model, SIDE) if layer.name in wanted]
    return Program.of(write_down(model, images, layers), [layer.name for layer in layers])


def names(operations):
    return [function_name(operation.function) for operation in operations]


@torch.no_grad()
@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
def test_a_whole_pass_for_any_number_of_images(images, make):
    model = built(make)
    program = program_of(model, images)
    for number in (1, 2, 5):
        expected = logits_of(model(images[:number].clone()))
        assert_close(program.logits(program.run(images[:number], [])), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_only_what_lies_downstream_runs_again(images):
    model = built(chain)
    program = program_of(model, images, "relu1", "relu2", "pool")
    assert names(program.downstream(["pool"]).operations) == ["flatten", "linear"]
    assert names(program.downstream(["relu2"]).operations) == ["batch_norm", "adaptive_avg_pool2d", "view_as",
                                                              "flatten", "linear"]  # fmt: skip
    assert program.downstream(["pool"]).shared == {program.tape.layers["pool"]}


@torch.no_grad()
def test_copies_with_something_held_in_one(images):
    model = built(chain)
    program = program_of(model, images, "relu1")
    downstream = program.downstream(["relu1"])
    shared = program.run(images, downstream.shared)
    before = {number: value.clone() for number, value in shared.items()}

    class Changer:
        def hold(self, layer, copies):
            assert (layer, len(copies)) == ("relu1", 15)
            copies[5:10, 2] = 3

        def changes(self, layer, value):
            for units in ([], [2], []):
                yield units, 3 - value[:, units]

    logits = downstream.run(shared, 3, 5, Changer()).unflatten(0, (3, 5))
    maps = model.relu1(model.conv1(images))
    maps[:, 2] = 3
    assert_close(logits[[0, 2]], model(images).expand(2, -1, -1), rtol=1e-5, atol=1e-6)
    assert_close(logits[1], model[2:](maps), rtol=1e-5, atol=1e-6)
    assert all(torch.equal(shared[number], value) for number, value in before.items())


@torch.no_grad()
def test_what_leads_nowhere_is_not_run(images):
    program = program_of(built(Branches), images)
    assert sum(name == "conv2d" for name in names(program.operations)) == 3  # of four


@torch.no_grad()
def test_what_needs_no_image_is_done_once(images):
    class Standardised(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.head = nn.Parameter(torch.randn(4, 3, 3, 3)), Head(4)

        def forward(self, images):
            weight = (self.weight - self.weight.mean((1, 2, 3), keepdim=True)) / self.weight.std()
            return self.head(F.relu(F.conv2d(images, weight)))

    model = built(Standardised)
    program = program_of(model, images)
    assert names(program.operations) == ["conv2d", "relu", "mean", "linear"]
    assert_close(program.logits(program.run(images, [])), model(images))


@torch.no_grad()
def test_a_convolution_takes_the_change_alone(images):
    program = program_of(built(chain), images, "relu1", "bn1")
    downstream = program.downstream(["bn1"], ["bn1"])
    assert names(downstream.leading) == ["conv2d"]
    assert "conv2d" not in names(downstream.operations)
    assert program.downstream(["bn1"]).leading == []  # nobody said that its units are channels
    assert program.downstream(["relu1"], ["relu1"]).leading == []  # a normalisation comes first


class Divided(nn.Module):
    """Divides by a number, or by something of the maps."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, maps):
        return maps / self.by(maps)


class Grouped(nn.Module):
    """A convolution that may have groups, and a normalisation that may depend on the image."""

    def __init__(self, groups, norm):
        super().__init__()
        self.stem, self.conv, self.norm, self.head = conv(3, 4), conv(4, 4, groups=groups), norm, Head(4)

    def forward(self, images):
        return self.head(F.relu(self.norm(self.conv(F.relu(self.stem(images))))))


@torch.no_grad()
@pytest.mark.parametrize(
    ("groups", "norm", "leads"),
    [
        (1, nn.BatchNorm2d(4), True),
        (2, nn.BatchNorm2d(4), False),
        (1, nn.InstanceNorm2d(4), False),
        (1, Divided(lambda _maps: 2), True),
        (1, Divided(lambda maps: maps.norm(dim=1, keepdim=True) + 1e-12), False),
    ],
)
def test_which_convolutions_take_it(images, groups, norm, leads):
    program = program_of(built(lambda: Grouped(groups, norm)), images, "/relu:0")
    assert bool(program.downstream(["/relu:0"], ["/relu:0"]).leading) == leads


class Plain(nn.Module):
    """A convolution called in one of the ways it may be, and a normalisation."""

    def __init__(self, call):
        super().__init__()
        self.weight, self.norm, self.head = nn.Parameter(torch.randn(4, 3, 3, 3)), nn.BatchNorm2d(4), Head(4)
        self.bias, self.call = nn.Parameter(torch.randn(4)), call

    def forward(self, images):
        return self.head(F.relu(self.norm(self.call(images, self.weight, self.bias))))


@torch.no_grad()
@pytest.mark.parametrize(
    ("call", "folds"),
    [
        (F.conv2d, True),
        (lambda images, weight, _: F.conv2d(images, weight), True),
        (lambda images, weight, _: F.conv2d(images, weight, None, 2, 1), True),
        (lambda images, weight, bias: F.conv2d(images, weight, bias * 2), True),
        (lambda images, weight, bias: F.conv2d(images, weight / 2, bias), True),
        (lambda images, weight, bias: F.conv2d(images, weight=weight, bias=bias), False),
    ],
)
def test_a_normalisation_goes_into_the_convolution_before_it(images, call, folds):
    model = built(lambda: Plain(call))
    program = program_of(model, images)
    assert ("batch_norm" not in names(program.operations)) == folds
    assert_close(program.logits(program.run(images, [])), model(images), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_convolution_that_is_asked_for_stays(images):
    model = nn.Sequential(conv(3, 4), nn.BatchNorm2d(4), nn.ReLU(), Head(4)).eval()
    program = program_of(model, images, "0")
    assert_close(program.run(images, [program.tape.layers["0"]])[program.tape.layers["0"]], model[0](images))
