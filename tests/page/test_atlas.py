"""The folder that is written: whole, in its place, with everything escaped; and what the network adds."""

import json
import re

import pytest
import torch
from PIL import Image
from planted_results import CLASSES, LAYERS, STIMULI, class_selectivity, recording, tuning
from torch import nn

import neuroprobe
from neuroprobe.page.about import about, stimuli_in_words
from neuroprobe.page.insight import Insight
from neuroprobe.page.joining import Joined


def delivered(place, name):
    """Return what a data file of the page delivers."""
    text = (place.parent / "data" / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix(f'deliver("{name}",').removesuffix(");\n"))


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_page_is_a_folder_that_needs_nothing_else(tmp_path, everything, photos):
    place = neuroprobe.atlas(everything, tmp_path / "atlas", data=photos, progress=False)
    assert place == tmp_path / "atlas" / "index.html"
    html = place.read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert set(named) <= set(files(place.parent))
    assert {"page/d3.min.js", "page/d3.LICENSE.txt", "data/layer-1.js", "images/photo-0.png"} <= set(
        files(place.parent)
    )
    assert "http" not in html.replace("http-equiv", "")


def test_the_units_file_holds_layers_columns_and_what_they_were_made_from(tmp_path, everything):
    units = delivered(neuroprobe.atlas(everything, tmp_path / "a"), "units")
    assert [(layer["name"], layer["units"], layer["shape"]) for layer in units["layers"]] == [
        ("conv.relu", 3, [3, 8, 8]),
        ("fc.relu", 5, [5]),
    ]
    assert units["network"]["weights"] == "a" * 32
    assert {column["id"] for column in units["columns"]} >= {"gosi", "si", "delta_loss", "pearson", "mean"}
    assert units["photographs"] is None  # no data were given
    assert delivered(tmp_path / "a" / "index.html", "images") is None


def test_the_same_results_make_the_same_page(tmp_path, everything, photos):
    one, other = (neuroprobe.atlas(everything, tmp_path / name, data=photos).parent for name in "ab")
    assert files(one) == files(other)
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in files(one))


def test_markup_in_a_title_is_text(tmp_path):
    html = neuroprobe.atlas(tuning(), tmp_path / "a", title='<img src=x> "&"').read_text()
    assert "<img" not in html
    assert "<title>&lt;img src=x&gt; &quot;&amp;&quot; · unit atlas</title>" in html


def test_no_file_of_data_holds_markup(tmp_path, everything, photos):
    place = neuroprobe.atlas(everything, tmp_path / "a", data=photos)
    for script in (place.parent / "data").iterdir():
        assert not set("<>&") & set(script.read_text(encoding="utf-8"))
    assert delivered(place, "layer-0")["classes"]["classes"] == CLASSES


def test_results_are_read_from_disk_as_well(tmp_path):
    saved = tuning().save(tmp_path / "tuning.zarr")
    from_disk, at_hand = neuroprobe.atlas(saved, tmp_path / "a"), neuroprobe.atlas(tuning(), tmp_path / "b")
    assert delivered(from_disk, "units") == delivered(at_hand, "units")


def test_a_folder_that_exists_is_kept_and_an_atlas_replaced_only_when_told(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("my page")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="mine exists and is no atlas: choose another folder"):
            neuroprobe.atlas(tuning(), tmp_path / "mine", overwrite=overwrite)
    neuroprobe.atlas(tuning(), tmp_path / "a", title="first")
    with pytest.raises(FileExistsError, match="a already holds an atlas"):
        neuroprobe.atlas(tuning(), tmp_path / "a")
    assert "second" in neuroprobe.atlas(tuning(), tmp_path / "a", title="second", overwrite=True).read_text()
    assert (tmp_path / "mine" / "index.html").read_text() == "my page"


def test_a_page_that_cannot_be_made_leaves_nothing_and_what_was_there_before(tmp_path, photos):
    neuroprobe.atlas(tuning(), tmp_path / "a", title="before")
    with pytest.raises(ValueError, match="recorded, 6 of them; 5 came"):
        neuroprobe.atlas(recording(), tmp_path / "a", data=photos[0][:5], overwrite=True)
    assert "before" in (tmp_path / "a" / "index.html").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_was_done_is_said_in_words():
    said = about(class_selectivity())
    assert said["title"] == "Class selectivity"
    assert ("images per class", "60 images of 3 classes, 20 of each") in said["made"]
    assert ("data", "folder photographs") in said["made"]
    expected = (
        "gratings of 3x16x16: 2 frequency (0.1, 0.2 cycles/pixel), 4 orientation (0 to 135 deg), 2 phase (0, 180 deg)"
    )
    assert stimuli_in_words(STIMULI.describe()) == expected
    assert ("tuned", "as planted") in about(tuning())["definitions"]


@pytest.fixture(scope="module")
def cnn7():
    return neuroprobe.load_network("cnn7")


@pytest.fixture(scope="module")
def measured(cnn7):
    """Two layers of cnn7, later ones first: tuning of one, recording of the other."""
    torch.manual_seed(0)
    images = torch.rand(12, 3, 32, 32)
    found = neuroprobe.record(cnn7, images, ["relu1", "relu6"], reducers=["top_images"], progress=False)
    return neuroprobe.orientation(cnn7, ["relu3"], permutations=0, progress=False), found, images


def test_the_network_adds_filters_the_order_of_layers_and_what_places_see(cnn7, measured, tmp_path, left_alone):
    tuned, found, images = measured
    with left_alone(cnn7):
        place = neuroprobe.atlas([tuned, found], tmp_path / "a", model=cnn7, data=images, progress=False)
    assert [layer["name"] for layer in delivered(place, "units")["layers"]] == ["relu1", "relu3", "relu6"]
    relu1, relu3, relu6 = (delivered(place, f"layer-{number}") for number in range(3))
    assert relu1["filters"]["shape"] == [32, 3, 3, 3]
    assert "filters" not in relu3
    assert relu1["images"]["fields"]["columns"]["stride"] == 1
    assert "fields" not in relu6["images"]  # one place
    alone = neuroprobe.atlas([tuned, found], tmp_path / "b", progress=False)
    assert "filters" not in delivered(alone, "layer-1")


@pytest.mark.parametrize("reducers", [["top_images"], None], ids=["top images", "every response"])
def test_other_images_than_were_recorded_are_refused_and_leave_no_page(cnn7, tmp_path, reducers):
    images = torch.rand(12, 3, 32, 32)
    found = neuroprobe.record(cnn7, images, ["relu6"], reducers=reducers, progress=False)
    for other in (images.flip(0), torch.rand(12, 3, 32, 32), images[:, :, ::2, ::2]):
        with pytest.raises(ValueError, match=r"images that were recorded; image \d+ is another, of shape \(3, "):
            neuroprobe.atlas(found, tmp_path / "a", model=cnn7, data=other, progress=False)
    assert not (tmp_path / "a").exists()
    written = files(neuroprobe.atlas(found, tmp_path / "a", model=cnn7, data=images, progress=False).parent)
    driving = set(found.top_images("relu6").images.flatten().tolist())
    assert {name for name in written if "photo" in name} == {f"images/photo-{number}.png" for number in driving}


def test_photographs_have_the_size_that_was_asked_for_a_network_of_ones_own(tmp_path):
    (tmp_path / "data" / "all").mkdir(parents=True)
    for number, sides in enumerate([(64, 40), (30, 50), (32, 32)]):
        Image.effect_noise(sides, 90).convert("RGB").save(tmp_path / "data" / "all" / f"{number}.png")
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    how = {"input_size": 24, "reducers": ["top_images"], "preprocess": None, "progress": False}
    found = neuroprobe.record(network, tmp_path / "data", ["1"], **how)
    place = neuroprobe.atlas(found, tmp_path / "a", model=network, data=tmp_path / "data", progress=False)
    with Image.open(place.parent / "images" / "photo-0.png") as photograph:
        assert photograph.size == (24, 24)
    assert delivered(place, "layer-0")["images"]["fields"]["columns"]["pixels"] == 24


def test_what_places_see_is_told_only_for_images_of_the_size_that_was_recorded():
    network, layer = neuroprobe.load_network("resnet20", None), "conv1"  # whose own size is 32
    found = neuroprobe.record(network, torch.rand(6, 3, 40, 40), [layer], reducers=["top_images"], progress=False)
    assert Insight.of(network, Joined.of(found)).fields == {}
    stimuli = neuroprobe.stimuli.gratings(40, orientations=4, frequencies=1, phases=2)
    tuned = neuroprobe.orientation(network, [layer], stimuli=stimuli, permutations=0, progress=False)
    insight = Insight.of(network, Joined.of([found, tuned]))
    assert insight.fields[layer].columns.pixels == 40
    assert insight.image_shape == (3, 32, 32)  # that photographs of a folder are brought to


def test_another_network_than_the_one_measured_is_an_error(measured, tmp_path):
    other = neuroprobe.load_network("cnn7", None)
    with pytest.raises(
        ValueError, match=r"results are of cnn7 with weights \w{32}, and model is cnn7 with weights \w{32}"
    ):
        neuroprobe.atlas(measured[0], tmp_path / "a", model=other)


def test_a_network_whose_images_have_no_known_size_adds_nothing():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    digest = neuroprobe.provenance.weights_digest(network)
    insight = Insight.of(network, Joined.of(class_selectivity(weights=digest)))
    assert (insight.image_shape, insight.order, insight.filters) == (None, (), {})
    insight = Insight.of(network, Joined.of(tuning(weights=digest)))  # its gratings have a size
    assert (insight.image_shape, list(insight.order)) == ((3, 16, 16), ["0", "1"])
    assert list(insight.filters) == ["0", "1"]


def test_the_layers_are_those_of_the_results_alone(tmp_path):
    units = delivered(neuroprobe.atlas(tuning(["conv.relu"]), tmp_path / "a"), "units")
    assert [layer["name"] for layer in units["layers"]] == list(LAYERS)[:1]
