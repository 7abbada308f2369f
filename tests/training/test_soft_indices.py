"""The differentiable indices are those of the analysis, and their gradients those of finite differences."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from neuroprobe.analysis import class_indices, indices
from neuroprobe.training.soft_indices import class_selectivity, class_totals, mean_by_layer, orientation_selectivity

ORIENTATIONS = torch.arange(0, 180, 22.5, dtype=torch.float64)


def random(*shape):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def of_batch(responses, labels, classes):
    return class_selectivity(class_totals(responses, torch.as_tensor(labels), classes))


@pytest.mark.parametrize(
    ("means", "si"),
    [([1, 0, 0, 0], 1), ([2, 2, 2], 0), ([3, 1, 1], 0.5), ([30, 10, 10], 0.5)],
)
def test_values_on_paper(means, si):
    found, live = of_batch(torch.tensor(means, dtype=torch.float64)[:, None], range(len(means)), len(means))
    assert found.item() == pytest.approx(si, abs=1e-6)
    assert live.item()


def test_class_means_count_alike_however_many_images_they_have():
    found, _ = of_batch(torch.tensor([[2.0], [4.0], [1.0], [1.0], [1.0], [1.0]]), [0, 0, 1, 1, 1, 2], 3)
    assert found.item() == pytest.approx(0.5)


def test_classes_without_images_count_for_nothing():
    responses = random(6, 4)
    assert_close(of_batch(responses, [0, 1, 2, 0, 1, 2], 3), of_batch(responses, [5, 1, 9, 5, 1, 9], 12))


def test_class_selectivity_is_that_of_the_analysis():
    responses, labels = random(40, 5), torch.arange(40) % 4
    means = np.stack([responses[labels == label].mean(0) for label in range(4)])
    assert_close(of_batch(responses, labels, 4)[0].numpy(), class_indices.selectivity(means))


def test_silent_units_do_not_live_and_have_no_gradient():
    responses = (random(6, 2) * torch.tensor([1, 0])).requires_grad_()
    si, live = of_batch(responses, [0, 1, 2, 0, 1, 2], 3)
    mean_by_layer(si, live, [1, 1])[0].sum().backward()
    assert live.tolist() == [True, False]
    assert responses.grad[:, 0].abs().min() > 0
    assert not responses.grad[:, 1].any()


def test_gradients_of_class_selectivity():
    labels = [0, 1, 2, 0, 1, 2, 2]
    assert torch.autograd.gradcheck(lambda responses: of_batch(responses, labels, 5)[0], random(7, 3).requires_grad_())


def test_orientation_selectivity_is_that_of_the_analysis():
    cube = random(3, 8, 2, 6)
    at_preferred = np.stack([cube[cube[..., unit].amax((1, 2)).argmax(), ..., unit] for unit in range(6)])
    found, live = orientation_selectivity(cube, ORIENTATIONS)
    assert_close(found.numpy(), indices.gosi(at_preferred.mean(2), ORIENTATIONS))
    assert live.all()


@pytest.mark.parametrize(
    ("curve", "gosi"),
    [
        (torch.eye(8, dtype=torch.float64)[3], 1),
        (torch.ones(8, dtype=torch.float64), 0),
        (1 + torch.cos(2 * torch.deg2rad(ORIENTATIONS)), 0.5),
        (torch.exp(torch.cos(2 * torch.deg2rad(ORIENTATIONS))), 0.4464),
    ],
)
@pytest.mark.parametrize("turned", [0, 1])
def test_orientation_selectivity_on_paper(curve, gosi, turned):
    found, _ = orientation_selectivity(curve.roll(turned)[None, :, None, None], ORIENTATIONS)
    assert found.item() == pytest.approx(gosi, abs=1e-4)


def test_gradients_of_orientation_selectivity():
    cube = random(3, 8, 2, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda cube: orientation_selectivity(cube, ORIENTATIONS)[0], cube)


@pytest.mark.parametrize("level", [0, 1])
def test_flat_and_silent_curves_have_finite_gradients(level):
    cube = torch.full((2, 8, 2, 3), float(level), dtype=torch.float64, requires_grad=True)
    found, live = orientation_selectivity(cube, ORIENTATIONS)
    found.sum().backward()
    assert live.tolist() == [bool(level)] * 3
    assert cube.grad.isfinite().all()


def test_means_are_those_of_live_units_layer_by_layer():
    live = torch.tensor([True, True, False, False, True])
    means, counted = mean_by_layer(torch.tensor([0.2, 0.4, 9.0, 9.0, 0.5]), live, [3, 1, 1])
    assert_close(means, torch.tensor([0.3, 0.0, 0.5]))
    assert counted.tolist() == [True, False, True]
