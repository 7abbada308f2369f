import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import neuroprobe
from neuroprobe import Probe
from neuroprobe.addresses import UnknownLayerError


class Overwriting(nn.Module):
    """Every activation is overwritten by what follows it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.conv(x))
        x += 5
        y = F.relu(x, inplace=True)
        y.mul_(2).sub_(20)
        return F.relu_(y)


class Doubling(nn.Module):
    """Writes into its input."""

    def forward(self, x):
        return F.relu(x.mul_(2))


@pytest.fixture
def images():
    return torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Overwriting()


@torch.no_grad()
def test_what_is_kept_is_not_overwritten(network, images):
    conv = network.conv(images)
    with Probe(network, ["conv", "relu", "/relu:*"]) as probe:
        network(images)
    assert_close(probe["conv"], conv)
    assert_close(probe["relu"], conv.clamp_min(0))
    assert_close(probe["/relu:0"], conv.clamp_min(0) + 5)
    assert_close(probe["/relu:1"], (2 * conv.clamp_min(0) - 10).clamp_min(0))


@torch.no_grad()
def test_the_output_is_that_of_a_plain_pass(network, images):
    expected = network(images)
    with Probe(network):
        outputs = [network(images) for _ in range(2)]
    assert all(torch.equal(output, expected) for output in outputs)


def test_an_input_that_the_network_overwrites_is_overwritten_once():
    images = torch.ones(2, 3)
    network = Doubling()
    with Probe(network) as probe:
        network(images)
    assert_close(images, torch.full((2, 3), 2.0))
    assert_close(probe["/relu:0"], torch.full((2, 3), 2.0))


@torch.no_grad()
@pytest.mark.parametrize(
    ("reduce", "reduced"),
    [
        ("mean", lambda maps: maps.mean((2, 3))),
        ("max", lambda maps: maps.amax((2, 3))),
        ("center", lambda maps: maps[:, :, 3, 3]),
        ("none", lambda maps: maps),
    ],
)
def test_ways_to_reduce(network, images, reduce, reduced):
    with Probe(network, "conv", reduce=reduce) as probe:
        network(images)
    assert_close(probe["conv"], reduced(network.conv(images)))


@torch.no_grad()
def test_the_center_of_maps_of_uneven_sides(network):
    images = torch.rand(1, 3, 5, 8)
    with Probe(network, "conv", reduce="center") as probe:
        network(images)
    assert_close(probe["conv"], network.conv(images)[:, :, 2, 4])


class Tokens(nn.Module):
    """Turns images into a class token, of value 100, and patches."""

    def __init__(self):
        super().__init__()
        self.class_token = nn.Parameter(torch.full((1, 1, 3), 100.0))
        self.act = nn.ReLU()

    def forward(self, x):
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
        return self.act(tokens).mean(1)


@torch.no_grad()
@pytest.mark.parametrize(
    ("tokens", "read"),
    [
        ("patch", lambda x: x.mean((2, 3))),
        ("cls", lambda x: torch.full(x.shape[:2], 100.0)),
        ("all", lambda x: (36 * x.mean((2, 3)) + 100) / 37),
    ],
)
@pytest.mark.parametrize("wrap", [lambda network: network, nn.Sequential], ids=["plain", "wrapped"])
def test_which_tokens_are_read(images, tokens, read, wrap):
    network = wrap(Tokens())
    with Probe(network, "*act", reduce="mean", tokens=tokens) as probe:
        network(images)
    assert_close(next(iter(probe.values())), read(images))


@torch.no_grad()
def test_patches_before_the_class_token_joins_are_all_read(images):
    class Embedded(Tokens):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(3, 3)

        def forward(self, x):
            patches = self.embed(x.flatten(2).transpose(1, 2))
            return self.act(torch.cat([self.class_token.expand(len(x), -1, -1), patches], 1)).mean(1)

    network = Embedded()
    with Probe(network, "embed", reduce="mean") as probe:
        network(images)
    assert_close(probe["embed"], network.embed(images.flatten(2).transpose(1, 2)).mean(1))


def test_a_probe_is_entered_once_at_a_time(left_alone, network, images):
    probe = Probe(network)
    with left_alone(network), probe:
        with pytest.raises(RuntimeError, match="entered already"), probe:
            pass
        network(images)
    with probe:
        network(images)


@torch.no_grad()
def test_the_center_of_patches_is_that_of_their_square(images):
    network = Tokens()
    with Probe(network, reduce="center") as probe:
        network(images)
    assert_close(probe["act"], images[:, :, 3, 3])


def test_a_class_token_that_is_not_there_is_an_error(images):
    network = nn.Sequential(nn.Flatten(2), nn.Linear(36, 5), nn.ReLU())
    with pytest.raises(ValueError, match=r"tokens='cls' wants a class token; layer '2' has none"):
        neuroprobe.record(network, images, reduce="mean", tokens="cls", preprocess=None)


@pytest.mark.parametrize(("option", "known"), [("reduce", "'center', 'none'"), ("tokens", "'patch', 'cls', 'all'")])
def test_an_unknown_way_to_read_lists_the_known(network, option, known):
    with pytest.raises(ValueError, match=rf"{option} must be one of .*{known}; 'median' came"):
        Probe(network, **{option: "median"})


def test_responses_are_cut_from_the_graph_unless_asked_for(network, images):
    for grad in (False, True):
        with Probe(network, "conv", grad=grad) as probe:
            network(images)
        assert probe["conv"].requires_grad == grad


def test_gradients_flow_through_kept_responses(network, images):
    with Probe(network, "conv", reduce="mean", grad=True) as probe:
        network(images)
    probe["conv"].sum().backward()
    assert network.conv.weight.grad.abs().sum() > 0


def test_only_the_last_forward_pass_is_held(network, images):
    with Probe(network, "conv", reduce="mean") as probe:
        network(images)
        network(images[:1])
    assert probe["conv"].shape == (1, 4)


def test_responses_stay_after_the_block_and_later_passes_change_nothing(network, images):
    with Probe(network) as probe:
        network(images)
    network(images[:1])
    assert {name: len(response) for name, response in probe.items()} == {"relu": 4, "/relu:0": 4, "/relu:1": 4}


def test_calls_of_one_module_are_kept_apart():
    network = nn.Sequential(nn.ReLU(), nn.Linear(2, 2), nn.ReLU())
    network[2] = network[0]
    nn.init.eye_(network[1].weight)
    nn.init.constant_(network[1].bias, -1)
    with Probe(network) as probe:
        network(torch.tensor([[0.5, 3.0]]))
    assert {name: response.tolist() for name, response in probe.items()} == {"0:0": [[0.5, 3.0]], "0:1": [[0.0, 2.0]]}


def test_keyword_inputs(images):
    network = Overwriting()
    with Probe(network, "conv") as probe:
        network(x=images)
    assert len(probe["conv"]) == 4


# The model is left alone


def batch_normed():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5))


def test_the_mode_is_left_alone(images):
    network = batch_normed()
    network[1].eval()
    with Probe(network):
        network(images)
        assert [module.training for module in network] == [True, False, True, True]


def test_a_train_pass_counts_once_in_running_statistics(images):
    network, alone = batch_normed(), batch_normed()
    alone.load_state_dict(network.state_dict())
    torch.manual_seed(1)
    expected = alone(images)
    torch.manual_seed(1)
    with Probe(network):
        output = network(images)
    assert torch.equal(output, expected)
    assert_close(network.state_dict(), alone.state_dict(), rtol=0, atol=0)


def test_nothing_is_left_behind(left_alone, network, images):
    with left_alone(network), Probe(network):
        network(images)


def test_nothing_is_left_behind_without_a_pass(left_alone, network):
    with left_alone(network), Probe(network):
        pass


def test_nothing_is_left_behind_by_an_error_in_the_block(left_alone, network, images):
    def probed():
        with Probe(network):
            network(images)
            raise ZeroDivisionError

    with left_alone(network), pytest.raises(ZeroDivisionError):
        probed()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_behind_by_an_error_in_the_forward_pass(left_alone, images, error):
    class Failing(Overwriting):
        def forward(self, x):
            super().forward(x)
            if len(x) == 2:
                raise error("half way")
            return x

    network = Failing()
    with left_alone(network), Probe(network):
        network(images)
        with pytest.raises(error, match="half way"):
            network(images[:2])


def test_a_pass_after_one_that_raised_is_read_right(network, images):
    with Probe(network, "/relu:0") as probe:
        network(images)
        with pytest.raises(RuntimeError):
            network(images[:, :1])
        network(images[:2])
    assert len(probe["/relu:0"]) == 2


def test_nested_probes(left_alone, network, images):
    with left_alone(network), Probe(network, "conv") as outer:
        with Probe(network, "/relu:*", reduce="mean") as inner:
            network(images)
        network(images[:1])
    assert (list(outer), len(outer["conv"])) == (["conv"], 1)
    assert inner["/relu:0"].shape == (4, 4)


def test_probes_of_two_networks_whose_passes_interleave(images):
    one, two = Overwriting(), Overwriting()
    with Probe(one, "/relu:0") as outer:
        with Probe(two, "/relu:0") as inner:
            two(images)
            one(images)
        one(images[:2])
    assert (len(outer["/relu:0"]), len(inner["/relu:0"])) == (2, 4)


def test_a_recording_inside_a_probe(network, images):
    with Probe(network):
        recording = neuroprobe.record(network, images, "conv", preprocess=None)
    assert recording.curves["conv"].shape == (4, 4)
    assert len(recording.units) == 4


# Errors


def test_an_unknown_module_is_an_error_on_entry(left_alone, network):
    with left_alone(network), pytest.raises(UnknownLayerError, match=r"no layer 'con' .*; nearest: conv"):
        Probe(network, "con").__enter__()


def test_an_unknown_function_is_an_error_in_the_first_pass(left_alone, network, images):
    with left_alone(network), Probe(network, "/gelu:0"), pytest.raises(UnknownLayerError, match="nearest: /relu:0"):
        network(images)


def test_a_layer_that_was_not_asked_for_is_an_error(network, images):
    with Probe(network, "conv") as probe:
        network(images)
    with pytest.raises(UnknownLayerError, match=r"no layer 'relu' in this network; there are conv"):
        probe["relu"]


def test_a_response_before_any_pass_is_an_error(network):
    with Probe(network) as probe, pytest.raises(KeyError, match="no forward pass has run in this block"):
        probe["conv"]
