"""Any stimulus: planted units find what they were built for, whatever is shown, and results hold it all."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib, which the pictures import

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import neuroprobe
from neuroprobe import plots
from neuroprobe.stimuli import bars, from_function, from_images, gabors, gratings

SIZE = 48
ANGLES = [0, 3, 37.5, 80, 90, 135, 172]


def frame(angle, middle=(0.0, 0.0)):
    """Pixels along an angle and across it, counted from a place, y up."""
    y, x = np.mgrid[SIZE // 2 : SIZE // 2 - SIZE : -1, -(SIZE // 2) : SIZE - SIZE // 2]
    x, y, turn = x - middle[0], y - middle[1], np.deg2rad(angle)
    return x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)


def seeing(*templates):
    """A network of units that each compare the whole image with a template."""
    network = nn.Sequential(nn.Conv2d(1, len(templates), SIZE, bias=False), nn.ReLU())
    weights = np.stack([template - template.mean() for template in templates])
    network[0].weight.data = torch.as_tensor(weights / np.abs(weights).sum((1, 2), keepdims=True), dtype=torch.float32)[
        :, None
    ]
    return network


def ridge(angle, width=4.0, length=18.0):
    """A bar with flanks: its overlap with bars is largest for those of its own width and length."""
    along, across = frame(angle)
    ends, flanks = (
        (1 - (u / half) ** 2) * np.exp(-((u / half) ** 2) / 2) for u, half in ((along, length / 2), (across, width / 2))
    )
    return np.where((ends < 0) & (flanks < 0), -1, 1) * ends * flanks


def step(angle):
    """An edge: bright bars drive it from one side only."""
    along, across = frame(angle)
    return across * np.exp(-(across**2) / 8 - along**2 / 72)


def patch(angle, frequency, middle):
    along, across = frame(angle, middle)
    return np.cos(2 * np.pi * frequency * across) * np.exp(-(along**2 + across**2) / 32)


def measure(network, stimuli, **options):
    return neuroprobe.orientation(network, stimuli=stimuli, **({"preprocess": None, "permutations": 0} | options))


def apart(found, wanted):
    return np.abs((np.asarray(found) - wanted + 90) % 180 - 90).max()


def test_units_that_see_a_bar_prefer_its_orientation_width_and_length():
    shown = bars((1, SIZE, SIZE), widths=[2, 4, 8], lengths=[9, 18, 30], positions=[-4, -2, 0, 2, 4])
    units = measure(seeing(*map(ridge, ANGLES)), shown).units
    assert apart(units.preferred_orientation, ANGLES) < 1
    assert apart(units.fit_preferred, ANGLES) < 1
    assert (units.preferred_width == 4).all()
    assert (units.preferred_length == 18).all()
    assert units.preferred_frequency.isna().all()


def test_units_that_see_an_edge_from_one_side_have_no_seam_at_180_degrees():
    shown = bars((1, SIZE, SIZE), widths=[2], lengths=[20], positions=[-6, -4, -2, 0, 2, 4, 6], polarities=[1])
    units = measure(seeing(*map(step, ANGLES)), shown).units
    assert apart(units.preferred_orientation, ANGLES) < 1


def test_a_round_unit_has_no_orientation_under_bars():
    network = nn.Sequential(nn.Conv2d(1, 1, 15, padding=7, bias=False), nn.ReLU())
    y, x = np.mgrid[-7:8, -7:8]
    inner, outer = (np.exp(-(x**2 + y**2) / (2 * sd**2)) / sd**2 for sd in (1.5, 2.5))
    network[0].weight.data = torch.as_tensor(inner - outer, dtype=torch.float32)[None, None]
    units = measure(network, bars((1, SIZE, SIZE), widths=[1, 3])).units
    assert units.gosi.item() < 0.005


def test_units_that_see_a_patch_prefer_its_orientation_frequency_and_position():
    planted = [(20, 0.1, (-8, 6)), (95, 0.15, (0, 0)), (170, 0.1, (9, -7))]
    places = [(0, 0), (-8, 6), (9, -7)]
    shown = gabors((1, SIZE, SIZE), frequencies=[0.06, 0.1, 0.15], positions=places, sigma=4)
    tuning = measure(seeing(*(patch(*unit) for unit in planted)), shown)
    units = tuning.units
    assert apart(units.preferred_orientation, [angle for angle, _, _ in planted]) < 1
    assert units.preferred_frequency.tolist() == [frequency for _, frequency, _ in planted]
    assert list(zip(units.preferred_x, units.preferred_y, strict=True)) == [place for _, _, place in planted]
    assert units.f1_f0.between(1.53, 1.66).all()  # a half-rectified sine, pi / 2 but for its 8 phases
    cube = tuning.curves["1"]
    assert cube.dims == ("unit", "frequency", "orientation", "phase", "position")
    assert cube.sel(position=1).coords["x"] == -8


def test_images_of_gratings_in_a_table_give_what_gratings_give():
    network, shown = neuroprobe.load_network("cnn7"), gratings(32, orientations=6, frequencies=[0.1, 0.2], phases=4)
    table = shown.parameters.sample(frac=1, random_state=0)
    images = torch.cat(list(shown.batches()))[list(table.index)]
    own = from_images(images, table)
    one, other = (neuroprobe.orientation(network, ["relu2"], given, permutations=20) for given in (shown, own))
    pd.testing.assert_frame_equal(one.units, other.units)
    assert one.curves["relu2"].identical(other.curves["relu2"])
    assert other.meta["stimuli"]["digest"] == shown.digest()


def test_a_function_of_ones_own_is_a_stimulus_too():
    def halves(orientation, contrast):
        return 0.5 + 0.5 * contrast * np.sign(frame(orientation)[1])

    shown = from_function(halves, {"orientation": range(0, 180, 15), "contrast": [0.5, 1]}, (1, SIZE, SIZE))
    tuning = measure(seeing(*map(step, ANGLES)), shown)
    # no phase is pooled: an edge and its reverse are one orientation, and half the units see the reverse
    assert tuning.units.preferred_contrast.eq(1).all()
    assert tuning.curves["1"].dims == ("unit", "orientation", "contrast")
    assert tuning.meta["definitions"]["curve"] == "responses as they are, at the contrast of the largest response"


@pytest.mark.parametrize("control", [None, "untrained"])
def test_random_textures_of_ones_own_leave_the_random_state_alone(control, left_alone):
    def texture(orientation, number):
        torch.manual_seed(int(orientation + number))
        return torch.rand(32, 32)

    network = neuroprobe.load_network("cnn7")
    shown = from_function(texture, {"orientation": range(0, 180, 30), "number": [0, 1]}, 32, pooled=["number"])
    with left_alone(network):
        tuning = neuroprobe.orientation(network, ["relu1"], shown, control=control, permutations=10)
    assert tuning.meta["stimuli"]["digest"] == shown.digest()


def test_stimuli_that_only_turn_are_enough():
    shown = bars((1, SIZE, SIZE), widths=[4], lengths=[18], positions=[0], polarities=[1])
    only = from_function(
        lambda orientation: shown[int(orientation // 15)][0], {"orientation": range(0, 180, 15)}, (1, SIZE, SIZE)
    )
    tuning = measure(seeing(ridge(37.5)), only, permutations=20)
    assert apart(tuning.units.preferred_orientation, 37.5) < 1
    assert tuning.curve("1").dims == ("unit", "orientation")
    assert tuning.units.orientation_range.item() == 0


def test_a_function_of_the_size_makes_stimuli_of_the_networks_own():
    network = neuroprobe.load_network("cnn7")
    tuning = neuroprobe.orientation(network, ["relu1"], bars, permutations=0)
    assert tuning.meta["stimuli"]["size"] == [3, 32, 32]
    given = measure(seeing(ridge(0)), gabors, input_size=(1, SIZE, SIZE))
    assert given.meta["stimuli"]["size"] == [1, SIZE, SIZE]


def test_a_trained_network_has_the_same_orientations_whatever_is_shown():
    network, layers = neuroprobe.load_network("cnn7"), ["relu1", "relu2"]
    of_gratings, of_bars, of_patches = (
        neuroprobe.orientation(network, layers, stimuli, permutations=200).units for stimuli in (gratings, bars, gabors)
    )
    for other in (of_bars, of_patches):
        both = of_gratings.tuned & other.tuned
        differences = (of_gratings.preferred_orientation - other.preferred_orientation)[both]
        assert both.sum() >= 5
        assert np.abs((differences + 90) % 180 - 90).median() < 2
    assert of_gratings.gosi.corr(of_patches.gosi, method="spearman") > 0.6


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_a_curve_is_pooled_over_positions_and_polarities_at_the_best_width_and_length(pool):
    shown = bars((1, SIZE, SIZE), widths=[2, 6], lengths=[10, 20], positions=[-3, 0, 3])
    tuning = measure(seeing(ridge(30), step(60)), shown, preset={"mean": None, "max": "ukita2020"}[pool])
    cube = tuning.curves["1"].to_numpy()
    for unit, (width, length) in enumerate(tuning.units[["preferred_width", "preferred_length"]].to_numpy()):
        best = cube[unit][:, shown.axes["width"] == width][:, :, shown.axes["length"] == length]
        assert best.max() == cube[unit].max()
        pooled = getattr(best.reshape(12, -1), pool)(axis=1)
        np.testing.assert_allclose(tuning.curve("1").sel(unit=unit), pooled, rtol=1e-6)
        waves = np.exp(2j * np.deg2rad(shown.axes["orientation"]))
        assert tuning.units.gosi.loc["1", unit] == pytest.approx(np.abs(pooled @ waves) / pooled.sum(), rel=1e-5)


@pytest.mark.parametrize("control", ["untrained", "shuffled", "own"])
def test_controls_see_the_same_stimuli(control):
    network = neuroprobe.load_network("cnn7")
    other = neuroprobe.load_network("cnn7", None) if control == "own" else control
    shown = bars(32, orientations=6, widths=[2, 4], positions=3)
    tuning = neuroprobe.orientation(network, ["relu2", "relu3"], shown, control=other, permutations=100)
    assert list(tuning.control.columns) == list(tuning.units.columns)
    assert tuning.control.preferred_width.dropna().isin([2, 4]).all()
    assert tuning.units.gosi.median() > tuning.control.gosi.median()


def test_a_control_that_sees_other_things_would_differ():
    network, shown = seeing(ridge(20)), bars((1, SIZE, SIZE), widths=[4], positions=[0], polarities=[1])
    tuning = measure(network, shown, control=network)
    pd.testing.assert_frame_equal(tuning.control, tuning.units.assign(tuned=pd.array([None], dtype="boolean")))


def test_definitions_speak_of_what_was_shown():
    network = seeing(ridge(20))
    of_bars, of_gratings = (
        measure(network, stimuli((1, SIZE, SIZE))).meta["definitions"] for stimuli in (bars, gratings)
    )
    assert of_bars["curve"] == "mean over position and polarity, at the width and length of the largest response"
    assert of_bars["f1_f0"].endswith("these bars are pooled over position and polarity")
    assert of_gratings["curve"] == "mean over phase, at the frequency of the largest response"
    assert "frequency" not in str(of_bars)


@pytest.fixture(scope="module", params=["bars", "gabors", "endless"])
def tuning(request):
    shown = {
        "bars": lambda: bars(32, widths=[2, 4]),
        "gabors": lambda: gabors(32, frequencies=2, phases=8, positions=[(0, 0), (6, -6)], sigma=4),
        "endless": lambda: bars(32, lengths=[8, np.inf], positions=[0], window="circular"),
    }[request.param]()
    return neuroprobe.orientation(neuroprobe.load_network("cnn7"), ["relu2", "relu4"], shown, permutations=50)


def test_what_loads_is_what_was_measured(tuning, tmp_path):
    loaded = neuroprobe.load(tuning.save(tmp_path / "t.zarr"))
    pd.testing.assert_frame_equal(loaded.units, tuning.units, check_exact=True)
    assert loaded.meta == tuning.meta
    for layer, cube in tuning.curves.items():
        assert loaded.curves[layer].identical(cube)
        assert loaded.curve(layer).identical(tuning.curve(layer))


def test_every_picture_draws(tuning):
    assert "share_tuned" in tuning.summary()
    assert "<img" in tuning._repr_html_()
    tuning.plot().canvas.draw()
    for axes in (plots.tuning_curves(tuning, "relu4"), plots.index_by_layer(tuning, "preferred_orientation")):
        axes.figure.canvas.draw()
    if "preferred_width" in tuning.units:
        assert "Frequency" not in "".join(text.get_text() for text in tuning.plot().findobj(mpl_text))


def mpl_text(artist):
    return hasattr(artist, "get_text")


@pytest.mark.parametrize(
    ("stimuli", "options", "message"),
    [
        (from_images(torch.rand(3, SIZE, SIZE), {"gap": [1, 2, 3]}), {}, "must vary in orientation; these vary in gap"),
        (from_images(torch.rand(2, SIZE, SIZE), {"orientation": [0, 90]}), {}, r"\[0.0, 90.0\] came"),
        (from_images(torch.rand(3, SIZE, SIZE), {"orientation": [0, 30, 60]}), {}, r"\[0.0, 30.0, 60.0\] came"),
        (lambda size: torch.zeros(4, *size), {"input_size": (1, SIZE, SIZE)}, "Tensor came"),
        (bars, {}, "image size of Sequential is not known"),
        (bars((1, SIZE, SIZE)), {"input_size": 32}, "32 came"),
        ("bars", {}, "str came"),
    ],
)
def test_stimuli_that_tell_nothing_of_orientation_are_named(stimuli, options, message, left_alone):
    network = seeing(ridge(0))
    with left_alone(network), pytest.raises((ValueError, TypeError), match=message):
        measure(network, stimuli, **options)
