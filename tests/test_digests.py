"""Digests and descriptions: the same for what is the same, another for what is not."""

import functools
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from neuroprobe.digests import bytes_of, described, digest, lasting_repr


def digest_of(tensor):
    return digest(*bytes_of(tensor))


def test_tensors_differ_by_value_shape_and_type():
    tensor = torch.arange(6.0)
    others = [tensor + 1e-7, tensor.reshape(2, 3), tensor.double(), tensor.half(), torch.tensor(1.0), tensor[:0]]
    assert len({digest_of(other) for other in [tensor, *others]}) == 7
    assert digest_of(tensor[::2]) == digest_of(tensor[::2].contiguous())


def test_a_digest_does_not_depend_on_the_blocks(monkeypatch):
    tensor = torch.rand(100, 7)
    whole = digest_of(tensor)
    monkeypatch.setattr("neuroprobe.digests._BLOCK", 64)
    assert digest_of(tensor) == whole


def scaled(factor):
    return lambda x: x * factor


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor


PAIRS = {
    "code": (lambda x: x / 2, lambda x: x * 2),
    "constant": (lambda x: x / 2, lambda x: x / 3),
    "nested code": (lambda x: [y / 2 for y in x], lambda x: [y / 3 for y in x]),
    "closure": (scaled(2), scaled(3)),
    "tensor in a closure": (scaled(torch.ones(3)), scaled(torch.zeros(3))),
    "default": (lambda x, by=2: x / by, lambda x, by=3: x / by),
    "partial": (functools.partial(max, 2), functools.partial(max, 3)),
    "keyword": (functools.partial(max, default=2), functools.partial(max, default=3)),
    "object": (Scale(2), Scale(3)),
    "method": (Scale(2).__call__, Scale(3).__call__),
    "module": (nn.Linear(2, 2), nn.Linear(2, 2)),
    "array": (np.zeros(3), np.zeros(4)),
    "list": ([1, 2], [2, 1]),
    "mapping": ({"k": 1}, {"k": 2}),
    "name": ("auto", None),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_what_differs_is_described_differently(pair):
    one, other = pair
    assert described(one) == described(one)
    assert described(one) != described(other)


def test_what_is_made_again_is_described_the_same():
    assert described(scaled(2)) == described(scaled(2))
    assert described(Scale(torch.ones(2))) == described(Scale(torch.ones(2)))


def test_numbers_of_numpy_are_described_as_they_are():
    assert described([np.int64(3), np.float32(0.5), np.bool_(True)]) == [3, 0.5, True]
    assert [type(number) for number in described([np.int64(3), np.float64(0.5)])] == [int, float]


def test_functions_that_hold_themselves_or_each_other_are_described():
    def one(x):
        return other(x) if x else one(x)

    def other(x):
        return one(x)

    assert described(one) == described(one)
    assert described(one) != described(other)


def test_a_description_is_the_same_in_another_process(tmp_path, capsys):
    function = "def f(x, k=3):\n    return [y / k for y in x]\n"
    script = f"from neuroprobe.digests import described\n{function}print(described([f, f.__call__]))"
    (tmp_path / "script.py").write_text(script)
    other = subprocess.check_output([sys.executable, tmp_path / "script.py"], text=True)
    runpy.run_path(str(tmp_path / "script.py"), run_name="__main__")
    assert capsys.readouterr().out == other
    assert "__main__.f " in other


def test_addresses_are_left_out():
    assert lasting_repr(object()) == "<object object>"
