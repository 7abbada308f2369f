"""What axes count, followed through small networks; which layers are refused, and why."""

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import neuroprobe
from neuroprobe.addresses import UnknownLayerError, choose, dry_run
from neuroprobe.saying import say_once

SIDE, UNITS = 8, 6


class Calls(nn.Module):
    """Patches of an image, (N, 6, 4, 4), and what a function makes of them."""

    def __init__(self, run, **modules):
        super().__init__()
        self.patches, self.act, self.scale = nn.Conv2d(3, UNITS, 2, 2), nn.GELU(), nn.Parameter(torch.rand(1, 1, UNITS))
        self.fc = nn.Linear(UNITS, UNITS)
        for name, module in modules.items():
            self.add_module(name, module)
        self._run = run

    def forward(self, x):
        return self._run(self, self.patches(x))


@pytest.fixture
def images():
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def layer(network, name="act", size=SIDE):
    return next(layer for layer in dry_run(network, size) if layer.name == name)


def tokens(maps):
    return maps.flatten(2).transpose(1, 2)


# Units


UNIT_AXES = {
    "tokens": (lambda net, x: net.act(tokens(x)), 2),
    "channels last": (lambda net, x: net.act(x.permute(0, 2, 3, 1)), 3),
    "x.mT": (lambda net, x: net.act(x.flatten(2).mT), 2),
    "einsum": (lambda net, x: net.act(torch.einsum("n c h w, c d -> n h w d", x, net.fc.weight)), 3),
    "a matrix before": (lambda net, x: net.act(net.fc.weight @ x.flatten(2)), 1),
    "attention": (lambda net, x: net.act(F.scaled_dot_product_attention(*[tokens(x)] * 3)), 2),
    "attention by hand": (lambda net, x: net.act((tokens(x) @ x.flatten(2)).softmax(-1) @ tokens(x)), 2),
    "heads": (lambda net, x: net.act(tokens(x).unflatten(2, (2, 3)).transpose(1, 2).transpose(1, 2).flatten(2)), 2),
    "stacked and unbound": (lambda net, x: net.act(torch.stack([tokens(x)] * 3).unbind(0)[1]), 2),
    "three in one": (lambda net, x: net.act(tokens(x).repeat(1, 1, 3).reshape(len(x), 16, 3, 6)[:, :, 0]), 2),
    "mean over rows": (lambda net, x: net.act(x.mean(2)), 1),
    "joined": (lambda net, x: net.act(torch.cat([x, x], 1).chunk(2, 1)[0]), 1),
    "groups of channels": (lambda net, x: net.act(x.unflatten(1, (2, 3)).transpose(1, 2).reshape(x.shape)), 1),
    "a layer norm of whole maps": (lambda net, x: net.act(F.layer_norm(x, x.shape[1:])), 1),
    "a residual turned about": (lambda net, x: net.act(net.fc(tokens(x)).mT.reshape(x.shape) + x), 1),
}


@pytest.mark.parametrize(("run", "axis"), UNIT_AXES.values(), ids=UNIT_AXES)
def test_unit_axes(run, axis):
    found = layer(Calls(run))
    assert (found.unit_axis, found.units, found.refusal) == (axis, UNITS, "")


def test_a_linear_map_over_places_has_units_of_its_own(images):
    network = Calls(lambda net, x: net.act(net.mix(x.flatten(2))), mix=nn.Linear(16, 5))
    found = layer(network)
    assert (found.units, found.unit_axis) == (5, 2)
    with pytest.raises(ValueError, match=r"layer 'act', of shape \(1, 6, 5\), has beside its units is no map"):
        neuroprobe.record(network, images, ["act"], reduce="center", preprocess=None)


# Class and register tokens


def ahead(net, x, count=1):
    return torch.cat([net.scale.expand(len(x), count, -1), tokens(x)], 1)


def kept_apart(net, x):
    both = ahead(net, x)
    first, rest = both.split([1, both.shape[1] - 1], 1)
    return torch.cat([net.fc(first), rest], 1)


def registers_later(net, x):
    both = ahead(net, x)
    return torch.cat([both[:, :1], net.scale.repeat(len(x), 4, 1), both[:, 1:]], 1)


AHEAD = {
    "one": (ahead, 1),
    "two": (lambda net, x: ahead(net, x, 2), 2),
    "registers later": (registers_later, 5),
    "kept apart for a while": (kept_apart, 1),
    "taken off": (lambda net, x: ahead(net, x, 2)[:, 2:], 0),
    "one of two taken off": (lambda net, x: ahead(net, x, 2)[:, 1:], 1),
    "made of zeros": (lambda net, x: torch.cat([net.scale + x.new_zeros(len(x), 1, UNITS), tokens(x)], 1), 1),
    "flat for a while": (lambda net, x: net.fc(ahead(net, x).flatten(0, 1)).reshape(len(x), -1, UNITS), 1),
    "none": (lambda net, x: tokens(x) + net.scale, 0),
}


@pytest.mark.parametrize(("run", "count"), AHEAD.values(), ids=AHEAD)
@pytest.mark.parametrize("width", [8, 4])  # with one ahead of 4 by 2 patches there are 9 tokens, a square
def test_tokens_ahead_are_in_no_mean(images, run, count, width):
    network, images = Calls(lambda net, x: net.act(run(net, x))), images[..., :width]
    expected = network(images)[:, count:].mean(1).detach()
    recording = neuroprobe.record(network, images, ["act"], preprocess=None)
    assert_close(torch.from_numpy(recording.curves["act"].values), expected)


@pytest.mark.parametrize("size", [(8, 12), (12, 8)])
def test_the_center_of_tokens_that_are_no_square(size):
    images = torch.rand(2, 3, *size)
    network = Calls(lambda net, x: net.act(ahead(net, x)))
    middle = network.act(network.patches(images)[:, :, size[0] // 4, size[1] // 4])
    recording = neuroprobe.record(network, images, ["act"], reduce="center", preprocess=None)
    assert_close(torch.from_numpy(recording.curves["act"].values), middle.detach())


# Windows


def windows(x):  # (N, 6, 4, 4) -> (N, windows, places, 6)
    parted = x.unflatten(3, (2, 2)).unflatten(2, (2, 2))
    return parted.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)


def put_together(x):  # and back
    parted = x.unflatten(2, (2, 2)).unflatten(1, (2, 2))
    return parted.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def test_windows_are_read_as_the_map_they_are_cut_from(images):
    network = Calls(lambda net, x: net.act(windows(x)))
    expected = F.gelu(network.patches(images)).detach()
    for reduce, values in (("none", expected), ("center", expected[:, :, 2, 2]), ("mean", expected.mean((2, 3)))):
        curve = neuroprobe.record(network, images, ["act"], reduce=reduce, preprocess=None).curves["act"]
        assert_close(torch.from_numpy(curve.values), values)
    assert_close(put_together(windows(expected)), expected)


def test_places_of_top_images_in_windows(images):
    network = Calls(lambda net, x: net.act(windows(x)))
    expected = F.gelu(network.patches(images)).detach()
    top = neuroprobe.record(network, images, ["act"], reduce="max", reducers="top_images", preprocess=None)
    image, (row, column) = (getattr(top.reduced["top_images"]["act"], what)[0, 0] for what in ("images", "places"))
    assert expected[image, 0, row, column] == expected[:, 0].max()


def test_ablation_of_windows_holds_each_place_at_its_own_mean(images):
    network = Calls(lambda net, x: put_together(net.act(windows(x)))).eval()
    expected = F.gelu(network.patches(images)).detach().mean(0)
    held = neuroprobe.ablate(network, {"act": [1]}, value="mean", per_position=True, data=images, preprocess=None)
    with torch.no_grad(), held:
        assert_close(network(images)[:, 1], expected[1].expand(2, -1, -1))


def test_windows_beside_images_are_refused_and_what_follows_is_read(images):
    network = Calls(
        lambda net, x: net.act(put_together(net.inner(windows(x).flatten(0, 1)).unflatten(0, (len(x), 4)))),
        inner=nn.ReLU(),
    )
    assert layer(network).places.map == (4, 4)
    message = (
        r"layer 'inner', .* for 3 images has the shape \(12, 4, 6\), where axis 0 counts images together with windows"
    )
    with pytest.raises(ValueError, match=message):
        choose(dry_run(network, SIDE), "inner")
    assert "inner" not in neuroprobe.layers(network, SIDE).name.tolist()


def test_default_layers_that_cannot_be_read_are_told(caplog):
    say_once.cache_clear()
    network = Calls(lambda net, x: net.act(net.inner(x.flatten(0, 1)).view_as(x)), inner=nn.ReLU())
    with caplog.at_level(logging.WARNING, "neuroprobe"):
        assert [layer.name for layer in choose(dry_run(network, SIDE), None)] == ["act"]
    assert "1 outputs of non-linearities cannot be read" in caplog.text
    assert "'inner' for one: its output for 3 images has the shape (18, 4, 4)" in caplog.text


# Images


def test_images_along_another_axis():
    network = Calls(lambda net, x: net.act(tokens(x).transpose(0, 1)).mean(0))
    with pytest.raises(ValueError, match=r"which 'layers=None' asks for, .* \(16, 3, 6\), where axis 1 counts images"):
        choose(dry_run(network, SIDE), None)


@pytest.mark.parametrize("count", [1, 3])
def test_what_follows_from_parameters_alone_is_no_response(images, count):
    """Tables of relative positions, with as many heads as images."""
    network = Calls(
        lambda net, x: net.act(x) * net.table(net.heads).mean(), table=nn.Sigmoid(), heads=nn.ParameterList()
    )
    network.heads = nn.Parameter(torch.rand(count, 4, 4))
    with neuroprobe.Probe(network) as probe:
        network(images[:1].repeat(count, 1, 1, 1))
    assert list(probe) == ["act"]
    with pytest.raises(ValueError, match="'table', which 'table' asks for, cannot be read: it does not follow from"):
        choose(dry_run(network, SIDE), "table")


def test_a_single_image_is_followed_too(images):
    network = Calls(lambda net, x: net.act(put_together(windows(x)).flatten(2).transpose(1, 2)))
    with neuroprobe.Probe(network, reduce="mean") as probe:
        network(images[:1])
    assert_close(probe["act"], F.gelu(network.patches(images[:1])).mean((2, 3)))


ABROAD = {
    "NumPy": lambda net, x: net.act(torch.from_numpy(x.detach().numpy() * 2)),
    "a list": lambda net, x: net.act(torch.tensor(x.tolist())),
    "written into": lambda net, x: net.act(written_into(x)),
    "indices": lambda net, x: net.act(F.embedding(x.argmax(1).flatten(1), net.fc.weight)),
}


def written_into(x):
    empty = torch.zeros(len(x), UNITS, 4, 4)
    empty[:, :, 1:] = x[:, :, 1:]
    return empty


@pytest.mark.parametrize("run", ABROAD.values(), ids=ABROAD)
def test_images_that_leave_torch_come_back(run):
    found = layer(Calls(run))
    assert (found.units, found.refusal) == (UNITS, "")


def test_a_wrong_name_is_still_an_unknown_layer():
    with pytest.raises(UnknownLayerError, match="no layer 'acts' in this network; nearest: act"):
        choose(dry_run(Calls(lambda net, x: net.act(x)), SIDE), "acts")


def test_a_glob_leaves_out_what_cannot_be_read():
    network = Calls(lambda net, x: net.act(net.act2(x.flatten(0, 1)).view_as(x)), act2=nn.ReLU())
    assert [layer.name for layer in choose(dry_run(network, SIDE), "act*")] == ["act"]
