"""Loss and accuracy of each trial: values by hand, and the same however the images and trials are cut."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from neuroprobe.analysis.bootstrap import Bootstrap
from neuroprobe.analysis.outcomes import Outcomes
from neuroprobe.data import Batch


def batch_of(labels, first=0):
    labels = None if labels is None else torch.as_tensor(labels)
    count = 2 if labels is None else len(labels)
    return Batch(torch.zeros(count, 3, 4, 4), labels, torch.arange(first, first + count))


def seen(labels, logits, cuts=(0,), trials_at_once=None, bootstrap=None):
    """Outcomes of logits (1 + trials, images, classes), the images cut at some places."""
    outcomes = Outcomes(len(logits) - 1, bootstrap)
    for start, end in zip(cuts, [*cuts[1:], len(labels)], strict=True):
        outcomes.intact(batch_of(labels[start:end], start), logits[0, start:end])
        for numbers in torch.arange(len(logits) - 1).split(trials_at_once or len(logits)):
            outcomes.held(numbers.tolist(), logits[1 + numbers, start:end])
    return outcomes


@pytest.fixture
def logits():
    return torch.randn(5, 60, 4, generator=torch.Generator().manual_seed(0))


LABELS = torch.arange(60) % 4


def test_values_by_hand():
    outcomes = seen(
        torch.tensor([0, 1, 1]), torch.stack([9 * F.one_hot(torch.tensor([0, 1, 0]), 3), torch.zeros(3, 3)])
    )
    assert outcomes.images.tolist() == [1, 2, 0]
    assert outcomes.accuracy.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert outcomes.class_accuracy[0, :2].tolist() == [1, 0.5]
    assert np.isnan(outcomes.class_accuracy[:, 2]).all()
    assert outcomes.loss[1] == pytest.approx(math.log(3))


def test_every_row_is_what_it_is_alone(logits):
    outcomes = seen(LABELS, logits)
    assert outcomes.loss == pytest.approx([float(F.cross_entropy(row, LABELS)) for row in logits], abs=1e-6)
    assert outcomes.accuracy == pytest.approx([float((row.argmax(1) == LABELS).float().mean()) for row in logits])
    assert outcomes.class_accuracy.mean(1) == pytest.approx(outcomes.accuracy)  # classes of one size


@pytest.mark.parametrize(("cuts", "trials"), [((0, 7, 8, 40), None), ((0, 30), 3), ((0,), 1)])
def test_the_same_however_images_and_trials_are_cut(logits, cuts, trials):
    pieces, whole = Bootstrap([[0], [1, 2], [4]]), Bootstrap([[0], [1, 2], [4]])
    one, other = seen(LABELS, logits, cuts, trials, pieces), seen(LABELS, logits, bootstrap=whole)
    for name in ("images", "loss", "accuracy", "class_accuracy"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6)
    np.testing.assert_allclose(pieces.loss, whole.loss, rtol=1e-5)
    np.testing.assert_allclose(pieces.accuracy, whole.accuracy, rtol=1e-6)


def test_lower_precision_is_summed_in_full(logits):
    labels = LABELS.repeat(50)
    outcomes = seen(labels, logits[:2].repeat(1, 50, 1).bfloat16())
    assert outcomes.loss[0] == pytest.approx(float(F.cross_entropy(logits[0].bfloat16().float(), LABELS)), rel=1e-6)


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        (None, torch.zeros(2, 3), "need labels: give data as"),
        ([0, 3], torch.zeros(2, 3), "below the network's number of outputs, 3; 3 came"),
    ],
)
def test_what_has_no_loss_is_an_error(labels, logits, message):
    with pytest.raises(ValueError, match=message):
        Outcomes(1).intact(batch_of(labels), logits)


@pytest.mark.parametrize(("row", "who"), [(0, "intact"), (1, "ablated as in trial 0")])
def test_a_loss_that_is_no_number_is_an_error(row, who):
    logits = torch.zeros(2, 2, 3)
    logits[row, 1, 2] = torch.inf
    with pytest.raises(ValueError, match=f"the network {who} gave NaN or infinite logits"):
        _ = seen(torch.tensor([0, 1]), logits).loss


def test_a_second_pass_adds_trials_and_counts_no_image_twice(logits):
    two_passes = Outcomes(2)
    two_passes.intact(batch_of(LABELS), logits[0])
    two_passes.held([0], logits[1:2])
    two_passes.again(batch_of(LABELS), logits[0])
    two_passes.held([1], logits[2:3])
    one_pass = seen(LABELS, logits[:3])
    for name in ("images", "loss", "accuracy"):
        np.testing.assert_array_equal(getattr(two_passes, name), getattr(one_pass, name))


def test_outcomes_of_two_sets_of_images_add_up(logits):
    bootstraps = [Bootstrap([[0], [1, 2], [4]]) for _ in range(3)]
    whole = seen(LABELS, logits, cuts=(0, 25), bootstrap=bootstraps[0])
    parts = seen(LABELS[:25], logits[:, :25], bootstrap=bootstraps[1]), Outcomes(4, bootstraps[2])
    parts[1].intact(batch_of(LABELS[25:], 25), logits[0, 25:])
    parts[1].held(range(4), logits[1:, 25:])
    both, replicates = parts[0] + parts[1], bootstraps[1] + bootstraps[2]
    assert both.loss == pytest.approx(whole.loss, rel=1e-12)
    assert (both.class_accuracy == whole.class_accuracy).all()
    assert replicates.loss == pytest.approx(bootstraps[0].loss, rel=1e-5)  # summed in single precision within a batch
    assert parts[0].images.sum() == 25
