import torch
from torch import nn

import neuroprobe
from neuroprobe.provenance import weights_digest


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_equal_weights_have_equal_digests():
    assert weights_digest(network()) == weights_digest(network().to(memory_format=torch.channels_last).eval())


def test_every_weight_and_buffer_counts():
    digests = {weights_digest(network())}
    for name in network().state_dict():
        changed = network()
        changed.state_dict()[name].flatten()[-1:].add_(1)
        digests.add(weights_digest(changed))
    assert len(digests) == 1 + len(network().state_dict())


def test_names_shapes_and_precision_count():
    plain = nn.Linear(2, 3, bias=False)
    nn.init.zeros_(plain.weight)
    others = [nn.ModuleDict({"a": plain}), nn.Linear(3, 2, bias=False), nn.Linear(2, 3, bias=False).double()]
    for other in others[1:]:
        nn.init.zeros_(other.weight)
    assert len({weights_digest(model) for model in (plain, *others)}) == 4


def test_any_precision_has_a_digest():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert len(weights_digest(network().to(dtype))) == 32


def test_meta_names_the_network_and_what_ran():
    meta = neuroprobe.record(neuroprobe.load_network("cnn7"), torch.rand(2, 3, 32, 32), "relu1").meta
    assert meta["model_class"] == "torch.nn.modules.container.Sequential"
    assert torch.__version__.startswith(meta["versions"]["torch"])
    assert meta["versions"]["neuroprobe"] not in ("", None)
