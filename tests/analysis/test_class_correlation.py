"""Pearson's r between units and classes: by NumPy, and however the batches come."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from neuroprobe.analysis.class_correlation import ClassCorrelation

IMAGES, UNITS, CLASSES = 30, 4, 3
LAYER = SimpleNamespace(name="relu")


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(0)
    return (
        torch.rand(IMAGES, UNITS, generator=generator),
        torch.randn(IMAGES, CLASSES, generator=generator),
    )


def correlation_of(responses, logits, cuts=(IMAGES,)):
    correlation = ClassCorrelation()
    for part, answers in zip(responses.split(cuts), logits.split(cuts), strict=True):
        correlation(LAYER, SimpleNamespace(responses=part))
        correlation.output(answers)
    return correlation


def test_as_numpy(drawn):
    responses, logits = drawn
    found = correlation_of(*drawn).pearson("relu")
    expected = np.corrcoef(responses.double().T, logits.double().softmax(1).T)[:UNITS, UNITS:]
    assert found.numpy() == pytest.approx(expected)


def test_the_same_however_batches_are_cut(drawn):
    assert_close(correlation_of(*drawn, (1, 20, 9)).pearson("relu"), correlation_of(*drawn).pearson("relu"))


def test_a_unit_or_class_that_does_not_vary_has_none(drawn):
    responses, logits = drawn
    responses[:, 1], responses[:, 2] = 0, 0.1
    logits[:, 2] = -1e9  # a class never given
    correlation = correlation_of(responses, logits)
    found = correlation.pearson("relu")
    assert found.isnan().tolist() == [[False, False, True], [True] * 3, [True] * 3, [False, False, True]]
    assert correlation.responds("relu").tolist() == [True, False, True, True]


def test_a_network_may_answer_with_several_tensors(drawn):
    responses, logits = drawn
    correlation = ClassCorrelation()
    correlation(LAYER, SimpleNamespace(responses=responses))
    correlation.output({"logits": logits, "features": responses})
    assert_close(correlation.pearson("relu"), correlation_of(*drawn).pearson("relu"))


def test_correlations_of_two_sets_of_images_add_up(drawn):
    parts = [correlation_of(*(values[part] for values in drawn), cuts=(15,)) for part in (slice(15), slice(15, None))]
    both, whole = parts[0] + parts[1], correlation_of(*drawn)
    assert_close(both.pearson("relu"), whole.pearson("relu"))
    assert torch.equal(both.responds("relu"), whole.responds("relu"))
