"""The tensors in outputs of several, quantised ones too."""

from collections import OrderedDict, namedtuple

import pytest
import torch
from torch.testing import assert_close

from neuroprobe.parts import part_at, parts_of, tensors_in, with_part

Pair = namedtuple("Pair", ["maps", "extra"])
ONE, OTHER, COUNTS = torch.rand(2, 3), torch.rand(4), torch.arange(3)


def several():
    return Pair(ONE, {"more": [OTHER, (COUNTS, "text")]})


def test_parts_are_floating_tensors_with_the_keys_that_lead_to_them():
    assert list(parts_of(several())) == [((0,), ONE), ((1, "more", 0), OTHER)]


def test_all_tensors_in_arguments():
    assert list(tensors_in((ONE, [OTHER, (COUNTS,)], "text", None))) == [ONE, OTHER, COUNTS]


def test_a_part_is_put_back_where_it_was():
    given = several()
    changed = with_part(given, (1, "more", 0), OTHER + 1)
    assert isinstance(changed, Pair)
    assert torch.equal(part_at(changed, (1, "more", 0)), OTHER + 1)
    assert part_at(given, (1, "more", 0)) is OTHER
    assert changed.maps is ONE


def test_mappings_keep_their_class():
    assert isinstance(with_part(OrderedDict(a=ONE), ("a",), OTHER), OrderedDict)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated, and still in use
@pytest.mark.parametrize("path", [(), ("maps",)])
def test_quantised_tensors_are_read_as_numbers_and_put_back_quantised(path):
    quantised = torch.quantize_per_tensor(torch.tensor([0.0, 0.5, 1.0]), 0.5, 3, torch.quint8)
    output = {"maps": quantised} if path else quantised
    assert [keys for keys, _ in parts_of(output)] == [path]
    assert_close(part_at(output, path), torch.tensor([0.0, 0.5, 1.0]))
    changed = with_part(output, path, torch.tensor([0.0, 0.0, 2.0]))
    changed = changed["maps"] if path else changed
    assert (changed.dtype, changed.q_scale(), changed.q_zero_point()) == (torch.quint8, 0.5, 3)
    assert_close(changed.dequantize(), torch.tensor([0.0, 0.0, 2.0]))
