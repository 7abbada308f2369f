"""Measured by two cores at once and by one: the same, and the model is left alone."""

import threading
from types import SimpleNamespace

import pytest
import torch
from pandas.testing import assert_frame_equal
from small_networks import SIDE, built, chain

import neuroprobe
from neuroprobe.holding import Holder
from neuroprobe.readout import Rectifier
from neuroprobe.reducers import Moments

LAYERS = ["layer1.0/relu:0", "layer2.0", "layer3.2"]


@pytest.fixture
def gratings():
    return neuroprobe.stimuli.gratings(32, orientations=4, frequencies=2, phases=2)


@pytest.fixture
def workers(monkeypatch):
    """Return the threads in which layers were read or units held."""
    seen = set()

    def noted(method):
        def noting(*args, **kwargs):
            seen.add(threading.get_ident())
            return method(*args, **kwargs)

        return noting

    monkeypatch.setattr(Rectifier, "__call__", noted(Rectifier.__call__))
    monkeypatch.setattr(Holder, "_replacement", noted(Holder._replacement))
    return seen


def orientation(model, _photographs, gratings):
    return neuroprobe.orientation(model, LAYERS, gratings, permutations=20, batch_size=7).units


def class_selectivity(model, photographs, _gratings):
    return neuroprobe.class_selectivity(model, photographs, LAYERS, permutations=20, batch_size=33).units


def impact(model, photographs, _gratings):
    some = [part[:40] for part in photographs]
    return neuroprobe.unit_impact(model, tuple(some), ["layer3.1", "layer3.2"], value="noise").units


def recording(model, photographs, _gratings):
    return neuroprobe.record(model, photographs[0], LAYERS, batch_size=33).units


@pytest.mark.parametrize("measure", [orientation, class_selectivity, impact, recording])
def test_two_cores_measure_what_one_measures(resnet20, photographs, gratings, two_cores, left_alone, workers, measure):
    some = [part[:300] for part in photographs]
    with left_alone(resnet20):
        shared = measure(resnet20, tuple(some), gratings)
    assert measure is recording or len(workers - {threading.get_ident()}) >= 2  # which rectifies nothing
    torch.set_num_threads(1)
    assert_frame_equal(shared, measure(resnet20, tuple(some), gratings), rtol=1e-3, atol=1e-4)


def test_whole_maps_are_kept_as_they_are(resnet20, photographs, two_cores):
    images = photographs[0][:5]
    shared = neuroprobe.record(resnet20, images, LAYERS, reduce="none", batch_size=3).curves
    torch.set_num_threads(1)
    alone = neuroprobe.record(resnet20, images, LAYERS, reduce="none", batch_size=5).curves
    for layer in LAYERS:
        torch.testing.assert_close(torch.tensor(shared[layer].values), torch.tensor(alone[layer].values))


def test_a_single_image_is_not_shared(resnet20, photographs, two_cores):
    assert len(neuroprobe.record(resnet20, photographs[0][:1], LAYERS).curves["layer3.2"]) == 1


def test_images_of_several_sizes(resnet20, photographs, two_cores):
    batches = [photographs[0][first : first + 8, :, :side, :side] for first in range(0, 80, 8) for side in (32, 24)]
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    shared = neuroprobe.record(resnet20, loader, LAYERS)
    torch.set_num_threads(1)
    assert_frame_equal(shared.units, neuroprobe.record(resnet20, loader, LAYERS).units, rtol=1e-3, atol=1e-4)


def test_a_reducer_may_measure_in_the_middle_of_a_pass(resnet20, photographs):
    loader = torch.utils.data.DataLoader([photographs[0][:2, :, :side, :side] for side in (32, 24)], batch_size=None)

    def nested(seen):
        neuroprobe.record(resnet20, loader, LAYERS[:1])
        return Moments.of(seen)

    recording = neuroprobe.record(resnet20, loader, LAYERS[:1], reducers={"nested": nested})
    assert recording.reduced["nested"][LAYERS[0]].count == 4


@pytest.mark.usefixtures("two_cores")
def test_weights_that_are_not_finite_are_named(resnet20, gratings, left_alone):
    resnet20.layer2[0].conv2.weight.data[3] = torch.nan
    with left_alone(resnet20), pytest.raises(ValueError, match=r"layer 'layer2\.0' gave NaN or infinite responses"):
        neuroprobe.orientation(resnet20, LAYERS, gratings)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_who_stops_half_way_leaves_the_model_alone(resnet20, gratings, left_alone, monkeypatch, error):
    def fails(*_):
        raise error("stopped")

    monkeypatch.setattr(Rectifier, "__call__", fails)
    before = threading.active_count()
    with left_alone(resnet20), pytest.raises(error, match="stopped"):
        neuroprobe.orientation(resnet20, LAYERS, gratings)
    assert threading.active_count() == before


@pytest.mark.usefixtures("two_cores")
def test_little_memory_is_for_one_core():
    images, labels = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)), torch.arange(4) % 2
    enough = next(memory for memory in range(1000, 10**6, 1000) if _suffices(images, labels, memory))
    tight = neuroprobe.unit_impact(built(chain), (images, labels), preprocess=None, memory=enough)
    roomy = neuroprobe.unit_impact(built(chain), (images, labels), preprocess=None)
    assert_frame_equal(tight.units, roomy.units, rtol=1e-4, atol=1e-5)


def _suffices(images, labels, memory):
    try:
        neuroprobe.unit_impact(built(chain), (images, labels), preprocess=None, memory=memory)
    except ValueError:
        return False
    return True


def test_a_negative_value_that_one_of_many_threads_sees_is_remembered():
    rectifier, layer = Rectifier(), SimpleNamespace(name="act", never_negative=False)
    maps = [torch.full((1, 1), float(value)) for value in [1] * 50 + [-1] + [1] * 50]
    threads = [threading.Thread(target=rectifier, args=(layer, map_)) for map_ in maps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rectifier.is_signed(layer)
