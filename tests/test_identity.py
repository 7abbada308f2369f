"""What a recording is made from: equal for the same call, and told apart in words."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import neuroprobe
from neuroprobe.identity import differences, other_recording, recording_identity
from neuroprobe.preparation import prepare
from neuroprobe.readout import Readout

ASKED = {"layers": None, "unit_axis": None, "preprocess": "auto", "reducers": None, "ablated": []}


def identity(model=None, data=None, preprocess="auto", **asked):
    prepared = prepare(model or neuroprobe.load_network("cnn7"), preprocess=preprocess)
    images = prepared.open(torch.zeros(4, 3, 32, 32) if data is None else data)
    return recording_identity(prepared, images, Readout(), ASKED | {"preprocess": preprocess} | asked)


def test_it_is_the_same_for_the_same_call_and_fits_into_json():
    one = identity(layers=["relu1", "relu2"], reducers={"mine": lambda seen: seen})
    assert one == json.loads(json.dumps(one))
    assert identity() == identity()
    assert identity(layers="relu1") == identity(layers=["relu1", "relu1"])


def test_what_is_not_in_the_weights_tells_networks_apart():
    def network(activation):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), activation)

    images = torch.zeros(1, 3, 8, 8)
    one, other = (identity(network(activation), images, None) for activation in (nn.ReLU(), nn.GELU()))
    assert {name for name in one if one[name] != other[name]} == {"architecture"}


def test_normalisation_goes_by_its_numbers():
    network = neuroprobe.load_network("cnn7")
    before = identity(network)
    network.pretrained_cfg = network.pretrained_cfg | {"mean": (0.1, 0.2, 0.3)}
    (line,) = differences(before, identity(network))
    assert line.startswith("preprocess: [[0.49")
    assert "there, [[0.1, 0.2, 0.3], " in line


class Numbered(Dataset):
    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, number):
        return torch.full((3, 32, 32), self.values[number]), number % 2


def test_a_data_set_goes_by_its_length_and_some_of_its_images():
    values = torch.linspace(0, 1, 200)
    one = identity(data=Numbered(values))
    assert identity(data=Numbered(values.clone())) == one
    assert identity(data=Numbered(values[:-1]))["images"] == 199
    for changed in (0, 199):
        other = values.clone()
        other[changed] = 0.5
        assert differences(one, identity(data=Numbered(other)))[0].startswith("data: ")


def test_how_a_loader_makes_batches_counts():
    data = Numbered(torch.linspace(0, 1, 20))
    one = identity(data=DataLoader(data, 4))
    assert differences(one, identity(data=DataLoader(data, 5))) == ["batch_size: 4 there, 5 came"]
    assert differences(one, identity(data=DataLoader(data, 4, drop_last=True))) == ["drop_last: False there, True came"]
    assert identity(data=DataLoader(data, 4, shuffle=True)) == one  # it is read in order


@pytest.mark.parametrize(
    ("there", "came", "line"),
    [
        ({"a": 1}, {"a": 2}, "a: 1 there, 2 came"),
        ({"a": {"b": 1, "c": {"d": 1}}}, {"a": {"b": 1, "c": {"d": 2}}}, "a.c.d: 1 there, 2 came"),
        ({"a": None}, {"a": {"b": 1}}, "a.b: None there, 1 came"),
        ({}, {"a": 1}, "a: None there, 1 came"),
    ],
)
def test_differences_are_said_in_words(there, came, line):
    assert differences(there, came) == [line]
    assert differences(there, there) == []


def test_long_values_are_cut_and_still_differ():
    (line,) = differences({"a": "x" * 500}, {"a": "x" * 499 + "y"})
    there, came = line.removeprefix("a: ").removesuffix(" came").split(" there, ")
    assert there != came
    assert len(line) < 200


def test_the_error_says_what_to_do():
    error = other_recording(Path("store"), "3 of 9 images", ["a: 1 there, 2 came"])
    assert str(error) == (
        "store holds 3 of 9 images of another recording:\n  a: 1 there, 2 came\n"
        "Make the call as it was, choose another path for out=, or remove the store"
    )
