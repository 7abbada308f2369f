"""The bootstrap over images: paired, seeded by the image, and as wide as statistics says."""

import numpy as np
import pytest
import torch

from neuroprobe.analysis.bootstrap import Bootstrap, interval

CPU = torch.device("cpu")


def filled(bootstrap, losses, correct, numbers=None):
    bootstrap.draw(torch.arange(losses.shape[1]) if numbers is None else numbers, CPU)
    bootstrap.count()
    bootstrap.add(range(len(losses)), losses, correct)
    return bootstrap


def test_the_interval_is_that_of_the_mean():
    losses = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0)) + 3
    replicates = filled(Bootstrap([[0]]), losses, losses > 3).loss[0]
    assert replicates.mean() == pytest.approx(float(losses.mean()), abs=0.01)
    assert replicates.std() == pytest.approx(1 / 2000**0.5, rel=0.1)
    low, high = interval(replicates)
    assert high - low == pytest.approx(2 * 1.96 / 2000**0.5, rel=0.1)


def test_differences_are_paired():
    losses = torch.rand(1, 500, generator=torch.Generator().manual_seed(1))
    bootstrap = filled(Bootstrap([[0], [1]]), torch.cat([losses, losses + 1]), torch.ones(2, 500))
    assert bootstrap.loss[1] - bootstrap.loss[0] == pytest.approx(1, abs=1e-6)


def test_a_group_is_the_mean_of_its_trials_and_a_trial_may_be_in_several():
    correct = torch.tensor([[1.0, 1], [0, 0]]).repeat(1, 100)
    groups = filled(Bootstrap([[0], [0, 1], [1]]), torch.zeros_like(correct), correct).accuracy
    assert [row.mean() for row in groups] == [1, 0.5, 0]


def test_weights_hang_on_the_image_and_the_seed_alone():
    losses, nothing = torch.rand(1, 40), torch.zeros(1, 40)
    shuffled = torch.randperm(40)
    one = filled(Bootstrap([[0]], seed=3), losses, nothing).loss
    np.testing.assert_allclose(filled(Bootstrap([[0]], seed=3), losses[:, shuffled], nothing, shuffled).loss, one, 1e-5)
    assert not np.allclose(filled(Bootstrap([[0]], seed=4), losses, nothing).loss, one)


def test_rows_of_no_group_are_passed_over():
    bootstrap = filled(Bootstrap([[1]]), torch.tensor([[5.0], [2.0]]).expand(2, 30), torch.zeros(2, 30))
    assert bootstrap.loss == pytest.approx(2)


def test_replicates_without_an_image_are_left_out_of_the_interval():
    bootstrap = filled(Bootstrap([[0]]), torch.ones(1, 1), torch.ones(1, 1))
    assert np.isnan(bootstrap.loss).any()
    assert interval(bootstrap.loss[0]).tolist() == [1, 1]


def test_images_that_come_again_are_not_counted_again():
    bootstrap = filled(Bootstrap([[0], [1]]), torch.full((1, 30), 3.0), torch.ones(1, 30))
    bootstrap.draw(torch.arange(30), CPU)
    bootstrap.add([1], torch.full((1, 30), 5.0), torch.ones(1, 30))
    assert bootstrap.loss.mean(axis=1) == pytest.approx([3, 5])
