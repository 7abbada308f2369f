"""Conductance and gradient x activation: values known on paper, at every kind of address."""

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from neuroprobe import importance, load_network
from neuroprobe.saying import say_once

BOTH = ["conductance", "gradient_x_activation"]


@pytest.fixture(scope="module")
def images():
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def labels():
    return torch.tensor([0, 1, 2, 2, 1, 0])


def seeded(make, *arguments):
    torch.manual_seed(0)
    return make(*arguments)


def scores(network, images, labels, layers, method=BOTH, **keywords):
    """The columns of the methods (units, methods), images given as the network wants them."""
    found = importance(network, (images, labels), layers, method=method, preprocess=None, **keywords)
    return torch.tensor(found.units[found.methods].to_numpy())


class Written(nn.Module):
    """Two convolutions whose outputs are written into, or not; ``ignored``: and nobody looks at what relu_ returns."""

    def __init__(self, in_place, ignored=False):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.flat, self.out = nn.Flatten(), nn.Linear(256, 3)
        self.in_place, self.ignored = in_place, ignored

    def forward(self, x):
        x = x.sub_(0.1) if self.in_place else x - 0.1
        x = self.one(x)
        if self.ignored:
            F.relu_(x)
        else:
            x = F.relu(x, inplace=self.in_place)
        y = self.two(x)
        if self.in_place:
            y += x
            y.mul_(2)
        else:
            y = (y + x) * 2
        z = self.flat(y)
        z = z.tanh_() if self.in_place else z.tanh()
        return self.out(z)


class Reused(nn.Module):
    """One ReLU, or one for each place."""

    def __init__(self, relus):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(192, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.relu = nn.ReLU(inplace=True)
        self.again = self.relu if relus == 1 else nn.ReLU()

    def forward(self, x):
        return self.out(self.again(self.two(self.relu(self.one(x.flatten(1))))))


class Last(nn.Module):
    """A pointwise network, its maps with the units first or last."""

    def __init__(self, last):
        super().__init__()
        self.weights, self.out, self.last = nn.Linear(3, 5), nn.Linear(5, 3), last

    def forward(self, x):
        x = self.weights(x.permute(0, 2, 3, 1))
        x = F.gelu(x) if self.last else F.gelu(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.out(x.mean((1, 2)))


# Known on paper


def test_a_linear_network_gives_weight_times_response(images, labels):
    network = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 4, bias=False), nn.Linear(4, 3)))
    expected = (network[1](network[0](images)) * network[2].weight[labels]).mean(0).detach().double()
    for column in scores(network, images, labels, "1", steps=3).T:
        assert_close(column, expected, rtol=1e-5, atol=1e-6)


def test_a_square_gives_its_value_and_twice_its_value():
    class Square(nn.Module):
        def forward(self, x):
            return F.softplus(x.flatten(1), beta=1e4).square()  # the identity above 0, but a layer

    image = torch.full((1, 1, 1, 1), 3.0)
    conductance, product = scores(Square(), image, torch.tensor([0]), None, steps=2)[0]
    assert conductance == pytest.approx(9, rel=1e-4)  # the integral of 2h from 0 to 3
    assert product == pytest.approx(18, rel=1e-4)  # 2h at 3, times 3


def test_a_unit_that_opens_on_the_way_counts_from_there():
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1, bias=False))
    nn.init.ones_(network[1].weight), nn.init.constant_(network[1].bias, -1), nn.init.constant_(network[3].weight, 2)
    conductance, product = scores(network, torch.full((1, 1, 1, 1), 3.0), torch.tensor([0]), "2")[0]
    assert conductance == pytest.approx(4)  # 2 relu(3 - 1), whatever the way
    assert product == pytest.approx(4)


def test_a_dead_unit_has_none_and_twins_have_half_each(images, labels):
    network = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)))
    with torch.no_grad():
        whole = scores(network, images, labels, "1")
        network[0].bias[0] = -100
        network[0].weight[2], network[0].bias[2] = network[0].weight[1], network[0].bias[1]
        ways = network[3].weight.view(3, 4, 36)
        ways[:, 2] = ways[:, 1] = ways[:, 1] / 2
    found = importance(network, (images, labels), "1", method=BOTH, preprocess=None)
    assert found.units.status.tolist() == ["dead", "ok", "ok", "ok"]
    columns = torch.tensor(found.units[BOTH].to_numpy())
    assert_close(columns[0], torch.zeros(2).double(), rtol=0, atol=0)
    assert_close(columns[1], columns[2], rtol=1e-5, atol=1e-7)
    assert_close(columns[1] + columns[2], whole[1], rtol=1e-4, atol=1e-6)


def test_a_layer_that_leads_nowhere_has_none(images, labels, caplog):
    say_once.cache_clear()

    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.aside, self.out = nn.Linear(192, 4), nn.Linear(192, 3)

        def forward(self, x):
            torch.relu(self.aside(x.flatten(1)))
            return self.out(x.flatten(1))

    with caplog.at_level(logging.WARNING, "neuroprobe"):
        assert not scores(Aside(), images, labels, "aside").any()
    assert "output does not depend on aside: nothing is attributed" in caplog.text


@pytest.mark.parametrize("layer", ["relu2", "bn5", "relu7", "fc2"])
def test_conductances_add_up_to_the_change_of_the_logit(photographs, layer):
    network = load_network("cnn7")
    pixels, classes = (part[:20] for part in photographs)
    with torch.no_grad():
        mean, std = (torch.tensor(network.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
        inputs = (pixels - mean) / std
        change = (network(inputs) - network(torch.zeros_like(inputs))).gather(1, classes[:, None]).mean()
    total = importance(network, (pixels, classes), layer).units.conductance.sum()
    assert total == pytest.approx(change.item(), rel=0.02)


# Every kind of address


@pytest.mark.parametrize("ignored", [False, True])
def test_what_is_written_in_place_afterwards_changes_nothing(images, labels, ignored):
    layers = ["one", "/relu:0" if not ignored else "/relu:*", "two", "flat", "/tanh:0"]
    kept, written = seeded(Written, False), seeded(Written, True, ignored)
    assert_close(scores(written, images, labels, layers), scores(kept, images, labels, layers), rtol=1e-4, atol=1e-6)


def test_an_in_place_module(images, labels):
    def network(in_place):
        return seeded(
            lambda: nn.Sequential(
                nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(in_place), nn.Flatten(), nn.ELU(1.0, in_place),
                nn.Linear(144, 3),
            )
        )  # fmt: skip

    for layer in "01234":
        assert_close(*(scores(network(in_place), images, labels, layer) for in_place in (False, True)))


def test_each_call_of_a_reused_module(images, labels):
    reused = scores(seeded(Reused, 1), images, labels, ["relu:0", "relu:1"])
    assert_close(reused, scores(seeded(Reused, 2), images, labels, ["relu", "again"]))
    assert reused.abs().max() > 0


def test_functions_are_as_modules(images, labels):
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(3, 4, 3), nn.Linear(144, 3)

        def forward(self, x):
            return self.out(F.relu(self.conv(x)).flatten(1))

    modules = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)))
    function = scores(seeded(Functional), images, labels, "/relu:0")
    assert_close(function, scores(modules, images, labels, "1"), rtol=1e-5, atol=1e-7)


def test_units_on_the_last_axis(images, labels):
    first, last = (scores(seeded(Last, last), images, labels, "/gelu:0") for last in (False, True))
    assert_close(last, first)


def test_tokens_that_are_read(images, labels):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.act, self.out = nn.Linear(3, 5), nn.GELU(), nn.Linear(5, 3)
            self.class_token = nn.Parameter(torch.rand(1, 1, 3))

        def forward(self, x):
            tokens = torch.cat([self.class_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
            tokens = tokens + tokens.mean(1, keepdim=True)  # so that the class token learns of the image
            return self.out(self.act(self.embed(tokens)).mean(1))

    every, patches, one = (
        scores(seeded(Tokens), images, labels, "act", tokens=tokens) for tokens in ("all", "patch", "cls")
    )
    assert_close(patches + one, every)
    assert one.abs().min() > 0


def test_real_weights_with_functional_relus(resnet20, photographs):
    pixels, classes = (part[:4] for part in photographs)
    found = importance(resnet20, (pixels, classes), method=BOTH, steps=10)
    assert len(found.layer_names) == 19
    whole = found.units.conductance.groupby(level="layer").sum()
    through = ["/relu:0", *(f"layer{stage}.{block}/relu:1" for stage in (1, 2, 3) for block in range(3))]
    assert whole[through].tolist() == pytest.approx([whole[through[-1]]] * 10, rel=0.1)  # no way leads past these
    assert (found.units[found.units.status == "ok"][BOTH] != 0).mean().min() > 0.9


def test_a_layer_without_gradients_is_refused(left_alone, images, labels):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.out = nn.Linear(192, 4), nn.Linear(4, 3)

        def forward(self, x):
            with torch.no_grad():
                x = torch.relu(self.one(x.flatten(1)))
            return self.out(x)

    network = Frozen()
    with left_alone(network), pytest.raises(ValueError, match="layer '/relu:0' is computed without gradients"):
        importance(network, (images, labels), preprocess=None)
    assert scores(network, images, labels, "out").any()
