"""Our methods against captum's, and captum's own where captum can go."""

import pytest
import torch
from captum import attr
from torch import nn
from torch.testing import assert_close

from neuroprobe import importance, load_network
from neuroprobe.analysis.captum_methods import PATH_METHODS

CAPTUMS = [*PATH_METHODS, "deeplift"]


@pytest.fixture
def cnn7():
    return load_network("cnn7").eval()


@pytest.fixture(scope="module")
def given(photographs):
    """Normalised photographs and labels."""
    pixels, labels = (part[:6] for part in photographs)
    return (pixels - 0.47) / 0.25, labels


def column(network, given, layer, method, **keywords):
    units = importance(network, given, layer, method=method, preprocess=None, **keywords).units
    return torch.tensor(units[method].to_numpy())


def by_unit(attribution):
    attribution = attribution.detach().double()
    return (attribution.flatten(2).sum(2) if attribution.ndim > 2 else attribution).mean(0)


class Reused(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.out, self.relu = nn.Linear(3072, 4), nn.Linear(4, 4), nn.Linear(4, 10), nn.ReLU()

    def forward(self, x):
        return self.out(self.relu(self.two(self.relu(self.one(x.flatten(1))))))


@pytest.mark.parametrize("layer", ["relu1", "bn4", "relu7"])
def test_gradient_x_activation_is_captums(cnn7, given, layer):
    images, labels = given
    theirs = attr.LayerGradientXActivation(cnn7, cnn7.get_submodule(layer)).attribute(images, labels)
    assert_close(column(cnn7, given, layer, "gradient_x_activation"), by_unit(theirs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layer", ["relu1", "bn4", "relu7"])
def test_conductance_is_captums_with_the_gradient_taken_at_both_ends_of_a_step(cnn7, given, layer):
    images, labels = given
    zeros, theirs = torch.zeros_like(images), attr.LayerConductance(cnn7, cnn7.get_submodule(layer))
    rule = {"target": labels, "n_steps": 10, "method": "riemann_trapezoid"}  # equal steps, the gradient at their start
    there, back = theirs.attribute(images, zeros, **rule), theirs.attribute(zeros, images, **rule)
    ours = column(cnn7, given, layer, "conductance", steps=10)
    assert_close(ours, by_unit((there - back) / 2), rtol=1e-4, atol=1e-5)


def test_conductance_is_what_captums_comes_to_with_many_steps(cnn7, given):
    images, labels = given
    theirs = attr.LayerConductance(cnn7, cnn7.relu6)
    few, many = (by_unit(theirs.attribute(images, target=labels, n_steps=n, internal_batch_size=12)) for n in (25, 200))
    ours = column(cnn7, given, "relu6", "conductance", steps=25)
    assert (ours - many).norm() < 0.03 * many.norm()
    assert (few - many).norm() > (ours - many).norm()  # captum's rule takes the gradient at one end


@pytest.mark.parametrize(("method", "name"), PATH_METHODS.items())
def test_path_methods_are_captums(cnn7, given, method, name):
    images, labels = given
    theirs = getattr(attr, name)(cnn7, cnn7.relu5).attribute(images, target=labels, n_steps=8)
    assert_close(column(cnn7, given, "relu5", method, steps=8), by_unit(theirs), rtol=1e-4, atol=1e-6)


def test_deeplift_adds_up_to_the_change_of_the_logit(cnn7, given):
    images, labels = given
    change = (cnn7(images) - cnn7(torch.zeros_like(images))).gather(1, labels[:, None]).mean().item()
    for layer in ("relu1", "relu4", "relu7"):
        assert column(cnn7, given, layer, "deeplift").sum().item() == pytest.approx(change, rel=1e-3)


def test_a_linear_network_is_the_same_by_every_method_that_multiplies(given):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4, bias=False), nn.Linear(4, 10))
    methods = ["conductance", "gradient_x_activation", "integrated_gradients", "deeplift"]
    units = importance(network, given, "1", method=methods, preprocess=None, steps=3).units
    for method in methods:
        assert units[method].to_numpy() == pytest.approx(units.conductance.to_numpy(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("method", CAPTUMS)
def test_modules_in_place_are_as_others(given, method):
    def network(in_place):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(in_place), nn.Flatten(), nn.Linear(3600, 10)
        )

    for layer in "012":
        assert_close(*(column(network(in_place), given, layer, method, steps=4) for in_place in (False, True)))


@pytest.mark.parametrize("method", CAPTUMS)
def test_the_network_is_left_alone(left_alone, cnn7, given, method):
    cnn7.train()
    cnn7(given[0]).sum().backward()
    with left_alone(cnn7):
        importance(cnn7, given, ["relu3", "relu5"], method=method, steps=2, preprocess=None)


@pytest.mark.parametrize("method", CAPTUMS)
def test_the_network_is_left_alone_after_an_exception(left_alone, given, method):
    class Raises(nn.Module):
        def forward(self, x):
            if torch.is_grad_enabled():
                raise ValueError("no gradients today")
            return x

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(True), nn.Flatten(), Raises(), nn.Linear(3600, 10))
    with left_alone(network), pytest.raises((ValueError, RuntimeError), match="no gradients today"):
        importance(network, given, "1", method=method, steps=2, preprocess=None)


class Adds(nn.Module):
    """A network that writes into its input and, where it is asked to, into a convolution's output."""

    def __init__(self, in_place):
        super().__init__()
        self.conv, self.out, self.in_place = nn.Conv2d(3, 3, 3, padding=1), nn.Linear(3072, 10), in_place

    def forward(self, x):
        x = x.mul_(2)
        y = self.conv(x)
        if self.in_place:
            y += x
        return self.out((y if self.in_place else y + x).flatten(1))


@pytest.mark.parametrize("method", CAPTUMS)
def test_a_network_that_writes_into_its_input(left_alone, given, method):
    torch.manual_seed(0)
    network, images = Adds(in_place=False), given[0].clone()
    with left_alone(network):
        assert column(network, given, "conv", method, steps=2).any()
    assert_close(given[0], images, rtol=0, atol=0)


# Where captum cannot go


def test_a_layer_that_is_written_into_is_refused(left_alone, given):
    network = Adds(in_place=True)
    wanted = r"layer 'conv', for the network writes into its output .*: use 'conductance'"
    with left_alone(network), pytest.raises(ValueError, match=wanted):
        importance(network, given, "conv", method="integrated_gradients", preprocess=None)
    assert column(network, given, "conv", "conductance", steps=2).any()


@pytest.mark.parametrize("method", CAPTUMS)
def test_a_function_is_refused(left_alone, resnet20, given, method):
    wanted = f"{method} is captum's, .* layer 'layer1.0/relu:0' is a function, .* use 'conductance'"
    with left_alone(resnet20), pytest.raises(ValueError, match=wanted):
        importance(resnet20, given, "layer1.0/relu:0", method=method, preprocess=None)


@pytest.mark.parametrize("method", CAPTUMS)
def test_a_module_called_again_is_refused(given, method):
    with pytest.raises(ValueError, match="layer 'relu:1' is one of 2 calls of 'relu'"):
        importance(Reused(), given, "relu:1", method=method, preprocess=None)


def test_one_of_several_tensors_is_refused(given):
    class Two(nn.Module):
        def forward(self, x):
            return x, x + 1

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.two, self.out = Two(), nn.Linear(3072, 10)

        def forward(self, x):
            return self.out(self.two(x)[1].flatten(1))

    with pytest.raises(ValueError, match=r"layer 'two\[1\]' is one of several tensors"):
        importance(Net(), given, "two[1]", method="deeplift", preprocess=None)


def test_deeplift_of_a_network_that_calls_a_relu_again_is_refused(left_alone, given):
    network = Reused()
    with left_alone(network), pytest.raises(ValueError, match="'relu' is called 2 times"):
        importance(network, given, "two", method="deeplift", preprocess=None)


def test_deeplift_that_does_not_see_functional_relus_is_refused(left_alone, resnet20, given):
    wanted = r"misses \d+\.\d% of the change of the logits, more than the 1% .* this network has '/relu:0'"
    with left_alone(resnet20), pytest.raises(RuntimeError, match=wanted):
        importance(resnet20, given, "layer2.0", method="deeplift", preprocess=None)
