import numpy as np
import pytest
import torch

from neuroprobe.training.alpha import alpha_at


def test_the_last_of_a_sequence_holds_on():
    assert [alpha_at((0, -0.5, -1), epoch) for epoch in range(5)] == [0, -0.5, -1, -1, -1]


def test_arrays_and_tensors_are_sequences_too():
    assert [alpha_at(np.linspace(0, 1, 3), epoch) for epoch in (0, 1, 7)] == [0, 0.5, 1]
    assert alpha_at(torch.tensor([0, -2]), 1) == alpha_at(torch.tensor(-2.0), 1) == -2


def test_a_number_holds_in_every_epoch():
    assert alpha_at(np.float32(2), 7) == alpha_at(2, 0) == 2


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (float("nan"), "alpha must be a finite number; nan came"),
        (float("-inf"), "alpha must be a finite number; -inf came"),
        ("1", "alpha must be a finite number; '1' came"),
        (True, "alpha must be a finite number; True came"),
        (None, "alpha must be a finite number; None came"),
        ([0, 1, float("inf")], "alpha of epoch 2 must be a finite number; inf came"),
        (lambda epoch: float("nan"), "alpha of epoch 0 must be a finite number; nan came"),
        ([], "alpha is an empty sequence: give a number, or one for each epoch"),
    ],
)
def test_what_is_no_strength_is_an_error_at_once(alpha, message):
    with pytest.raises(ValueError, match=message):
        alpha_at(alpha, 0)


@pytest.mark.parametrize("epoch", [-1, 0.5, None])
def test_an_epoch_is_counted_from_0(epoch):
    with pytest.raises(ValueError, match=f"epoch must be a whole number from 0; {epoch} came"):
        alpha_at([1, 2], epoch)
