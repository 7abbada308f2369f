"""What many tests share: real photographs and weights, and the check that a model is left as it was found.

The whole suite runs in two processes, file by file; what is asked for by name, in one.
"""

import os

os.environ["MPLBACKEND"] = "Agg"  # before anything imports matplotlib

import random
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import neuroprobe

PHOTOGRAPHS = 2000
PROCESSES = 2
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Ask pytest-xdist for the processes, where it is installed and neither ``-n`` nor ``--pdb`` says otherwise."""
    if hasattr(config, "workerinput"):  # in one of them
        return
    wanted = config.args_source is config.ArgsSource.TESTPATHS and not config.option.usepdb
    if wanted and getattr(config.option, "numprocesses", 0) is None:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # a core each
        config.option.numprocesses, config.option.dist = PROCESSES, "loadfile"  # files share what they measure
        config.option.loadscopereorder = False  # by their number of tests, which says little of their time


def pytest_configure():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as it is not in the background
    _keep_operations()


def _keep_operations():
    """Keep every operation that TorchScript knows, by its place in memory: torch.compile replaces some.

    A module that comes to lie in such a place can then not be scripted any more.
    """
    builtins, kept = torch.jit._builtins, []
    register = builtins._register_builtin

    def registered(operation, name):
        kept.append(operation)
        register(operation, name)

    builtins._register_builtin = registered


@pytest.fixture(scope="session")
def data_folder():
    given = os.environ.get("NEUROPROBE_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    missing = [name for name in ("cifar10.zip", "resnet20_cifar10.safetensors") if not (folder / name).is_file()]
    if missing:
        why = f"no {' and no '.join(missing)} in {folder}: set NEUROPROBE_DATA to the folder of real data"
        (pytest.fail if given or os.environ.get("CI") else pytest.skip)(why)
    return folder


@pytest.fixture(scope="session")
def photographs(data_folder):
    """Test photographs of CIFAR-10, (2000, 3, 32, 32) in [0, 1], and labels 0, 1, ..., 9, 0, 1, ... in turn."""
    with ZipFile(data_folder / "cifar10.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("test/") and name.endswith(".jpg"))
        of_class = [[name for name in names if f"/{label}/" in name] for label in CLASSES]
        chosen = [of_class[i % 10][i // 10] for i in range(PHOTOGRAPHS)]
        pixels = np.stack([np.asarray(Image.open(archive.open(name)).convert("RGB")) for name in chosen])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, torch.arange(PHOTOGRAPHS) % 10


@pytest.fixture
def resnet20(data_folder):
    return neuroprobe.load_network("resnet20", data_folder / "resnet20_cifar10.safetensors")


@pytest.fixture
def two_cores():
    """Have torch use two threads, as it does on a machine of two cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def left_alone():
    """Return a context: after it, however it ended, the model must be as it was before."""
    return _left_alone


@contextmanager
def _left_alone(model):
    model = getattr(model, "module", model)
    before = _traces(model)
    try:
        yield
    finally:
        after = _traces(model)
        for what, value in before.items():
            assert_close(
                after[what], value, rtol=0, atol=0, equal_nan=True, msg=lambda text, what=what: f"{what}: {text}"
            )


def _traces(model):
    """Everything a call may not change, as tensors and as lists of numbers (identities, modes)."""
    modules = list(model.modules())
    parameters, buffers = list(model.parameters()), list(model.buffers())
    numpy = np.random.get_state()  # noqa: NPY002 - the state others share
    return {
        "threads": [torch.get_num_threads()],
        "attributes": [hash(frozenset(vars(module))) for module in modules],
        "hooks": [id(hook) for module in modules for hook in _hooks(module)],
        "training": [module.training for module in modules],
        "compiled calls": [id(module._compiled_call_impl) for module in modules],
        "parameters, which": [id(parameter) for parameter in parameters],
        "parameters, where": [parameter.data_ptr() for parameter in parameters],
        "parameters, strides": [list(parameter.stride()) for parameter in parameters],
        "parameters, with gradients": [parameter.requires_grad for parameter in parameters],
        "parameters": [parameter.detach().clone() for parameter in parameters],
        "gradients, which": [id(parameter.grad) for parameter in parameters],
        "gradients": [torch.zeros(0) if p.grad is None else p.grad.clone() for p in parameters],
        "buffers, which": [id(buffer) for buffer in buffers],
        "buffers, where": [buffer.data_ptr() for buffer in buffers],
        "buffers, strides": [list(buffer.stride()) for buffer in buffers],
        "buffers": [buffer.clone() for buffer in buffers],
        "random state of torch": torch.get_rng_state(),
        "random state of numpy": [torch.from_numpy(numpy[1].astype(np.int64)), numpy[2]],
        "random state of Python": hash(random.getstate()),
        "gradients on": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "modes of torch functions": torch._C._len_torch_function_stack(),
        "compiler": hash(str(_stance())),
    }


def _stance():
    """Return whether the compiler compiles, as it does by default; it may be loaded at any time."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    return compiler._stance.stance if compiler else "default"


def _hooks(module):
    """Yield every entry of every kind of hook: forward, pre, backward, with keywords, always called."""
    for name, held in vars(module).items():
        if "hooks" in name and held:
            yield from [name, *held, *held.values()]
