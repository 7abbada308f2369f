import pytest
import torch
from torch import nn

import neuroprobe
from neuroprobe.analysis.receptive_fields import ReceptiveFields, receptive_fields


def test_unpadded_layers_see_what_is_worked_out_by_hand():
    fields = receptive_fields(neuroprobe.load_network("cnn7"), image_size=(3, 32, 32))
    assert list(fields) == [f"relu{number}" for number in range(1, 7)]  # relu7 has no map
    sizes = {1: (3, 1), 2: (5, 2), 3: (9, 2), 4: (13, 4), 5: (21, 4), 6: (29, 8)}  # pixels, stride
    for number, (size, stride) in sizes.items():
        rows = fields[f"relu{number}"].rows
        assert (rows.of(0), rows.stride) == ((0, size), stride)
        last = stride * (rows.places - 1)
        assert rows.of(rows.places - 1) == (last, last + size)


def test_padding_cuts_the_field_at_the_border():
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 5, padding=2))
    fields = receptive_fields(network, ["2"], image_size=(1, 20, 30))["2"]
    assert fields.box(0, 0) == (0, 4, 0, 4)
    assert fields.box(10, 15) == (7, 14, 12, 19)
    assert fields.box(19, 29) == (16, 20, 26, 30)


def test_strides_pooling_and_skips_add_up():
    network = neuroprobe.load_network("resnet20", None)
    fields = receptive_fields(network, ["layer1.0", "layer2.0"], image_size=(3, 32, 32))
    assert fields["layer1.0"].box(16, 16) == (13, 20, 13, 20)  # three convolutions of 3
    # to 15 pixels through layer1, then 2 and 4 more on each side in steps of 1 and 2
    top, bottom, *_ = fields["layer2.0"].box(8, 8)
    assert bottom - top == 15 + 2 + 4
    assert fields["layer2.0"].rows.stride == 2


@pytest.mark.parametrize("name", ["relu2", "relu4", "relu5"])
def test_pixels_outside_change_nothing_and_those_at_the_edge_do(name):
    network = neuroprobe.load_network("cnn7").eval()
    fields = receptive_fields(network, [name], image_size=(3, 32, 32))[name]
    place = (1, 2)
    top, bottom, left, right = map(int, fields.box(*place))
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[top:bottom, left:right] = True
    torch.manual_seed(0)
    images = torch.rand(16, 3, 32, 32)

    def response(images):
        with neuroprobe.Probe(network, [name]) as probe, torch.no_grad():
            network(images)
        return probe[name][:, :, place[0], place[1]] if name in probe else None

    def seen(images):
        with neuroprobe.Probe(network, [name]) as probe:
            with torch.no_grad():
                network(images)
            return probe[name][:, :, place[0], place[1]].clone()

    before = seen(images)
    torch.testing.assert_close(seen(torch.where(inside, images, 1 - images)), before)
    for edge in (inside & (torch.arange(32)[:, None] == top), inside & (torch.arange(32) == right - 1)):
        assert not torch.allclose(seen(torch.where(edge, 1 - images, images)), before)


def test_what_pools_over_the_whole_image_sees_all_of_it():
    class Gate(nn.Module):
        def forward(self, maps):
            return maps * maps.mean((2, 3), keepdim=True).sigmoid()

    network = nn.Sequential(nn.Conv2d(3, 4, 3), Gate(), nn.ReLU())
    assert receptive_fields(network, ["2"], image_size=(3, 16, 16))["2"].box(5, 5) == (0, 16, 0, 16)


def test_layers_that_no_gradient_reaches_are_left_out():
    class Cut(nn.Module):
        def forward(self, maps):
            return maps.detach()

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Cut(), nn.ReLU())
    assert list(receptive_fields(network, ["1", "3"], image_size=(3, 16, 16))) == ["1"]


def test_shares_of_the_image_are_tiles():
    fields = ReceptiveFields.shares((4, 5), (32, 32))
    assert fields.box(0, 0) == (0, 8, 0, 6.4)
    assert fields.box(3, 4) == pytest.approx((24, 32, 25.6, 32))


def test_the_model_is_left_alone(left_alone):
    model = neuroprobe.load_network("cnn7")
    with left_alone(model):
        receptive_fields(model, image_size=(3, 32, 32))
