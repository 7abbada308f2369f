from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from small_batches import IMAGES, batch, whole

from neuroprobe.reducers import Observed, TopImages, observed


def test_top_images_are_those_of_numpy():
    state, (values, _) = TopImages.of(batch(np.arange(IMAGES)), k=4), whole()
    order = np.argsort(-values, axis=0, kind="stable")[:4].T
    np.testing.assert_array_equal(state.images, order)
    np.testing.assert_array_equal(state.values, np.take_along_axis(values.T, order, axis=1))


def test_each_image_keeps_its_fingerprint():
    state = TopImages.of(batch(np.arange(7)), k=4) + TopImages.of(batch(np.arange(7, IMAGES)), k=4)
    assert state.known == pytest.approx({number: number / 7 for number in state.images.unique().tolist()})


def test_without_fingerprints_on_one_side_there_are_none():
    known, older = TopImages.of(observed([[3.0]], first=1)), TopImages.of(batch(np.arange(3)), k=9)
    both = replace(older, values=older.values[:1], images=older.images[:1], places=older.places[:1, :, :0]) + known
    assert (both.fingerprints, both.known) == (None, {})


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 4, 1, 0, 3)])
def test_ties_go_to_the_lowest_image(order):
    values = torch.tensor([1.0, 2.0, 2.0, 2.0, 0.0])
    singles = [Observed(values[[i], None], values[[i], None], torch.tensor([i]), None) for i in order]
    state = reduce(add, [TopImages.of(seen, k=3) for seen in singles])
    assert state.images.tolist() == [[1, 2, 3]]


def test_the_place_of_the_maximum():
    maps = torch.zeros(2, 1, 3, 4)
    maps[0, 0, 2, 1] = 1
    maps[1, 0, 0, 3] = maps[1, 0, 1, 0] = 5  # the first of equal places
    state = TopImages.of(Observed(maps.mean((2, 3)), maps, torch.tensor([10, 11]), None))
    assert state.images.tolist() == [[11, 10]]
    assert state.places.tolist() == [[[0, 3], [2, 1]]]


def test_the_place_does_not_depend_on_the_memory_format():
    seen = batch(np.arange(IMAGES))
    last = Observed(seen.responses, seen.maps.to(memory_format=torch.channels_last), seen.images, None)
    assert torch.equal(last.places, seen.places)


def test_linear_layers_have_no_places():
    state = TopImages.of(observed([[1.0, 2.0]]))
    assert state.places.shape == (2, 1, 0)


def test_fewer_images_than_the_top_asks_for():
    assert TopImages.of(observed([[1.0], [3.0]]), k=9).values.tolist() == [[3, 1]]


@pytest.mark.parametrize("k", [0, -1])
def test_the_top_of_no_images_is_an_error(k):
    with pytest.raises(ValueError, match=f"at least 1; {k} came"):
        TopImages.of(observed([[1.0]]), k=k)


def test_tops_of_different_length_do_not_add_up():
    with pytest.raises(ValueError, match="the top 2 and the top 3 images do not add up"):
        TopImages.of(observed([[1.0]]), k=2) + TopImages.of(observed([[1.0]]), k=3)
