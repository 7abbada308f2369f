"""Schedules: what is written over is what nothing else reads, and nothing is kept longer than it is read."""

import pytest
import torch
from small_networks import SIDE, SMALL, built
from torch import Tensor, nn
from torch.nn import functional as F

from neuroprobe.addresses import dry_run
from neuroprobe.schedule import added_to_each, scheduled
from neuroprobe.tape import write_down


class Sum(nn.Module):
    """A block whose input is added to its own convolution."""

    def __init__(self, join=torch.add):
        super().__init__()
        self.one, self.two, self.join = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1), join

    def forward(self, images):
        start = F.relu(self.one(images))
        return self.join(self.two(start), start).mean((2, 3))


@torch.no_grad()
def tape_of(model, *layers):
    images = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    chosen = [layer for layer in dry_run(model, SIDE) if layer.name in layers]
    return write_down(model.eval(), images, chosen), images


@torch.no_grad()
def run(steps, values, images):
    for step in steps:
        step.perform(values, images)
        for value in step.frees:
            values.pop(value, None)
    return values


def writes_over(steps):
    names = [getattr(step.operation.function, "__name__", "") for step in steps]
    return [
        name for name, step in zip(names, steps, strict=True) if step.operation.named.get("inplace") or name == "_added"
    ]


def test_what_nothing_else_reads_is_written_over():
    tape, images = tape_of(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), Sum()))
    steps = scheduled(tape.operations, {tape.output}, tape.shapes)
    assert writes_over(steps) == ["relu", "_added"]
    values = run(steps, {tape.images: images}, 3)
    assert set(values) == {tape.output}


def test_what_is_kept_is_not_written_over():
    tape, images = tape_of(Sum(), "one", "two")
    kept = {tape.output, *tape.layers.values()}
    steps = scheduled(tape.operations, kept, tape.shapes)
    assert writes_over(steps) == []
    values = run(steps, {tape.images: images}, 3)
    assert float(values[tape.layers["one"]].min()) < 0  # as it was before the ReLU


@torch.no_grad()
@pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
def test_the_same_answer_and_the_images_as_they_were(make):
    model = built(make)
    tape, images = tape_of(model)
    before, expected = images.clone(), model(images.clone())
    values = run(scheduled(tape.operations, {tape.output}, tape.shapes), {tape.images: images}, 3)
    expected = expected["logits"] if isinstance(expected, dict) else expected
    expected = expected if isinstance(expected, Tensor) else expected[0]
    torch.testing.assert_close(values[tape.output], expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(images, before)


def test_a_sum_that_needs_a_wider_type_is_made_anew():
    tape, images = tape_of(Sum(lambda one, other: one + other.double()))
    steps = scheduled(tape.operations, {tape.output}, tape.shapes)
    assert run(steps, {tape.images: images}, 3)[tape.output].dtype == torch.float64


class Beside(Sum):
    """Two convolutions side by side, and their sum."""

    def forward(self, images):
        start = F.relu(self.one(images))
        return self.two(images) + start


@torch.no_grad()
def test_one_of_what_is_added_does_for_many_copies():
    tape, images = tape_of(Beside())
    _, relu, two, add = tape.operations
    values = {relu.output.number: torch.rand(3, 3, SIDE, SIDE), tape.images: torch.cat([images, images])}
    expected = torch.conv2d(images, *two.arguments[1:3], padding=1) + values[relu.output.number]
    steps = scheduled([two, add], {tape.output}, tape.shapes)
    assert added_to_each(steps, tape.shapes) == {relu.output.number}
    torch.testing.assert_close(run(steps, values, 6)[tape.output], torch.cat([expected, expected]))


def test_what_is_read_in_other_ways_too_needs_its_copies():
    tape, _ = tape_of(Sum())
    start = tape.operations[1].output.number
    steps = scheduled(tape.operations[2:], {tape.output}, tape.shapes)
    assert start in {value for step in steps for value in step.operation.reads}
    assert added_to_each(steps, tape.shapes) == set()
