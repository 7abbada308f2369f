"""What is written down of a forward pass: every operation, nothing in place, sizes that follow the images."""

from collections import namedtuple

import pytest
import torch
from small_networks import SIDE, UNREPLAYABLE, Flat, Head, Residual, Several, built, conv
from torch import nn
from torch.nn import functional as F

from neuroprobe.addresses import dry_run
from neuroprobe.calls import function_name
from neuroprobe.tape import NotReplayableError, Size, Value, leaves, mapped, write_down

Pair = namedtuple("Pair", ["one", "two"])


@pytest.fixture
def images():
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def taped(model, images, *layers):
    return write_down(model, images, [layer for layer in dry_run(model, SIDE) if layer.name in layers])


def names(tape):
    return [function_name(operation.function) for operation in tape.operations]


def test_leaves_and_their_change():
    nested = {"a": [1, (2, slice(3, None, 4))], "b": Pair(5, [6])}
    assert list(leaves(nested)) == [1, 2, 3, None, 4, 5, 6]
    changed = mapped(lambda leaf: leaf and -leaf, nested)
    assert changed == {"a": [-1, (-2, slice(-3, None, -4))], "b": Pair(-5, [-6])}
    assert isinstance(changed["b"], Pair)
    assert mapped(lambda one, two: one + two, (1, [2]), (10, [20])) == (11, [22])
    with pytest.raises(NotReplayableError, match="differs in length with the number of images"):
        mapped(lambda *_: None, [1, 2], [1])


def test_operations_and_their_values(images):
    tape = taped(nn.Sequential(conv(3, 4), nn.ReLU(), Head(4)).eval(), images, "1")
    assert names(tape) == ["conv2d", "relu", "mean", "linear"]
    assert [operation.reads for operation in tape.operations] == [(0,), (1,), (2,), (3,)]
    assert [operation.writes for operation in tape.operations] == [(1,), (2,), (3,), (4,)]
    assert (tape.images, tape.layers, tape.output) == (0, {"1": 2}, 4)
    assert tape.shapes[1] == (Size(1, 0), 4, SIDE, SIDE)
    assert tape.image_axis(1) == 0


def test_nothing_is_written_in_place(images):
    tape = taped(built(Residual), images)
    with torch.no_grad():
        values = {0: images}
        for operation in tape.operations:
            read = [values[number] for number in operation.reads]
            before = [value.clone() for value in read]
            output = operation.function(*mapped(lambda leaf: actual(leaf, values), operation.arguments),
                                        **mapped(lambda leaf: actual(leaf, values), operation.named))  # fmt: skip
            assert all(torch.equal(*pair) for pair in zip(read, before, strict=True)), operation
            values[operation.output.number] = output


def actual(leaf, values):
    return values[leaf.number] if isinstance(leaf, Value) else leaf.at(3) if isinstance(leaf, Size) else leaf


def test_sizes_follow_the_number_of_images(images):
    tape = taped(built(Flat), images)
    sizes = {size for operation in tape.operations for size in leaves(operation.arguments) if isinstance(size, Size)}
    assert sizes == {Size(1, 0), Size(2, 0)}
    assert Size(2, 1).at(10) == 21


def test_an_address_has_a_value_of_its_own(images):
    model = built(Several)
    tape = taped(model, images, "inner.one", "inner[0]", "inner", "head", "head.linear")
    assert len(set(tape.layers.values())) == len(tape.layers) == 4
    assert tape.layers["head"] == tape.output


def test_one_image_will_do(images):
    assert names(taped(built(Flat), images[:1])) == names(taped(built(Flat), images))


def test_images_along_another_axis(images):
    class TokensFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 5)

        def forward(self, images):
            return self.fc(images.flatten(2).permute(2, 0, 1)).mean(0)

    tape = taped(TokensFirst(), images)
    turned = next(op.output.number for op in tape.operations if function_name(op.function) == "permute")
    assert tape.image_axis(turned) == 1


def test_no_axis_for_the_images(images):
    tape = taped(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 5)), images)
    tape.shapes[1] = (Size(1, 0), Size(1, 0))
    with pytest.raises(NotReplayableError, match="does not hold one part for each image"):
        tape.image_axis(1)


class By(nn.Module):
    """Does something to a rectified map."""

    def __init__(self, do):
        super().__init__()
        self.conv, self.head, self.do = conv(3, 4), Head(4), do

    def forward(self, images):
        return self.head(self.do(F.relu(self.conv(images))))


def chosen(decision):
    return lambda x: x if decision(x) else -x


def through_a_view(x):
    half = x[:, :2]
    half.mul_(3)
    return x


DECISIONS = "decides by what its images show what to run"
REFUSED = {
    "bool": (chosen(lambda x: x.sum() > 0), DECISIONS),
    "item": (chosen(lambda x: x.sum().item() > 0), DECISIONS),
    "float": (chosen(lambda x: float(x.sum()) > 0), DECISIONS),
    "int": (chosen(lambda x: int(x.sum()) > 0), DECISIONS),
    "index": (lambda x: [x, -x][x.flatten().argmax() % 2], DECISIONS),
    "tolist": (chosen(lambda x: x.sum().tolist() > 0), DECISIONS),
    "numpy": (chosen(lambda x: x.numpy().sum() > 0), DECISIONS),
    "equal": (chosen(lambda x: torch.equal(x, x + 1)), DECISIONS),
    "allclose": (chosen(lambda x: torch.allclose(x, x + 1)), DECISIONS),
    "in": (chosen(lambda x: 0.5 in x), DECISIONS),
    "a view written to": (through_a_view, "writes in place to a tensor that it reads through a view"),
    "several written to": (lambda x: torch._foreach_mul_([x, x.clone()], 2) or x, "writes to several tensors"),
    "out=": (lambda x: torch.add(x, 1, out=torch.empty_like(x)), "or to one given by name"),
    "by number of images": (lambda x: x * 2 if len(x) > 2 else x + 1, "other operations for another number of images"),
    "a list of images": (lambda x: torch.cat(x.split(1)) if len(x) else x, "differs in length with the number"),
}


@pytest.mark.parametrize(("do", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_written_down(images, do, why):
    with torch.no_grad(), pytest.raises(NotReplayableError, match=why):
        write_down(built(lambda: By(do)), images, [])


def test_an_answer_that_no_operation_gave(images):
    class Constant(nn.Module):
        def forward(self, images):
            return table

    table = torch.zeros(2, 5)
    with pytest.raises(NotReplayableError, match="does not come out of operations that could be followed"):
        write_down(Constant(), images, [])


@pytest.mark.parametrize("make", [Residual, UNREPLAYABLE["deciding"]])
def test_the_model_and_the_images_are_left_alone(left_alone, images, make):
    model, before = built(make), images.clone()
    with left_alone(model), torch.no_grad():
        try:
            write_down(model, images, dry_run(model, SIDE))
        except NotReplayableError:
            assert make is not Residual
    assert torch.equal(images, before)
