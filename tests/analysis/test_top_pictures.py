from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import neuroprobe
from neuroprobe.analysis.top_pictures import top_pictures


@pytest.fixture
def cnn7():
    return neuroprobe.load_network("cnn7")


def test_pictures_are_those_of_the_largest_responses(cnn7):
    images, labels = torch.rand(40, 3, 32, 32), torch.arange(40) % 10
    responses = neuroprobe.record(cnn7, images, ["relu5"], progress=False)
    recording = neuroprobe.record(cnn7, (images, labels), ["relu5"], reducers=["top_images"], progress=False)
    (row,) = top_pictures(recording, (images, labels), [("relu5", 4)])
    of_unit = responses.curves["relu5"].sel(unit=4).to_numpy()
    order = np.argsort(-of_unit, kind="stable")[:9]
    assert [picture.class_name for picture in row] == [str(number % 10) for number in order]
    assert all(torch.equal(picture.image, images[number]) for picture, number in zip(row, order, strict=True))
    np.testing.assert_allclose([picture.response for picture in row], of_unit[order], rtol=1e-6)
    assert responses.top_images("relu5").images[4].tolist() == order.tolist()


def test_photographs_of_a_folder_are_cut_as_the_network_was_shown_them(cnn7, tmp_path):
    (tmp_path / "wide").mkdir()
    for number in range(3):
        wide = np.random.default_rng(number).integers(0, 255, (40, 64, 3), dtype=np.uint8)
        Image.fromarray(wide).save(tmp_path / "wide" / f"{number}.png")
    recording = neuroprobe.record(cnn7, tmp_path, ["relu1"], reducers=["top_images"], progress=False)
    ((best, *_),) = top_pictures(recording, tmp_path, [("relu1", 0)], cnn7)
    assert best.image.shape == (3, 32, 32)
    assert best.class_name == "wide"
    ((alone, *_),) = top_pictures(recording, tmp_path, [("relu1", 0)])
    assert torch.equal(alone.image, best.image)


def test_photographs_have_the_size_that_was_asked_for_a_network_of_ones_own(tmp_path):
    for number, (high, wide) in enumerate([(40, 64), (50, 30), (32, 32)]):
        (tmp_path / "all").mkdir(exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 255, (high, wide, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "all" / f"{number}.png")
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    how = {"reducers": ["top_images"], "preprocess": None, "progress": False}
    recording = neuroprobe.record(network, tmp_path, ["1"], input_size=24, **how)
    assert recording.meta["input_size"] == [3, 24, 24]
    unit = int(recording.top("1", 1, by="mean").index[0][1])
    (row,) = top_pictures(recording, tmp_path, [("1", unit)], network)
    assert {picture.image.shape for picture in row} == {(3, 24, 24)}
    top, bottom, left, right = row[0].box
    assert (bottom - top, right - left) == (3, 3)


def test_a_linear_layer_has_no_place(cnn7):
    images = torch.rand(4, 3, 32, 32)
    recording = neuroprobe.record(cnn7, images, ["relu7"], reducers=["top_images"], progress=False)
    unit = int(recording.top("relu7", 1, by="mean").index[0][1])
    for model in (None, cnn7):
        ((best, *_),) = top_pictures(recording, images, [("relu7", unit)], model)
        assert best.box is None


def test_tokens_lie_where_their_patch_lies():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.act = nn.Conv2d(3, 5, 4, 4), nn.GELU()

        def forward(self, images):
            return self.act(self.embed(images).flatten(2).transpose(1, 2))

    images = torch.zeros(2, 3, 16, 16)
    images[1, :, 8:12, 4:8] = 1  # the patch in row 2, column 1
    network = Patches()
    network.embed.weight.data.fill_(1), network.embed.bias.data.fill_(0)
    recording = neuroprobe.record(network, images, ["act"], reducers=["top_images"], preprocess=None, progress=False)
    (row,) = top_pictures(recording, images, [("act", 2)])
    assert [picture.box for picture in row] == [(8, 12, 4, 8)]  # the grey image gave no response


def test_a_recording_without_top_images_says_how_to_make_them(cnn7):
    images = torch.rand(4, 3, 32, 32)
    recording = neuroprobe.record(cnn7, images, ["relu1"], reducers=["moments"], progress=False)
    with pytest.raises(ValueError, match=r'holds moments and no top images.*reducers=\["top_images"\]'):
        top_pictures(recording, images, [("relu1", 0)])


def others(images):
    return {
        "fewer": (images[:2], "30 of them; 2 came"),
        "twice as many": (torch.cat([images, images]), "30 of them; 60 came"),
        "backwards": (images.flip(0), r"image \d+ is another, of shape \(3, 32, 32\): give them in the same order"),
        "random": (torch.rand(30, 3, 32, 32), r"image \d+ is another"),
        "half the size": (images[:, :, ::2, ::2], r"image \d+ is another, of shape \(3, 16, 16\)"),
        "normalised": ((images - 0.5) / 0.2, r"image \d+ is another"),
    }


@pytest.mark.parametrize("reducers", [["top_images"], None], ids=["top images", "every response"])
@pytest.mark.parametrize("kind", others(torch.zeros(30, 3, 32, 32)))
def test_other_data_are_refused(resnet20, photographs, reducers, kind):
    images, layer = photographs[0][:30], "layer1.1/relu:0"
    recording = neuroprobe.record(resnet20, images, [layer], reducers=reducers, progress=False)
    top_pictures(recording, images, [(layer, 12)])
    data, said = others(images)[kind]
    with pytest.raises(ValueError, match=f"data must be the images that were recorded.*{said}"):
        top_pictures(recording, data, [(layer, 12)])


@pytest.mark.parametrize("reducers", [["top_images"], None], ids=["top images", "every response"])
def test_what_was_recorded_is_known_again_from_the_disk_and_after_a_stop(cnn7, tmp_path, reducers, monkeypatch):
    images, passes = torch.rand(30, 3, 32, 32), []
    monkeypatch.setattr("neuroprobe.checkpoints.Checkpoints.due", True)

    def stop(*_):
        passes.append(1)
        if len(passes) == 4:
            raise KeyboardInterrupt

    def record(**how):
        return neuroprobe.record(cnn7, images, ["relu1"], reducers=reducers, batch_size=8, progress=False, **how)

    hook = cnn7.register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt) as stopped:
        record(out=tmp_path / "a.zarr")
    assert "16 of 30 images are safe" in stopped.value.__notes__[0]
    hook.remove()
    assert record(out=tmp_path / "a.zarr").fingerprints == pytest.approx(record().fingerprints)
    top_pictures(neuroprobe.load(tmp_path / "a.zarr"), images, [("relu1", 0)])
    with pytest.raises(ValueError, match=r"image \d+ is another"):
        top_pictures(neuroprobe.load(tmp_path / "a.zarr"), images.flip(0), [("relu1", 0)])


def test_a_recording_of_an_earlier_version_is_drawn_unchecked(cnn7):
    images = torch.rand(30, 3, 32, 32)
    recording = neuroprobe.record(cnn7, images, ["relu1"], reducers=["top_images"], progress=False)
    older = replace(recording.top_images("relu1"), fingerprints=None)
    meta = {name: value for name, value in recording.meta.items() if name not in ("fingerprints", "input_size")}
    recording = replace(recording, reduced={"top_images": {"relu1": older}}, meta=meta)
    assert len(top_pictures(recording, images.flip(0), [("relu1", 0)], cnn7)) == 1


def test_with_real_weights_what_lies_outside_the_box_takes_no_part(resnet20, photographs):
    images, labels = photographs[0][:300], photographs[1][:300]
    layer = "layer1.1/relu:0"
    recording = neuroprobe.record(resnet20, (images, labels), [layer], reducers=["top_images"], progress=False)
    ((best, *_),) = top_pictures(recording, (images, labels), [(layer, 12)], resnet20)
    top, bottom, left, right = best.box
    assert max(bottom - top, right - left) == 9  # four convolutions of 3
    box = slice(int(top), int(bottom)), slice(int(left), int(right))
    alone = torch.zeros_like(best.image)
    alone[:, *box] = best.image[:, *box]
    row, column = recording.top_images(layer).places[12, 0]
    with neuroprobe.Probe(resnet20.eval(), [layer]) as probe, torch.no_grad():
        resnet20(torch.stack([best.image, alone]))
        with_the_rest, without = probe[layer][:, 12, row, column]
    torch.testing.assert_close(without, with_the_rest)  # nothing outside the box took part
