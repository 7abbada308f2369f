"""Logits out of what networks return, and labels that fit them."""

import logging

import pytest
import torch

from neuroprobe.answers import compare_classes, labels_among, logits_of
from neuroprobe.saying import say_once


def test_logits_are_the_first_part_of_an_output():
    logits = torch.rand(2, 5)
    for output in (logits, (logits, torch.rand(2, 5)), {"logits": logits, "features": torch.rand(2, 3, 3, 3)}):
        assert logits_of(output).data_ptr() == logits.data_ptr()


def test_logits_are_in_single_precision_or_better():
    table = torch.rand(2, 3)
    assert logits_of(table.half()).dtype == torch.float32
    assert logits_of(table.double()).dtype == torch.float64


def test_a_single_score_where_one_will_do():
    assert logits_of(torch.rand(2, 1), fewest=1).shape == (2, 1)


@pytest.mark.parametrize(
    ("output", "came"),
    [(torch.rand(2, 3, 4, 4), r"\(2, 3, 4, 4\)"), (torch.rand(2, 1), r"\(2, 1\)"), (None, "NoneType")],
)
def test_what_is_no_table_of_classes_is_refused(output, came):
    with pytest.raises(ValueError, match=rf"logits \(images, classes\) is wanted; {came} came"):
        logits_of(output)


def test_labels_must_be_there_and_have_a_logit():
    logits = torch.zeros(3, 4)
    assert labels_among(logits, torch.tensor([0, 3, 1]), who="loss needs").tolist() == [0, 3, 1]
    with pytest.raises(ValueError, match=r"loss needs labels: give data as \(images, labels\) .*; or do without"):
        labels_among(logits, None, who="loss needs", otherwise="or do without")
    with pytest.raises(ValueError, match="below the network's number of outputs, 4; 7 came"):
        labels_among(logits, torch.tensor([0, 7, 1]), who="loss needs")


@pytest.mark.parametrize(
    ("named", "said"),
    [(None, ""), (("cat", "dog"), ""), (("cat",), r"1 classes (cat) and the network has 2 outputs: labels count")],
)
def test_other_classes_than_outputs_are_told(caplog, named, said):
    say_once.cache_clear()
    with caplog.at_level(logging.WARNING, "neuroprobe"):
        compare_classes(named, torch.zeros(3, 2))
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)
