"""Bytes foreseen, against bytes counted by hand."""

import pytest
import torch
from torch import nn

from neuroprobe.addresses import dry_run
from neuroprobe.footprint import Footprint
from neuroprobe.replay import Program
from neuroprobe.tape import write_down

MAPS, POOLED, LOGITS = 4 * 8 * 8, 4, 2  # numbers for each image
FLOAT = 4  # bytes


class Small(nn.Module):
    """3 x 8 x 8 -> 4 x 8 x 8, twice, joined; pooled; 2 logits."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.fc = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)

    def forward(self, images):
        first = self.one(images).relu()
        return self.fc((self.two(first) + first).mean((2, 3)))


@pytest.fixture
def program():
    model = Small().eval()
    layers = [layer for layer in dry_run(model, 8) if layer.name in ("/relu:0", "two")]
    with torch.no_grad():
        return Program.of(write_down(model, torch.rand(3, 3, 8, 8), layers), [layer.name for layer in layers])


def test_what_is_shared(program):
    size = Footprint(program, FLOAT)
    assert size.of(program.downstream(["/relu:0"]).shared) == FLOAT * MAPS
    assert size.of(program.downstream(["two"]).shared) == FLOAT * 2 * MAPS  # and what joins in from beside
    assert size.of([]) == 0


def test_the_most_that_is_held_at_once(program):
    size = Footprint(program, FLOAT)
    # at the sum: the rectified maps, the second convolution's (once more as the layer's own), and the sum
    assert size.peak(program.operations, []) == FLOAT * 3 * MAPS
    downstream = program.downstream(["two"])
    assert size.peak(downstream.operations, downstream.shared) == FLOAT * (3 * MAPS + POOLED)
    assert size.peak(downstream.operations[-1:], []) == FLOAT * LOGITS


def test_precision_counts(program):
    values = program.downstream(["two"]).shared
    assert Footprint(program, 8).of(values) == 2 * Footprint(program, 4).of(values)


def test_what_holds_no_part_for_each_image_counts_whole(program):
    shapes = program.tape.shapes
    number = next(iter(shapes))
    shapes[number] = (5, 7)
    assert Footprint(program, FLOAT).of([number]) == FLOAT * 35
