import pickle
import sys
from dataclasses import replace
from json import dumps, loads
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from neuroprobe import record
from neuroprobe.stimuli import StimulusSet, bars, gratings


@pytest.fixture
def stimuli():
    return gratings((2, 20, 24), orientations=4, frequencies=[0.1, 0.2], phases=3)


def test_length_and_shape_leave_the_blank_out(stimuli):
    assert len(stimuli) == 24
    assert stimuli.shape == (2, 4, 3)
    assert torch.equal(stimuli.blank, torch.full((2, 20, 24), 0.5))


def test_parameters_are_in_c_order_the_first_axis_slowest(stimuli):
    table = stimuli.parameters
    assert list(table.columns) == ["frequency", "orientation", "phase"]
    assert table.iloc[:4].to_numpy().tolist() == [[0.1, 0, 0], [0.1, 0, 120], [0.1, 0, 240], [0.1, 45, 0]]
    np.testing.assert_array_equal(table.phase.to_numpy().reshape(stimuli.shape)[1, 2], stimuli.axes["phase"])


def test_images_follow_the_table(stimuli):
    table = stimuli.parameters
    drawn = stimuli.draw({name: torch.tensor(table[name].to_numpy()) for name in table})
    assert torch.equal(torch.cat(list(stimuli.batches()))[:, 1], drawn)


@pytest.mark.parametrize("batch_size", [1, 5, 24, 100])
def test_batching_does_not_change_the_images(stimuli, batch_size):
    batches = list(stimuli.batches(batch_size))
    assert max(map(len, batches)) <= batch_size
    assert torch.equal(torch.cat(batches), stimuli.images(range(24)))


def test_images_are_what_a_network_takes(stimuli):
    images = next(stimuli.batches(7))
    assert images.shape == (7, 2, 20, 24)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    images.sub_(0.5)  # channels have their own memory


def test_images_are_drawn_when_their_batch_is_asked_for(stimuli):
    drawn = []
    watched = StimulusSet(
        "dots",
        stimuli.axes,
        (1, 2, 2),
        lambda rows: drawn.append(1) or torch.zeros(len(rows["phase"]), 2, 2),
        0.5,
        None,
        {},
    )
    batches = watched.batches(10)
    assert not drawn
    next(batches)
    assert len(drawn) == 1


def test_one_image_is_that_of_its_row_and_a_set_is_data_for_record(stimuli):
    assert torch.equal(stimuli[7], stimuli.images([7])[0])
    assert torch.equal(stimuli[-1], stimuli.images([23])[0])
    with pytest.raises(IndexError, match=r"has 24 images \(0 to 23\); image 24 was asked for"):
        stimuli[24]
    recorded = record(nn.Sequential(nn.Conv2d(2, 3, 5), nn.ReLU()), stimuli, preprocess=None)
    assert recorded.curves["1"].shape == (24, 3)


def test_axes_that_are_neither_orientation_nor_pooled_are_searched(stimuli):
    assert (stimuli.searched, stimuli.pooled) == (("frequency",), ("phase",))
    turned = bars(20)
    assert (turned.searched, turned.pooled) == (("width", "length"), ("position", "polarity"))


def test_the_digest_is_that_of_the_images(stimuli):
    again = gratings((2, 20, 24), orientations=4, frequencies=[0.1, 0.2], phases=3)
    other = gratings((2, 20, 24), orientations=4, frequencies=[0.1, 0.2], phases=3, contrast=0.99)
    assert stimuli.digest() == again.digest() != other.digest()
    assert len(stimuli.digest()) == 32


def test_the_blank_may_be_an_image(stimuli):
    picture = torch.rand(2, 20, 24)
    blank = replace(stimuli, blank_level=picture).blank
    assert torch.equal(blank, picture)
    assert blank is not picture


def test_an_empty_batch_is_refused_at_once(stimuli):
    with pytest.raises(ValueError, match="batch_size must be 1 or more; 0 came"):
        stimuli.batches(0)


def test_a_description_goes_through_json_and_makes_the_set_again(stimuli):
    told = loads(dumps(stimuli.describe()))
    assert (told["kind"], told["preset"], told["size"]) == ("gratings", None, [2, 20, 24])
    axes = {
        name: told["axes"][name[:-1] if name != "frequencies" else "frequency"]
        for name in ("orientations", "phases", "frequencies")
    }
    assert torch.equal(gratings(told["size"], **axes).images(range(24)), stimuli.images(range(24)))


def test_the_repr_is_one_line(stimuli):
    assert repr(stimuli) == "StimulusSet(gratings: 2 frequency x 4 orientation x 3 phase = 24 images of 2x20x24)"


def test_a_set_can_be_sent_to_another_process(stimuli):
    assert torch.equal(pickle.loads(pickle.dumps(stimuli)).images([5]), stimuli.images([5]))  # noqa: S301 - our own


def test_plot_hands_over_to_the_sheet(stimuli, monkeypatch):
    sheet = SimpleNamespace(stimulus_sheet=lambda stimuli, ax, down, across: (stimuli, ax, down, across))
    monkeypatch.setitem(sys.modules, "neuroprobe.plots", sheet)
    assert stimuli.plot(ax="here", down="phase") == (stimuli, "here", "phase", None)
