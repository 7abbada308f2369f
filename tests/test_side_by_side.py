import torch

from neuroprobe.reducers import observed
from neuroprobe.side_by_side import SideBySide


def test_the_layers_of_each_pass_are_joined_in_order():
    shown = []
    joined = SideBySide(shown.append, lambda seen: shown.append(seen.labels))
    for first in (0, 2):
        joined("conv1", observed([[1.0], [2.0]], [3, 4], first))
        joined("conv2", observed([[5.0, 6.0], [7.0, 8.0]], [3, 4], first))
        joined.complete(None)
    one, labels, other, _ = shown
    assert one.responses.tolist() == [[1, 5, 6], [2, 7, 8]]
    assert torch.equal(one.responses, other.responses)
    assert (one.images.tolist(), other.images.tolist()) == ([0, 1], [2, 3])
    assert labels.tolist() == [3, 4]
