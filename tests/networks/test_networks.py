import sys
from urllib.error import URLError

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.testing import assert_close

import neuroprobe
from neuroprobe.networks import CNN7_WEIGHTS, cnn7, load_network
from neuroprobe.networks.resnet20 import ResNet20


@torch.no_grad()
def accuracy(network, photographs):
    images, labels = photographs
    logits = neuroprobe.record(network, images, "fc2").curves["fc2"].values
    return (torch.from_numpy(logits).argmax(1) == labels).double().mean().item()


@pytest.fixture(scope="module")
def cnn7_facts():
    """What training noted beside the weights."""
    with safe_open(CNN7_WEIGHTS, "pt") as file:
        return file.metadata()


# Our own


def test_cnn7_knows_the_photographs(photographs):
    assert accuracy(load_network("cnn7"), photographs) >= 0.82


def test_the_accuracy_noted_beside_the_weights(cnn7_facts):
    assert float(cnn7_facts["test_accuracy"]) == pytest.approx(0.8418, abs=1e-4)


def test_the_normalisation_is_that_of_the_training(cnn7_facts):
    noted = load_network("cnn7").pretrained_cfg
    for key in ("mean", "std"):
        assert noted[key] == pytest.approx([float(x) for x in cnn7_facts[key].strip("[]").split(",")], abs=1e-5)


def test_the_layers_of_cnn7():
    convolutions = [module for module in cnn7().modules() if isinstance(module, nn.Conv2d)]
    assert [(c.out_channels, c.stride, c.padding) for c in convolutions] == [
        (width, (stride, stride), (0, 0)) for width in (32, 64, 128) for stride in (1, 2)
    ]
    assert [name for name, _ in cnn7().named_children()][:6] == ["conv1", "relu1", "bn1", "conv2", "relu2", "bn2"]


@pytest.mark.parametrize("name", ["cnn7", "resnet20", "squeezenet1_1"])
def test_networks_come_in_eval_mode(name):
    assert not any(module.training for module in load_network(name, None).modules())


def test_weights_none_are_random():
    torch.manual_seed(0)
    first, second = (load_network("cnn7", None).fc2.weight for _ in range(2))
    assert not torch.equal(first, second)


def test_resnet20_wants_its_weights():
    with pytest.raises(ValueError, match=r"resnet20 has no weights in the package: give weights=FILE, or weights=None"):
        load_network("resnet20")


def test_the_size_of_resnet20():
    network = ResNet20()
    assert sum(parameter.numel() for parameter in network.parameters()) == 269_722
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@torch.no_grad()
def test_shortcuts_of_resnet20_slice_and_pad():
    block = ResNet20().eval().layer2[0]
    for name in ("bn1", "bn2"):
        nn.init.zeros_(getattr(block, name).weight)  # only the shortcut is left
    images = torch.rand(1, 16, 4, 4)
    expected = torch.cat([torch.zeros(1, 8, 2, 2), images[:, :, ::2, ::2], torch.zeros(1, 8, 2, 2)], 1)
    assert_close(block(images), expected)


# By name


@pytest.mark.parametrize(
    ("name", "nearest"), [("vgg_16", "vgg16"), ("resnet-18", "resnet18"), ("cnn_7", "cnn7"), ("ResNet20", "resnet20")]
)
def test_an_unknown_name_lists_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=rf"there is no network '{name}'; nearest: .*{nearest}"):
        load_network(name)


def test_detectors_are_no_classifiers():
    with pytest.raises(ValueError, match="there is no network 'fasterrcnn_resnet50_fpn'"):
        load_network("fasterrcnn_resnet50_fpn", None)


def test_published_weights_that_cannot_be_downloaded(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    message = rf"of squeezenet1_1 .*no route to host.*/squeezenet1_1-\w+\.pth elsewhere .* {tmp_path}/hub/checkpoints"
    with pytest.raises(ConnectionError, match=message):
        load_network("squeezenet1_1")


def test_timm_networks():
    pytest.importorskip("timm")
    network = load_network("timm:resnet18", None)
    assert len(neuroprobe.layers(network, 32).query("default")) == 17


def test_an_unknown_timm_name_lists_the_nearest():
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"timm has no model 'resnet_18'; nearest: .*resnet18"):
        load_network("timm:resnet_18", None)


def test_timm_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"needs timm: install neuroprobe with its extra, \[timm\]"):
        load_network("timm:resnet18")


# A user's own

SOURCE = """
from torch import nn
import parts_of_a_user

def build():
    return nn.Sequential(nn.Linear(2, parts_of_a_user.WIDTH)).train()

def weights():
    return {}

WIDTH = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a module of a user's, with a neighbour that it imports."""
    (tmp_path / "net_of_a_user.py").write_text(SOURCE)
    (tmp_path / "parts_of_a_user.py").write_text("WIDTH = 5")
    yield tmp_path
    for name in ("net_of_a_user", "parts_of_a_user"):
        sys.modules.pop(name, None)


def test_a_function_in_a_file(own):
    before = list(sys.path)
    network = load_network(f"{own}/net_of_a_user.py:build")
    assert (network[0].out_features, network.training) == (5, False)
    assert sys.path == before


def test_a_function_in_a_module(own, monkeypatch):
    monkeypatch.chdir(own)
    assert load_network("net_of_a_user:build")[0].out_features == 5


def test_a_function_in_a_package():
    assert isinstance(load_network("neuroprobe.networks.cnn7:cnn7"), nn.Sequential)


def test_a_function_with_a_checkpoint(own, tmp_path):
    torch.save({"0.weight": torch.ones(5, 2), "0.bias": torch.zeros(5)}, tmp_path / "weights.pt")
    network = load_network(f"{own}/net_of_a_user.py:build", tmp_path / "weights.pt")
    assert (network[0].weight == 1).all()


def test_a_function_that_returns_something_else(own):
    with pytest.raises(TypeError, match=r"net_of_a_user\.py:weights must return a torch\.nn\.Module; it returned dict"):
        load_network(f"{own}/net_of_a_user.py:weights")


@pytest.mark.parametrize("name", ["bild", "WIDTH"])
def test_a_function_that_is_not_there(own, name):
    with pytest.raises(ValueError, match=rf"has no function '{name}'; it has build, weights"):
        load_network(f"{own}/net_of_a_user.py:{name}")


def test_of_many_functions_the_nearest_are_named():
    with pytest.raises(ValueError, match=r"no function 'resnet'; it has resnet\d+, .*\.\.\. \(\d\d\d in all\)"):
        load_network("torchvision.models:resnet")


@pytest.mark.parametrize(
    ("source", "said"), [("x = (", "SyntaxError: .* line 1"), ("import nowhere_at_all", "nowhere")]
)
def test_a_file_that_does_not_run(tmp_path, source, said):
    (tmp_path / "broken_net.py").write_text(source)
    with pytest.raises(ImportError, match=rf"broken_net\.py raised .*{said}"):
        load_network(f"{tmp_path}/broken_net.py:build")
    assert "broken_net" not in sys.modules


def test_a_file_without_the_name_of_a_function():
    with pytest.raises(ValueError, match=r"net\.py is a file: .* as net\.py:function"):
        load_network("net.py")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"there is no file {tmp_path}/net\.py with a function"):
        load_network(f"{tmp_path}/net.py:build")


def test_a_module_that_is_not_there():
    with pytest.raises(ValueError, match=r"no module 'nowhere\.net' .*a file is given as path/to/file\.py:function"):
        load_network("nowhere.net:build")
