import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import neuroprobe
from neuroprobe.models import at_rest, device_of, dtype_of, forward_explained, left_as_found, reading, unwrap


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))


@pytest.fixture
def images():
    return torch.rand(4, 3, 6, 6)


# Unwrapping


def test_wrappers_are_taken_off():
    network = small()
    for wrapped in (network, nn.DataParallel(network), nn.DataParallel(nn.DataParallel(network))):
        assert unwrap(wrapped) is network


def test_what_torch_compile_returns_is_taken_off(images):
    network = small()
    compiled = torch.compile(network)
    assert unwrap(nn.DataParallel(compiled)) is network
    assert neuroprobe.layers(compiled, 6).name.tolist() == ["0", "1", "2", "3"]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("make", [torch.jit.script, lambda network: torch.jit.trace(network, torch.rand(4, 3, 6, 6))])
def test_scripted_networks_are_refused(make, inside):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting is deprecated
        network = make(small().eval())
    network, name = (nn.Sequential(nn.Identity(), network), "1") if inside else (network, type(network).__name__)
    with pytest.raises(TypeError, match=f"of Python modules is wanted; {name} is scripted or traced"):
        neuroprobe.layers(network, 6)


@pytest.mark.parametrize("model", ["cnn7", None, {}])
def test_what_is_no_module_is_refused(model):
    with pytest.raises(TypeError, match=rf"a torch\.nn\.Module is wanted; {type(model).__name__} came"):
        neuroprobe.layers(model, 6)


@pytest.mark.parametrize("model", [small, nn.ReLU])
def test_what_makes_a_network_is_to_be_called(model):
    name = model.__name__
    with pytest.raises(TypeError, match=rf"is wanted; {name} came, .*: pass what it makes, as in {name}\(\.\.\.\)"):
        neuroprobe.layers(model, 6)


def test_lazy_networks_are_refused(images):
    network = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU())
    with pytest.raises(ValueError, match=r"Sequential has lazy parameters .*: run one forward pass first"):
        neuroprobe.layers(network, 6)
    network(images)
    assert len(neuroprobe.layers(network, 6)) == 2


# Device and precision


def test_device_and_precision_are_those_of_the_first_tensor():
    network = small().double()
    assert (device_of(network), dtype_of(network)) == (torch.device("cpu"), torch.float64)
    assert dtype_of(nn.ReLU()) == torch.float32
    assert device_of(nn.Linear(1, 1, device="meta")) == torch.device("meta")


# Left as it was found


def everything(network, images):
    """Do to a network what forward passes and users' code may do to it."""
    network.train()
    network(images)
    network[1].running_mean = torch.ones(4)
    network[2].hidden, network[3].p = images, 0.1
    torch.rand(1), np.random.rand(1), random.random()  # noqa: NPY002, S311
    network.eval()


@pytest.mark.parametrize("mode", [True, False])
def test_modes_buffers_and_random_state_are_put_back(left_alone, images, mode):
    network = small().train(mode)
    network[1].train(not mode)
    with left_alone(network), left_as_found(network):
        everything(network, images)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_they_are_put_back_after_an_error(left_alone, images, error):
    network = small()

    def fail():
        with left_as_found(network):
            everything(network, images)
            raise error

    with left_alone(network), pytest.raises(error):
        fail()


def test_statistics_that_no_version_counts_are_put_back(images):
    network = small()
    before, version = network[1].running_var.clone(), network[1].running_var._version
    with left_as_found(network):
        network(images)
        assert network[1].running_var._version == version  # batch normalisation writes past autograd
    assert torch.equal(network[1].running_var, before)


def test_tensors_that_are_no_buffers_are_put_back():
    network = small()
    network[2].hidden = hidden = torch.zeros(3)
    with left_as_found(network):
        network[2].hidden.add_(1)
        network[2].hidden = torch.ones(5)
    assert network[2].hidden is hidden
    assert hidden.tolist() == [0, 0, 0]


def test_tensors_that_are_made_larger_are_put_back():
    network = small()
    network[2].scratch = scratch = torch.zeros(3)
    with left_as_found(network):
        scratch.resize_(2, 4)
    assert scratch.tolist() == [0, 0, 0]


def test_buffers_of_inference_tensors(images):
    with torch.inference_mode():
        network = small().eval()
    with at_rest(network):
        network(images)


def test_at_rest_is_eval_mode_without_gradients(left_alone, images):
    network = small()
    network[1].eval()
    with left_alone(network), at_rest(network):
        assert not any(module.training for module in network.modules())
        assert not network(images).requires_grad


# Errors of the forward pass


def test_an_error_says_what_the_network_was_given(images):
    message = r"forward pass of Sequential raised KeyError: 'a'\n.*shape \(4, 3, 6, 6\), torch\.float32 on cpu"
    with pytest.raises(RuntimeError, match=message), forward_explained(small(), images):
        raise KeyError("a")


def test_an_error_of_what_reads_is_its_own(images):
    with pytest.raises(KeyError, match=r"^'a'$"), forward_explained(small(), images), reading():
        raise KeyError("a")
