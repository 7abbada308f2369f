"""However a call ends, the model is as it was: drawn networks, states, calls, and places where something goes wrong."""

from collections import Counter

import numpy as np
import timm
import torch
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from small_networks import SMALL
from torchvision import models

import neuroprobe

IMAGES, CLASSES = 6, 5
ZOO = {
    "resnet": lambda: models.resnet18(num_classes=CLASSES),
    "mobilenet": lambda: models.mobilenet_v3_small(num_classes=CLASSES),
    "squeezenet": lambda: models.squeezenet1_1(num_classes=CLASSES),
    "shufflenet": lambda: models.shufflenet_v2_x0_5(num_classes=CLASSES),
    "densenet": lambda: models.DenseNet(8, (2, 2), 8, num_classes=CLASSES),
    "vit": lambda: models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=CLASSES),
    "swin": lambda: models.SwinTransformer([2, 2], 8, [2, 2], [2, 2], [4, 4], num_classes=CLASSES),
    "maxvit": lambda: models.MaxVit((32, 32), 8, 4, [8, 16], [1, 1], 8, 0.2, num_classes=CLASSES),
    "convnext": lambda: models.ConvNeXt([models.convnext.CNBlockConfig(8, None, 2)], 0.1, num_classes=CLASSES),
    "timm's vit": lambda: timm.create_model("test_vit3", img_size=32, num_classes=CLASSES),
    "timm's efficientnet": lambda: timm.create_model("test_efficientnet", num_classes=CLASSES),
    "timm's nfnet": lambda: timm.create_model("test_nfnet", num_classes=CLASSES),
}
SIDES = dict.fromkeys(SMALL, 16) | dict.fromkeys(ZOO, 32)
ERRORS = (ValueError, KeyboardInterrupt, MemoryError, SystemExit, GeneratorExit)


class Data(torch.utils.data.Dataset):
    """Random images with labels, read one by one."""

    def __init__(self, side, fault):
        self.images = torch.rand(IMAGES, 3, side, side, generator=torch.Generator().manual_seed(0))
        self.fault = fault

    def __len__(self):
        return IMAGES

    def __getitem__(self, index):
        np.random.rand(), torch.rand(1)  # noqa: NPY002 - as data that are augmented do
        self.fault("data")
        return self.images[index], index % 2


def stimuli(side):
    return neuroprobe.stimuli.gratings(side, orientations=3, frequencies=[0.1], phases=2)


CALLS = {
    "layers": lambda m, data, **_: neuroprobe.layers(m, data.images.shape[-1]),
    "record": lambda m, data, **how: neuroprobe.record(m, data, **how),
    "record *": lambda m, data, **how: neuroprobe.record(m, data, "*", reducers=["moments", "top_images"], **how),
    "orientation": lambda m, data, **how: neuroprobe.orientation(
        m, stimuli=stimuli(data.images.shape[-1]), permutations=3, control="untrained", **how
    ),
    "class_selectivity": lambda m, data, **how: neuroprobe.class_selectivity(m, data, permutations=3, **how),
    "shift_invariance": lambda m, data, **how: neuroprobe.shift_invariance(m, data, shifts=(1,), **how),
    "importance": lambda m, data, **how: neuroprobe.importance(
        m, data, method=["conductance", "gradient_x_activation"], steps=2, **how
    ),
    "unit_impact": lambda m, data, **how: neuroprobe.unit_impact(m, data, last_layer(m, data), **how),
    "screened": lambda m, data, **how: neuroprobe.unit_impact(m, data, screen=True, confirm=3, **how),
    "ablation": lambda m, data, **how: neuroprobe.ablation(
        m, data, neuroprobe.record(m, data, last_layer(m, data), **how).units["mean"], fractions=[0.5], repeats=1, **how
    ),
    "noise_curves": lambda m, data, **how: neuroprobe.noise_curves(
        m, data, last_layer(m, data), scales=[1.0], repeats=1, **how
    ),
    "ablate": lambda m, data, **how: ablated(m, data, **how),
    "Probe": lambda m, data, **how: probed(m, data, **how),
}


def last_layer(model, data):
    table = neuroprobe.layers(model, data.images.shape[-1])
    return [table[table.default].name.iloc[-1]]


def ablated(model, data, **how):
    batch_size = how.pop("batch_size")
    with neuroprobe.ablate(model, {last_layer(model, data)[0]: [0]}, value="mean", data=data, **how):
        return neuroprobe.record(model, data, batch_size=batch_size, **how)


def probed(model, data, *, preprocess, **_):
    with neuroprobe.Probe(model), torch.no_grad():
        model(preprocess(data.images))


class Fault:
    """Raises an error when a place is come to for the so-manieth time."""

    def __init__(self, place, times, error):
        self.place, self.times, self.error = place, times, error
        self.seen = Counter()

    def __call__(self, place):
        self.seen[place] += 1
        if place == self.place and self.seen[place] == self.times:
            raise self.error("injected")


def built(name, draw):
    """Build a network in a state of its own: modes, gradients, memory format, hooks, what the user has frozen."""
    torch.manual_seed(0)
    network = {**SMALL, **ZOO}[name]()
    modules, parameters = list(network.modules()), list(network.parameters())
    for module in modules:
        module.training = draw.random() < 0.5
    for parameter in parameters:
        parameter.requires_grad_(draw.random() < 0.9)
        parameter.grad = torch.rand_like(parameter) if draw.random() < 0.3 else None
    if draw.random() < 0.5:
        network.to(memory_format=torch.channels_last)
    draw.choice(modules).register_forward_hook(lambda *_: None)
    draw.choice(modules).register_buffer("of_the_user", torch.rand(3), persistent=False)
    return network


def failing(network, fault):
    """Let the fault stand in the forward pass of every module, by a class of its own, which copies keep."""
    for path, module in network.named_modules():
        kind = type(module)

        def forward(self, *args, _path=path, _forward=kind.forward, **named):
            fault(_path)
            return _forward(self, *args, **named)

        module.__class__ = type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink what fails takes minutes
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(sorted(SIDES)),
    call=st.sampled_from(sorted(CALLS)),
    error=st.sampled_from(ERRORS),
    times=st.sampled_from([0, 1, 1, 2, 3, 5, 9]),  # 0: nothing goes wrong
    where=st.sampled_from(["module", "module", "data", "preprocess"]),
    draw=st.randoms(use_true_random=False),
)
def test_the_model_is_as_it_was(left_alone, name, call, error, times, where, draw):
    network = built(name, draw)
    place = draw.choice([path for path, _ in network.named_modules()]) if where == "module" else where
    fault = Fault(place, times, error)
    failing(network, fault)

    def preprocess(images):
        fault("preprocess")
        return images - 0.5

    if call == "Probe":
        network.eval()  # its mode is the user's own, and so is what a forward pass does to buffers then
    with left_alone(network):
        event(ended(CALLS[call], network, Data(SIDES[name], fault), fault, preprocess=preprocess))


def ended(call, network, data, fault, **how):
    """Run a call and say how it ended: nothing but the fault may end it."""
    try:
        call(network, data, batch_size=4, progress=False, **how)
    except (fault.error, RuntimeError) as raised:  # the forward pass explains what it was given
        if "injected" not in str(raised):
            raise
        return "cut short"
    return "went through"
