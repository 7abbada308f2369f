"""Fusing: convolution, addition and ReLU as one give what they give one after the other."""

import pytest
import torch
from small_networks import SIDE, Head, conv
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from neuroprobe.addresses import dry_run
from neuroprobe.fusing import fused, rectified_conv2d
from neuroprobe.schedule import scheduled
from neuroprobe.tape import write_down


class Block(nn.Module):
    """A convolution and its ReLU; two that are added and rectified; what it ends with may be given."""

    def __init__(self, join=lambda one, two: F.relu(one + two)):
        super().__init__()
        self.one, self.two, self.aside, self.head, self.join = conv(3, 4), conv(4, 4), conv(3, 4), Head(4), join

    def forward(self, images):
        return self.head(self.join(self.two(self.one(images).relu_()), self.aside(images)))


@torch.no_grad()
def tape_of(model, layers=()):
    images = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    chosen = [layer for layer in dry_run(model, SIDE) if layer.name in layers]
    return write_down(model.eval(), images, chosen), images


def names_of(operations):
    return [getattr(operation.function, "__name__", "") for operation in operations]


def count_of_fused(model, looked_at=()):
    tape, _ = tape_of(model, looked_at)
    return names_of(fused(tape.operations, [tape.output, *tape.layers.values()], tape.shapes)).count("rectified_conv2d")


@torch.no_grad()
def test_what_the_network_gives():
    model = Block()
    tape, images = tape_of(model)
    steps = scheduled(tape.operations, {tape.output}, tape.shapes)
    assert names_of(step.operation for step in steps).count("rectified_conv2d") == 2
    values = {tape.images: images}
    for step in steps:
        step.perform(values, 3)
    assert_close(values[tape.output], model(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("join", "count"),
    [
        (lambda one, two: F.relu(one + two), 2),
        (lambda one, two: (one + two).relu_(), 2),
        (lambda one, two: F.relu(torch.add(one, two, alpha=2)), 1),
        (lambda one, two: F.relu(one + two.mean((2, 3), keepdim=True)), 1),  # of another shape
        (lambda one, two: F.relu(one + two.detach().clone()), 2),
        (lambda one, two: F.relu(one - two), 1),
        (lambda one, _: F.relu(one + one), 1),
        (lambda one, two: F.relu(one + two) + one + two, 1),  # both are read again
        (lambda one, two: F.relu(total := one + two) + total, 1),
        (lambda one, two: F.relu6(one + two), 1),
        (lambda one, _: F.relu(one), 2),
        (lambda one, two: F.relu(one + 1) + two, 1),
    ],
)
def test_which_are_one(join, count):
    assert count_of_fused(Block(join)) == count


@pytest.mark.parametrize(
    ("looked_at", "count"), [(["one"], 1), (["two"], 2), (["two", "aside"], 1), (["one/relu:0"], 2)]
)
def test_what_is_looked_at_is_made(looked_at, count):
    assert count_of_fused(Block(), looked_at) == count


def test_padding_by_name_is_left():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.ReLU(), nn.Conv2d(4, 4, 3, padding="valid"), nn.ReLU())
    assert count_of_fused(nn.Sequential(*model, Head(4))) == 0


GEOMETRIES = {
    "plain": {},
    "strided": {"stride": 2, "padding": (1, 0)},
    "dilated": {"dilation": (2, 1), "padding": 2},
    "grouped": {"groups": 2, "padding": 1},
}


@torch.no_grad()
@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_same_numbers_whatever_the_layout_and_the_type(geometry, dtype, layout):
    draw = torch.Generator().manual_seed(1)
    images, weight, bias = (
        torch.randn(shape, generator=draw).to(dtype)
        for shape in ((3, 4, 9, 9), (6, 4 // geometry.get("groups", 1), 3, 3), (6,))
    )
    images = images.contiguous(memory_format=layout)
    for own_bias in (bias, None):
        plain = torch.conv2d(images, weight, own_bias, **geometry)
        added = torch.randn(plain.shape, generator=draw).to(dtype)
        assert_close(rectified_conv2d(images, weight, own_bias, **geometry), plain.relu())
        for beside in (added, added.contiguous(memory_format=torch.channels_last), added.mT.contiguous().mT):
            before = beside.clone()
            given = rectified_conv2d(images, weight, own_bias, **geometry, added=beside)
            assert_close(
                given,
                (plain + added).relu(),
                rtol=1e-5 if dtype == torch.float32 else None,
                atol=1e-5 if dtype == torch.float32 else None,
            )
            assert torch.equal(beside, before)


def test_a_gradient_gets_through():
    images = torch.rand(2, 3, 5, 5, requires_grad=True)
    rectified_conv2d(images, torch.rand(4, 3, 3, 3), None).sum().backward()
    assert float(images.grad.min()) > 0


@torch.no_grad()
def test_precision_is_cast_as_anywhere():
    with torch.autocast("cpu", torch.bfloat16):
        assert rectified_conv2d(torch.rand(2, 3, 5, 5), torch.rand(4, 3, 3, 3), None).dtype == torch.bfloat16


@torch.no_grad()
def test_a_wider_addend_and_a_map_alone():
    images, weight = torch.rand(2, 3, 5, 5), torch.randn(4, 3, 3, 3)
    plain, wide = torch.conv2d(images, weight), torch.randn(2, 4, 3, 3, dtype=torch.float64)
    assert_close(rectified_conv2d(images, weight, None, added=wide), (plain + wide).relu())
    assert_close(rectified_conv2d(images[0], weight, None), plain[0].relu())


@torch.no_grad()
@pytest.mark.parametrize("added", [None, torch.randn(2, 4, 3, 3)])
def test_without_onednn(monkeypatch, added):
    images, weight = torch.rand(2, 3, 5, 5), torch.randn(4, 3, 3, 3)
    plain = torch.conv2d(images, weight)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    rectified = (plain if added is None else plain + added).relu()
    assert_close(rectified_conv2d(images, weight, None, added=added), rectified)
