import pytest
import torch
from torch import nn
from torch.nn import functional as F

import neuroprobe
from neuroprobe.addresses import UnknownLayerError, choose, dry_run


class Calls(nn.Module):
    """A network whose forward pass is a function of itself and the images."""

    def __init__(self, run, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self._run = run

    def forward(self, x):
        return self._run(self, x)


def conv(channels_in=3, channels=4):
    return nn.Conv2d(channels_in, channels, 3, padding=1)


def linear(channels=4, features=5):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, features))


def names(model, size=8, **options):
    return [layer.name for layer in readable(model, size, **options)]


def readable(model, size=8, **options):
    return [layer for layer in dry_run(model, size, **options) if not layer.refusal]


def defaults(model, size=8):
    return [layer.name for layer in choose(dry_run(model, size), None)]


# Counted from the papers' tables and torchvision's sources, not from what the package prints: units a layer.
VGG16 = 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512 + 2 * 4096
RESNET18 = 64 + 4 * (64 + 128 + 256 + 512)
RESNET20 = 16 + 6 * (16 + 32 + 64)
# stem, first block, 16 blocks of 6-fold expansion (two maps each), last convolution
MOBILENET_V2 = 32 + 32 + 2 * 6 * (16 + 2 * 24 + 3 * 32 + 4 * 64 + 3 * 96 + 3 * 160) + 1280
_B0_INPUTS = [16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192]  # of the blocks that expand
EFFICIENTNET_B0 = 32 + (32 + 8) + sum(2 * 6 * width + width // 4 for width in _B0_INPUTS) + 1280
_DENSE_BLOCKS = {6: 64, 12: 128, 24: 256, 16: 512}  # layers of a block: its input channels; growth 32
DENSENET121 = (
    64
    + sum(width + 32 * i + 128 for count, width in _DENSE_BLOCKS.items() for i in range(count))
    + (256 + 512 + 1024)  # transitions
    + 1024
)
_INCEPTIONS = [  # 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, pooled
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
]  # fmt: skip
GOOGLENET = 64 + 64 + 192 + sum(map(sum, _INCEPTIONS))
INCEPTION_V3 = (
    (32 + 32 + 64 + 80 + 192)
    + 3 * (64 + 48 + 64 + 64 + 96 + 96) + (32 + 64 + 64)  # A, and its pooled branch
    + (384 + 64 + 96 + 96)  # B
    + sum(192 + 2 * c + 192 + 4 * c + 192 + 192 for c in (128, 160, 160, 192))  # C
    + (192 + 320 + 4 * 192)  # D
    + 2 * (320 + 3 * 384 + 448 + 3 * 384 + 192)  # E
)  # fmt: skip
CONVNEXT_TINY = 4 * (3 * 96 + 3 * 192 + 9 * 384 + 3 * 768)
SWIN_T = 4 * (2 * 96 + 2 * 192 + 6 * 384 + 2 * 768)
_REGNET_WIDTHS = [48] + 3 * [104] + 6 * [208] + 6 * [440]
_REGNET_SQUEEZED = [width // 4 for width in [32, *_REGNET_WIDTHS[:-1]]]
REGNET_Y_400MF = 32 + 3 * sum(_REGNET_WIDTHS) + sum(_REGNET_SQUEEZED)
# stem, stages of 4, 8 and 4 units (three maps in the first of each, else two), last convolution
SHUFFLENET = 24 + 9 * 58 + 17 * 116 + 9 * 232 + 1024
SQUEEZENET = 96 + 2 * sum(s + 2 * e for s, e in [(16, 64), (32, 128), (48, 192), (64, 256)]) + 1000
ALEXNET = 64 + 192 + 384 + 256 + 256 + 2 * 4096

TABLE = [  # network, side in pixels, default layers, their units in all, axes of the units
    ("cnn7", 32, 7, 2 * (32 + 64 + 128) + 512, {1}),
    ("resnet20", 32, 1 + 2 * 9, RESNET20, {1}),
    ("vgg16", 32, 13 + 2, VGG16, {1}),
    ("resnet18", 32, 1 + 2 * 8, RESNET18, {1}),
    ("mobilenet_v2", 32, 1 + 1 + 2 * 16 + 1, MOBILENET_V2, {1}),
    ("efficientnet_b0", 32, 1 + 2 + 3 * 15 + 1, EFFICIENTNET_B0, {1}),
    ("densenet121", 32, 1 + 2 * 58 + 3 + 1, DENSENET121, {1}),
    ("googlenet", 32, 3 + 6 * 9, GOOGLENET, {1}),
    ("inception_v3", 75, 5 + 7 * 3 + 4 + 10 * 4 + 6 + 9 * 2, INCEPTION_V3, {1}),
    ("convnext_tiny", 32, 3 + 3 + 9 + 3, CONVNEXT_TINY, {3}),
    ("swin_t", 32, 2 + 2 + 6 + 2, SWIN_T, {3}),
    ("vit_b_16", 224, 12, 12 * 3072, {2}),
    ("regnet_y_400mf", 32, 1 + 4 * 16, REGNET_Y_400MF, {1}),
    ("shufflenet_v2_x1_0", 32, 1 + 2 * 16 + 3 + 1, SHUFFLENET, {1}),
    ("squeezenet1_0", 32, 1 + 3 * 8 + 1, SQUEEZENET, {1}),
    ("alexnet", 64, 5 + 2, ALEXNET, {1}),
]


@pytest.mark.parametrize(("name", "size", "count", "units", "axes"), TABLE, ids=[row[0] for row in TABLE])
def test_default_layers_of_known_networks(name, size, count, units, axes):
    table = neuroprobe.layers(neuroprobe.load_network(name, None), size)
    chosen = table[table.default]
    assert (len(chosen), chosen.units.sum(), set(chosen.unit_axis)) == (count, units, axes)
    assert [shape[axis] for shape, axis in zip(table["shape"], table.unit_axis, strict=True)] == table.units.tolist()


def test_the_numbers_of_the_design():
    assert (VGG16, RESNET20) == (12416, 688)


def test_rows_are_in_order_of_execution():
    table = neuroprobe.layers(neuroprobe.load_network("cnn7"))
    assert table.name.tolist()[:4] == ["conv1", "relu1", "bn1", "conv2"]
    assert table.loc[1, ["kind", "units", "shape", "unit_axis"]].tolist() == ["ReLU", 32, (1, 32, 30, 30), 1]


def test_the_mode_does_not_matter():
    network = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.Dropout(), nn.ReLU())
    assert names(network.train()) == names(network.eval()) == ["0", "1", "2", "3"]


# Names


def twice(net, x):
    return net.relu(net.b(net.relu(net.a(x))))


def test_a_module_called_twice_has_two_layers():
    assert defaults(Calls(twice, a=conv(), b=conv(4, 6), relu=nn.ReLU())) == ["relu:0", "relu:1"]


@pytest.mark.parametrize(("wanted", "units"), [("relu", [4, 6]), ("relu:0", [4]), ("relu:1", [6]), ("relu:*", [4, 6])])
def test_a_bare_name_means_all_calls(wanted, units):
    found = dry_run(Calls(twice, a=conv(), b=conv(4, 6), relu=nn.ReLU()), 8)
    assert [layer.units for layer in choose(found, wanted)] == units


ACTIVATIONS = {
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "x.relu": lambda x: x.relu(),
    "x.relu_": lambda x: x.relu_(),
    "torch.nn.functional.relu_": F.relu_,
}


@pytest.mark.parametrize("relu", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_functional_activations_are_named_after_where_they_run(relu):
    block = Calls(lambda net, x: relu(net.conv(x)), conv=conv())
    network = Calls(lambda net, x: relu(net.rest(net.block(x))), block=block, rest=nn.Sequential(conv(4)))
    assert defaults(network) == ["block/relu:0", "/relu:0"]


def test_functional_activations_in_containers():
    block = [Calls(lambda net, x: F.relu(F.relu(net.conv(x))), conv=conv(c)) for c in (3, 4)]
    assert defaults(nn.Sequential(*block)) == ["0/relu:0", "0/relu:1", "1/relu:0", "1/relu:1"]


def test_a_bare_function_means_all_its_calls():
    found = dry_run(Calls(lambda net, x: F.relu(F.relu(net.conv(x)) + 1), conv=conv()), 8)
    assert [layer.name for layer in choose(found, "/relu")] == ["/relu:0", "/relu:1"]


def test_an_activation_module_is_not_counted_again_as_a_function():
    assert names(nn.Sequential(conv(), nn.ReLU(), nn.GELU(), nn.SiLU(inplace=True))) == ["0", "1", "2", "3"]


def test_a_shared_module_has_one_name():
    relu = nn.ReLU()
    assert defaults(nn.Sequential(conv(), relu, conv(4), relu)) == ["1:0", "1:1"]


def test_activations_of_the_user_outside_the_forward_pass_are_not_seen():
    network = nn.Sequential(conv(), nn.ReLU())
    with neuroprobe.Probe(network) as probe:
        network(torch.rand(2, 3, 8, 8))
        F.relu(torch.rand(3))
    assert list(probe) == ["1"]


# Outputs of several tensors


@pytest.mark.parametrize("bidirectional", [False, True])
def test_parts_of_a_tuple_have_numbers(bidirectional):
    lstm = nn.LSTM(3, 5, batch_first=True, bidirectional=bidirectional)
    network = Calls(lambda net, x: net.lstm(x.flatten(2).transpose(1, 2))[0].mean(1), lstm=lstm)
    (layer,) = readable(network, 4)  # the states it ends in, (directions, images, features), do not start with images
    assert (layer.name, layer.shape, layer.unit_axis) == ("lstm[0]", (1, 16, 5 + 5 * bidirectional), 2)


def nested(_net, x):
    return {"maps": [x, {"double": 2 * x}], "count": len(x), "numbers": torch.arange(len(x))}


def test_parts_of_nested_outputs_have_keys():
    inner = Calls(nested)
    network = Calls(lambda net, x: net.inner(net.conv(x))["maps"][1]["double"], conv=conv(), inner=inner)
    assert names(network) == ["conv", "inner[maps][0]", "inner[maps][1][double]"]


def test_a_bare_name_means_all_parts():
    network = Calls(lambda net, x: net.both(x)[0], both=Calls(lambda _net, x: (x, x + 1)))
    assert [layer.name for layer in choose(dry_run(network, 4), "both")] == ["both[0]", "both[1]"]


def test_a_name_with_brackets_is_no_glob():
    network = Calls(lambda net, x: net.both(x)[0], both=Calls(lambda _net, x: (x, x + 1)))
    assert [layer.name for layer in choose(dry_run(network, 4), "both[1]")] == ["both[1]"]


def test_outputs_that_do_not_start_with_images_are_left_out():
    network = Calls(lambda net, x: net.scale(x) * x, scale=Calls(lambda _net, x: x.mean(0, keepdim=True)))
    assert names(network) == []


# Gates and outputs


def squeeze_excite(gate):
    def run(net, x):
        x = net.relu(net.conv(x))
        return net.head(gate(net, x, net.sigmoid(net.squeeze(x))))

    return run


def through_linear(net, x, gate):
    return x * gate[:, :, None, None]


GATES = {
    "conv": (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1)), lambda net, x, gate: x * gate),
    "in place": (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1)), lambda net, x, gate: x.mul_(gate)),
    "view": (linear(4, 4), lambda net, x, gate: gate.view(len(x), 4, 1, 1) * x),
    "expand": (linear(4, 4), lambda net, x, gate: x * gate.view(len(x), 4, 1, 1).expand_as(x)),
    "index": (linear(4, 4), through_linear),
    "scaled": (linear(4, 4), lambda net, x, gate: x * (2 * gate)[:, :, None, None]),
}


@pytest.mark.parametrize("sigmoid", [nn.Sigmoid(), nn.Hardsigmoid()])
@pytest.mark.parametrize(("squeeze", "gate"), GATES.values(), ids=GATES)
def test_gates_are_no_default_layers(squeeze, gate, sigmoid):
    network = Calls(squeeze_excite(gate), conv=conv(), relu=nn.ReLU(), squeeze=squeeze, sigmoid=sigmoid, head=linear())
    assert defaults(network) == ["relu"]


def test_functional_gates_are_no_default_layers():
    def run(net, x):
        x = F.silu(net.conv(x))
        return net.head(x * torch.sigmoid(net.squeeze(x)))

    assert defaults(Calls(run, conv=conv(), squeeze=nn.Conv2d(4, 4, 1), head=linear())) == ["/silu:0"]


@pytest.mark.parametrize("squash", [nn.Sigmoid, nn.Tanh])
def test_hidden_sigmoids_are_default_layers_and_output_sigmoids_not(squash):
    assert defaults(nn.Sequential(conv(), squash(), linear(), squash())) == ["1"]


def test_an_output_sigmoid_is_known_after_a_reshape():
    assert defaults(nn.Sequential(conv(), nn.Sigmoid(), linear(4, 1), nn.Sigmoid(), nn.Flatten(0))) == ["1"]


def test_a_scaled_sigmoid_is_no_gate():
    network = Calls(lambda net, x: net.head(2 * torch.sigmoid(net.conv(x)) - 1), conv=conv(), head=linear())
    assert defaults(network) == ["/sigmoid:0"]


# Unit axes


def test_tokens_and_maps_turned_about():
    def run(net, x):
        tokens = net.project(net.patches(x).flatten(2).transpose(1, 2))
        last = net.last(net.patches(x).permute(0, 2, 3, 1))
        return net.first(last.permute(0, 3, 1, 2)).mean((2, 3)) + tokens.mean(1)

    network = Calls(
        run, patches=nn.Conv2d(3, 6, 2, 2), project=nn.Linear(6, 6), last=nn.LayerNorm(6), first=nn.Identity()
    )
    found = {layer.name: (layer.shape, layer.unit_axis) for layer in dry_run(network, 8)}
    assert found["patches:0"] == ((1, 6, 4, 4), 1)
    assert found["project"] == ((1, 16, 6), 2)
    assert found["last"] == ((1, 4, 4, 6), 3)
    assert found["first"] == ((1, 6, 4, 4), 1)


@pytest.mark.parametrize("turn", ["swapaxes", "swapdims", "movedim", "moveaxis", "transpose"])
def test_axes_are_followed_however_they_are_moved(turn):
    network = Calls(lambda net, x: net.after(getattr(net.conv(x), turn)(1, 3)), conv=conv(), after=nn.Identity())
    assert dry_run(network, 8)[1].unit_axis == 3


def test_a_sequence_after_one_dimensional_convolutions():
    network = Calls(lambda net, x: net.relu(net.conv(x.flatten(2))), conv=nn.Conv1d(3, 7, 3), relu=nn.ReLU())
    assert [(layer.units, layer.unit_axis) for layer in dry_run(network, 4)] == [(7, 1), (7, 1)]


def test_the_unit_axis_given_holds():
    table = neuroprobe.layers(nn.Sequential(conv(), nn.ReLU()), 8, unit_axis={"1": -1})
    assert table.unit_axis.tolist() == [1, 3]
    assert table.units.tolist() == [4, 8]


@pytest.mark.parametrize("axis", [0, -4, 4, -5])
def test_a_wrong_unit_axis_is_an_error(axis):
    with pytest.raises(ValueError, match=rf"unit_axis of '1' must be an axis of \(1, 4, 8, 8\) .*; {axis} came"):
        neuroprobe.layers(nn.Sequential(conv(), nn.ReLU()), 8, unit_axis={"1": axis})


def test_a_unit_axis_of_an_unknown_layer_is_an_error():
    with pytest.raises(UnknownLayerError, match="no layer 'relu'"):
        neuroprobe.layers(nn.Sequential(conv(), nn.ReLU()), 8, unit_axis={"relu": 1})


# Choosing


@pytest.fixture(scope="module")
def cnn7_layers():
    return dry_run(neuroprobe.load_network("cnn7"))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("relu1", ["relu1"]),
        (["relu2", "conv1"], ["conv1", "relu2"]),  # in order of execution
        (["relu1", "relu[12]"], ["relu1", "relu2"]),  # once
        ("fc?", ["fc1", "fc2"]),
        ("conv*", [f"conv{i}" for i in range(1, 7)]),
        (None, [f"relu{i}" for i in range(1, 8)]),
    ],
)
def test_names_and_globs(cnn7_layers, wanted, expected):
    assert [layer.name for layer in choose(cnn7_layers, wanted)] == expected


@pytest.mark.parametrize(("wanted", "nearest"), [("relu", "relu7"), ("Conv1", "conv1"), ("features.relu1", "relu1")])
def test_a_wrong_name_lists_the_nearest(cnn7_layers, wanted, nearest):
    with pytest.raises(UnknownLayerError, match=rf"no layer '{wanted}' in this network; nearest: .*{nearest}"):
        choose(cnn7_layers, wanted)


def test_a_name_like_none_lists_what_there_is(cnn7_layers):
    with pytest.raises(UnknownLayerError, match=r"no layer 'xyz' .*; there are conv1, relu1, .*\(23 in all\)"):
        choose(cnn7_layers, "xyz")


def test_a_glob_that_fits_nothing_is_an_error(cnn7_layers):
    with pytest.raises(UnknownLayerError, match=r"no layer 'features\.\*'"):
        choose(cnn7_layers, ["relu1", "features.*"])


def test_an_unknown_layer_is_a_key_error_and_a_value_error():
    assert issubclass(UnknownLayerError, KeyError)
    assert issubclass(UnknownLayerError, ValueError)


def test_no_layers_is_an_error(cnn7_layers):
    with pytest.raises(ValueError, match="layers= is empty"):
        choose(cnn7_layers, [])


def test_a_network_without_a_non_linearity_has_no_defaults():
    found = dry_run(nn.Sequential(conv(), linear()), 8)
    with pytest.raises(ValueError, match=r"this network has none .* its layers are 0, 1\.0, 1\.1"):
        choose(found, None)


# What the call leaves, and refuses


@pytest.mark.parametrize("mode", [True, False])
def test_layers_leaves_the_model_alone(left_alone, mode):
    network = nn.Sequential(conv(), nn.BatchNorm2d(4, momentum=None), nn.Dropout(), nn.ReLU(inplace=True)).train(mode)
    with left_alone(network):
        neuroprobe.layers(network, 8)


def test_layers_leaves_the_model_alone_where_it_raises(left_alone):
    network = neuroprobe.load_network("cnn7").train()
    with (
        left_alone(network),
        pytest.raises(RuntimeError, match=r"Sequential raised RuntimeError: .*\n.*shape \(3, 3, 8, 8\), torch.float32"),
    ):
        neuroprobe.layers(network, 8)


def test_an_unknown_image_size_is_asked_for():
    with pytest.raises(ValueError, match=r"size of Sequential is not known .*: give input_size="):
        neuroprobe.layers(nn.Sequential(conv(), nn.ReLU()))


@pytest.mark.parametrize(
    ("size", "shape"), [(8, (1, 4, 8, 8)), ((8, 6), (1, 4, 8, 6)), ((3, 8, 6), (1, 4, 8, 6)), ([8, 6], (1, 4, 8, 6))]
)
def test_ways_to_give_a_size(size, shape):
    assert dry_run(nn.Sequential(conv()), size)[0].shape == shape


@pytest.mark.parametrize("size", [0, -8, 8.0, "8", (8, 0), (1, 2, 3, 4)])
def test_a_wrong_size_is_an_error(size):
    with pytest.raises(ValueError, match=r"input_size must be a side, .*; .* came"):
        neuroprobe.layers(nn.Sequential(conv()), size)


def test_grey_networks_get_grey_images():
    assert names(nn.Sequential(conv(1), nn.ReLU())) == ["0", "1"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    assert names(nn.Sequential(conv(), nn.ReLU()).to(dtype)) == ["0", "1"]
