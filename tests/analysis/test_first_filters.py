import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import neuroprobe
from neuroprobe.addresses import dry_run
from neuroprobe.analysis.first_filters import first_filters


def found(model, size=32):
    return first_filters(model, dry_run(model, size))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

    def forward(self, images):
        return F.relu(self.two(F.relu(self.one(images))))


def test_filters_belong_to_what_follows_channel_by_channel():
    network = torchvision.models.resnet18(weights=None)
    filters = found(network, 64)
    assert list(filters) == ["conv1", "bn1", "relu", "maxpool"]
    torch.testing.assert_close(filters["relu"], network.conv1.weight.detach(), rtol=0, atol=0)


def test_functional_activations_count_and_later_layers_of_the_same_width_do_not():
    assert list(found(Functional())) == ["one", "/relu:0"]


def test_the_block_that_holds_the_convolution_counts_where_it_is_all_of_it():
    stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    assert list(found(nn.Sequential(stem, nn.Conv2d(4, 4, 3)))) == ["0.0", "0.1", "0.2", "0"]


def test_concatenated_units_are_no_filters():
    class Doubled(nn.Module):
        def forward(self, maps):
            return torch.cat([maps.relu(), (-maps).relu()], 1)

    filters = found(nn.Sequential(nn.Conv2d(3, 4, 3), Doubled(), nn.ReLU()))
    assert "0" in filters
    assert "2" not in filters


def test_what_begins_otherwise_has_none():
    assert found(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4), nn.ReLU())) == {}
    assert found(nn.Sequential(nn.ReLU())) == {}


def test_the_model_is_left_alone(left_alone):
    model = neuroprobe.load_network("cnn7")
    layers = dry_run(model)
    with left_alone(model):
        first_filters(model, layers)
