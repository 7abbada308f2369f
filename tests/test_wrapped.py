"""Networks that are wrapped, compiled or quantised give what the plain one gives; scripted ones are refused."""

import warnings

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import neuroprobe
from neuroprobe.provenance import weights_digest

SIDE = 12
pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated"),
    pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor"),
    pytest.mark.filterwarnings("ignore:Please use quant_min and quant_max"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
]


class Network(nn.Module):
    """A functional activation and a module's, normalisation, a part of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.part = nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU())
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        return self.head(self.part(x).mean((2, 3)))


def network():
    torch.manual_seed(0)
    made = Network()
    nn.init.normal_(made.norm.running_mean, std=0.1)
    return made.eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(10, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    file = tmp_path_factory.mktemp("group") / "rendezvous"
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def compiled(made, **options):
    return torch.compile(made, backend="eager", **options)


def compiled_inside(made):
    made.part = compiled(made.part)
    return made


def compiled_in_place(made):
    made.compile(backend="eager")
    return made


WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "DistributedDataParallel": nn.parallel.DistributedDataParallel,
    "compiled": compiled,
    "compiled in one graph": lambda made: compiled(made, fullgraph=True),
    "compiled in place": compiled_in_place,
    "compiled inside": compiled_inside,
    "DataParallel, compiled": lambda made: nn.DataParallel(compiled(made)),
    "traced by fx": torch.fx.symbolic_trace,
}


@pytest.fixture(params=WRAPPERS.values(), ids=WRAPPERS)
def wrapped(request, group, images):
    """A wrapped network that has run before, so that what is compiled is compiled."""
    made = request.param(network())
    with torch.no_grad():
        made(images)
    return made


def plainly(name):
    """Return a layer's name in the plain network."""
    return "/relu:0" if name == "relu" else name.replace("._orig_mod", "")  # fx makes of a function a node


def same(wrapped_curves, plain_curves):
    assert [plainly(name) for name in wrapped_curves] == list(plain_curves)
    for one, other in zip(wrapped_curves.values(), plain_curves.values(), strict=True):
        assert_close(torch.as_tensor(one), torch.as_tensor(other), rtol=1e-5, atol=1e-6)


def recorded(model, images):
    curves = neuroprobe.record(model, images, preprocess=None).curves
    return {name: curve.values for name, curve in curves.items()}


def tuned(model, _images):
    stimuli = neuroprobe.stimuli.gratings(SIDE, orientations=4, frequencies=[0.1], phases=2)
    tuning = neuroprobe.orientation(model, stimuli=stimuli, preprocess=None, control="untrained", permutations=10)
    return {name: curve.values for name, curve in tuning.curves.items()}


def probed(model, images):
    with torch.no_grad(), neuroprobe.Probe(model) as probe:
        model(images)
    return dict(probe)


@pytest.mark.parametrize("call", [recorded, tuned, probed])
def test_calls_give_what_the_plain_network_gives(left_alone, wrapped, images, call):
    with left_alone(wrapped):
        found = call(wrapped, images)
    same(found, call(network(), images))


def test_ablation_gives_what_the_plain_network_gives(left_alone, wrapped, images):
    name = next(name for name in probed(wrapped, images) if plainly(name) == "part.1")
    plain = network()
    with torch.no_grad():
        intact = wrapped(images)
        with left_alone(wrapped), neuroprobe.ablate(wrapped, {name: [0, 3]}):
            held = wrapped(images)
        with neuroprobe.ablate(plain, {"part.1": [0, 3]}):
            assert_close(held, plain(images))
        assert_close(wrapped(images), intact)
    assert not torch.allclose(held, intact)


def test_impact_gives_what_the_plain_network_gives(left_alone, wrapped, images):
    labelled = (images, torch.arange(10) % 5)
    with left_alone(wrapped):
        impact = neuroprobe.unit_impact(wrapped, labelled, preprocess=None)
    plain = neuroprobe.unit_impact(network(), labelled, preprocess=None)
    assert impact.units.delta_loss.to_numpy() == pytest.approx(plain.units.delta_loss.to_numpy(), rel=1e-4, abs=1e-6)


def test_what_is_compiled_stays_compiled(images):
    graphs = []
    made = torch.compile(network(), backend=lambda graph, _inputs: graphs.append(graph) or graph.forward)
    with torch.no_grad():
        made(images)
        before = len(graphs)
        neuroprobe.record(made, images, preprocess=None)
        with neuroprobe.Probe(made):
            made(images)
        made(images)
    assert len(graphs) == before > 0  # neither run nor compiled anew


# Quantised


class Stubbed(nn.Module):
    """A network with the stubs that quantisation by hand wants."""

    def __init__(self):
        super().__init__()
        self.quantise, self.inner, self.dequantise = quantisation().QuantStub(), chain(), quantisation().DeQuantStub()

    def forward(self, x):
        return self.dequantise(self.inner(self.quantise(x)))


def quantisation():
    from torch.ao import quantization

    return quantization


def chain():
    torch.manual_seed(0)
    maps = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU())
    return nn.Sequential(*maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)).eval()


def dynamic(_images):
    return quantisation().quantize_dynamic(chain(), {nn.Linear}, dtype=torch.qint8)


def static(images):
    made = Stubbed().eval()
    made.qconfig = quantisation().get_default_qconfig("x86")
    prepared = quantisation().prepare(made)
    prepared(images)
    return quantisation().convert(prepared)


def fused(images):
    from torch.ao.quantization import quantize_fx

    prepared = quantize_fx.prepare_fx(chain(), quantisation().get_default_qconfig_mapping("x86"), (images,))
    prepared(images)
    return quantize_fx.convert_fx(prepared)


QUANTISED = {"dynamic": dynamic, "static": static, "fused": fused}


@pytest.fixture(params=QUANTISED.values(), ids=QUANTISED)
def quantised(request, images):
    return request.param(images)


def test_quantised_networks_give_nearly_what_the_plain_one_gives(left_alone, quantised, images):
    with left_alone(quantised):
        found = recorded(quantised, images)
    for one, other in zip(found.values(), recorded(chain(), images).values(), strict=True):
        assert abs(one - other).max() < 0.02 * abs(other).max()


def test_units_of_quantised_networks_are_held(quantised, images):
    name = list(probed(quantised, images))[-1]
    with torch.no_grad(), neuroprobe.ablate(quantised, {name: range(6)}):
        outputs = quantised(images)
    assert_close(outputs, outputs[:1].expand_as(outputs))  # of nothing, all images are the same
    assert not torch.allclose(quantised(images)[0], quantised(images)[1])


def test_impact_of_quantised_networks(quantised, images):
    labels = torch.arange(10) % 5
    impact = neuroprobe.unit_impact(quantised, (images, labels), preprocess=None)
    layer = impact.units.index[-1][0]
    with torch.no_grad():
        with neuroprobe.ablate(quantised, {layer: [2]}):
            held = F.cross_entropy(quantised(images), labels)
        expected = float(held - F.cross_entropy(quantised(images), labels))
    assert impact.units.delta_loss[layer, 2] == pytest.approx(expected, abs=1e-6)


def test_a_quantised_network_has_no_untrained_copy(left_alone, quantised):
    with (
        left_alone(quantised),
        pytest.raises(ValueError, match=r"control='untrained' .* are quantised: give a network"),
    ):
        neuroprobe.orientation(quantised, input_size=SIDE, preprocess=None, control="untrained")


def test_digests_tell_quantised_weights_apart(images):
    one, same_again = dynamic(images), dynamic(images)
    other = quantisation().quantize_dynamic(nn.Sequential(*chain()[:-1], nn.Linear(6, 5)), {nn.Linear})
    assert weights_digest(one) == weights_digest(same_again) != weights_digest(other)


# Refused


def scripted(images):
    return torch.jit.script(chain())


def traced(images):
    return torch.jit.trace(chain(), images)


def scripted_inside(images):
    return nn.Sequential(nn.Conv2d(3, 3, 1), torch.jit.script(chain()))


def exported(images):
    return torch.export.export(chain(), (images,))


def exported_module(images):
    return exported(images).module()


def exported_inside(images):
    return nn.Sequential(nn.Identity(), exported_module(images))


REFUSED = {
    "scripted": (scripted, "RecursiveScriptModule is scripted or traced, and its layers cannot be hooked: use the nn"),
    "traced": (traced, "TopLevelTracedModule is scripted or traced"),
    "scripted inside": (scripted_inside, "1 is scripted or traced"),
    "exported": (exported, r"a torch\.nn\.Module is wanted; ExportedProgram came .*: pass the nn\.Module itself"),
    "exported module": (exported_module, "GraphModule is exported, and its layers cannot be hooked"),
    "exported inside": (exported_inside, "1 is exported, and its layers cannot be hooked"),
}
CALLS = {
    "layers": lambda model, _images: neuroprobe.layers(model, SIDE),
    "record": recorded,
    "orientation": tuned,
    "unit_impact": lambda model, images: neuroprobe.unit_impact(model, (images, torch.arange(10) % 5), preprocess=None),
    "class_selectivity": lambda model, images: neuroprobe.class_selectivity(model, (images, torch.arange(10) % 2)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_hooked_is_refused(images, make, message, call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting is deprecated
        model = make(images)
    with pytest.raises(TypeError, match=message):
        call(model, images)


@pytest.mark.parametrize("make", [scripted, traced, scripted_inside, exported, exported_module])
def test_probes_and_ablations_of_them_are_refused(images, make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(images)
    with pytest.raises(TypeError, match="is wanted"):
        neuroprobe.Probe(model)
    with pytest.raises(TypeError, match="is wanted"), neuroprobe.ablate(model, {"0": [0]}):
        pass
