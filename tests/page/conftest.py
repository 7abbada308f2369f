import pytest
import torch
from planted_results import class_selectivity, recording, shift_invariance, tuning, unit_impact


@pytest.fixture
def everything():
    """One result of each kind, of one planted network."""
    return [tuning(), class_selectivity(), unit_impact(), shift_invariance(), recording()]


@pytest.fixture
def photos():
    """The six images of the recording, with labels."""
    torch.manual_seed(0)
    return torch.rand(6, 3, 16, 16), torch.arange(6) % 3
