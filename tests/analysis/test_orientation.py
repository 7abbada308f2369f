import copy

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from scipy.special import iv
from torch import nn

import neuroprobe
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.analysis.orientation import COLUMNS
from neuroprobe.stimuli import gratings

SIZE = 48
BLOCKS = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2)]


class Planted(nn.Module):
    """A network whose responses to a stimulus set are given: it looks up which image it sees."""

    def __init__(self, stimuli, responses):
        super().__init__()
        images = torch.cat([*stimuli.batches(), stimuli.blank[None]]).flatten(1)
        self.register_buffer("images", images)
        self.register_buffer("responses", torch.as_tensor(responses, dtype=torch.float32))
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.responses[torch.cdist(x.flatten(1), self.images).argmin(1)])


def gabor(orientation, frequency, phase=0.0, size=21, sd=4.0):
    """A Gabor patch by DESIGN's convention: the long axis of its bars at an angle, y up."""
    half = size // 2
    y, x = np.mgrid[half : -half - 1 : -1, -half : half + 1]
    wave = np.deg2rad(orientation + 90)
    carrier = np.cos(2 * np.pi * frequency * (x * np.cos(wave) + y * np.sin(wave)) + phase)
    patch = carrier * np.exp(-(x**2 + y**2) / (2 * sd**2))
    return patch - patch.mean()


def gabor_network(orientations, frequency=0.1):
    convolution = nn.Conv2d(1, len(orientations), 21, bias=False)
    kernels = np.stack([gabor(angle, frequency) for angle in orientations])
    convolution.weight.data = torch.as_tensor(kernels, dtype=torch.float32)[:, None]
    return nn.Sequential(convolution, nn.ReLU())


def measure(model, **options):
    size = {} if "stimuli" in options else {"input_size": (1, SIZE, SIZE)}
    options = {"preprocess": None, "permutations": 0} | size | options
    return neuroprobe.orientation(model, **options)


@pytest.fixture(scope="module")
def small():
    return gratings((1, 16, 16), frequencies=[0.1, 0.2])


def planted(stimuli, *curves, frequency=1):
    """Units with curves over orientation at one frequency and no other response."""
    responses = np.zeros((len(curves), *stimuli.shape))
    responses[:, frequency] = np.stack(curves)[:, :, None]
    flat = responses.reshape(len(curves), -1).T
    return Planted(stimuli, np.vstack([flat, np.zeros(len(curves))]))


def von_mises(orientation, concentration):
    theta = np.deg2rad(np.arange(0, 180, 15) - orientation)
    return np.exp(concentration * (np.cos(2 * theta) - 1))


@pytest.mark.parametrize("reduce", ["mean", "max", "center"])
def test_gabor_filters_are_recovered_to_one_degree(reduce):
    angles = [0, 15, 37.5, 80, 90, 135, 172]
    units = measure(
        gabor_network(angles), reduce=reduce, stimuli=gratings((1, SIZE, SIZE), frequencies=[0.05, 0.1, 0.2])
    ).units
    apart = (units.preferred_orientation.to_numpy() - angles + 90) % 180 - 90
    assert np.abs(apart).max() < 1
    assert np.abs((units.fit_preferred.to_numpy() - angles + 90) % 180 - 90).max() < 1
    assert (units.preferred_frequency == 0.1).all()
    # the transfer of a Gabor is e^(k (cos d - 1)) over the angle d from its own, and its mirror: gosi = I2(k) / I0(k)
    k = (2 * np.pi * 4.0 * 0.1) ** 2
    assert units.gosi.to_numpy() == pytest.approx([iv(2, k) / iv(0, k)] * len(angles), abs=0.02)


def test_a_horizontal_bar_detector_prefers_zero_degrees():
    network = nn.Sequential(nn.Conv2d(1, 1, 5, bias=False), nn.ReLU())
    network[0].weight.data = torch.tensor([-1.0, 0.0, 2.0, 0.0, -1.0])[None, None, :, None].expand(1, 1, 5, 5) / 10
    preferred = measure(network).units.preferred_orientation.item()
    assert min(preferred, 180 - preferred) < 1e-3


def test_a_simple_gabor_is_modulated_by_phase_at_its_center_only():
    network = gabor_network([30])
    center, mean = (measure(network, reduce=reduce).units.f1_f0.item() for reduce in ("center", "mean"))
    assert 1.53 <= center <= 1.66  # a half-rectified sine, pi / 2 but for its 8 phases
    assert np.isnan(mean)


def test_planted_von_mises_isotropic_and_dead_units(small):
    curves = [von_mises(40, k) for k in (0.5, 1, 2, 4)] + [np.ones(12), np.zeros(12)]
    tuning = measure(planted(small, *curves), stimuli=small, permutations=200)
    units = tuning.units.loc["relu"]
    exact = [abs(c @ np.exp(2j * np.deg2rad(np.arange(0, 180, 15)))) / c.sum() for c in curves[:4]]
    assert units.gosi[:4].to_numpy() == pytest.approx(exact, abs=1e-6)
    assert units.bandwidth[:4].to_numpy() == pytest.approx([38.05, 32.1, 24.3, 17.1], abs=0.1)
    assert units.preferred_orientation[:4].to_numpy() == pytest.approx([40] * 4, abs=0.01)
    assert units.gosi[4] == pytest.approx(0, abs=1e-6)
    assert units.status.tolist() == ["ok"] * 5 + ["unresponsive"]
    assert units.preferred_frequency[:5].tolist() == [0.2] * 5
    assert units.tuned.tolist()[1:5] == [True, True, True, False]


def test_the_table_has_every_column_and_the_curves_every_response(small):
    curve = von_mises(30, 2)
    tuning = measure(planted(small, curve), stimuli=small)
    assert list(tuning.units.columns) == list(COLUMNS)
    assert tuning.units.tuned.dtype == "boolean"
    cube = tuning.curves["relu"]
    assert cube.dims == ("unit", "frequency", "orientation", "phase")
    np.testing.assert_allclose(cube.sel(unit=0, frequency=0.2, phase=45), curve, rtol=1e-6)
    np.testing.assert_array_equal(cube.sel(frequency=0.1), 0)


def test_resnet20_has_the_published_medians(resnet20):
    units = neuroprobe.orientation(resnet20, BLOCKS, preset="ukita2020", permutations=0).units
    by_layer = units.groupby(level="layer", sort=False)
    gosi = [0.124, 0.191, 0.342, 0.437, 0.353, 0.365, 0.504, 0.412, 0.426]
    osi = [0.175, 0.342, 0.495, 0.704, 0.540, 0.647, 0.778, 0.701, 0.783]
    share = [0.062, 0.25, 0.50, 0.75, 0.594, 0.594, 0.719, 0.703, 0.703]
    assert by_layer.gosi.median().to_numpy() == pytest.approx(gosi, abs=0.01)
    assert by_layer.osi.median().to_numpy() == pytest.approx(osi, abs=0.01)
    assert by_layer.gosi.agg(lambda values: (values > 0.33).mean()).to_numpy() == pytest.approx(share, abs=0.01)


def test_resnet20s_first_layer_looks_untuned_until_the_blank_is_subtracted(resnet20):
    units = neuroprobe.orientation(resnet20, ["/relu:0"], preset="ukita2020", permutations=0).units
    assert units.gosi.median() == pytest.approx(0.041, abs=0.01)
    assert units.gosi_blank.fillna(0).median() == pytest.approx(0.24, abs=0.01)  # the reference counts the silent


def test_resnet20_is_tuned_above_the_shuffled_control(resnet20):
    tuning = neuroprobe.orientation(resnet20, BLOCKS, preset="ukita2020", permutations=0, control="shuffled")
    own, shuffled = (table.gosi.groupby(level="layer", sort=False).median() for table in (tuning.units, tuning.control))
    assert (own > 2 * shuffled).all()
    assert shuffled.between(0.02, 0.17).all()
    assert set(tuning.meta["definitions"]["tuned_thresholds"].values()) == {0.33}


def test_a_vgg16_needs_no_other_argument():
    tuning = neuroprobe.orientation(
        torchvision.models.vgg16(), ["features.1", "features.3"], gratings(64, orientations=4, frequencies=2, phases=2)
    )
    assert len(tuning.units) == 128
    default = neuroprobe.layers(torchvision.models.vgg16(num_classes=10))
    assert default[default.default].units.sum() == 12416


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_batch_size_changes_nothing(batch_size, small):
    network = neuroprobe.load_network("cnn7")
    stimuli = gratings(32, orientations=6, frequencies=2, phases=2)
    one, other = (
        neuroprobe.orientation(network, stimuli=stimuli, permutations=50, batch_size=size).units
        for size in (24, batch_size)
    )
    angles = ["preferred_orientation", "fit_preferred"]  # 0 may come out as 180
    pd.testing.assert_frame_equal(one.drop(columns=angles), other.drop(columns=angles), rtol=1e-3, atol=1e-3)
    for angle in angles:
        assert np.abs((one[angle] - other[angle] + 90) % 180 - 90).max() < 1e-2


def test_an_untrained_copy_sets_the_threshold_of_tuned():
    network = neuroprobe.load_network("cnn7")
    tuning = neuroprobe.orientation(network, ["relu3"], control="untrained", permutations=200)
    level = tuning.meta["definitions"]["tuned_thresholds"]["relu3"]
    assert level == pytest.approx(tuning.control.gosi.quantile(0.95))
    expected = (tuning.units.q_value < 0.05) & (tuning.units.gosi > level)
    assert (tuning.units.tuned == expected).all()
    assert 0 < expected.sum() < len(expected)


def test_a_selective_unit_whose_order_could_be_chance_is_not_tuned(small):
    one_of_twelve = np.eye(12)[3]
    tuning = measure(planted(small, one_of_twelve, von_mises(40, 2)), stimuli=small, permutations=200)
    units = tuning.units
    assert (units.gosi > 0.33).all()
    assert (units.q_value < 0.05).tolist() == units.tuned.tolist()
    shuffled_away = measure(planted(small, von_mises(40, 2)), stimuli=small, permutations=9).units
    assert shuffled_away.q_value.item() == pytest.approx(0.1)
    assert not shuffled_away.tuned.item()


def test_a_control_without_any_response_leaves_the_threshold_at_a_third():
    dead = gabor_network([0, 60])
    nn.init.zeros_(dead[0].weight)
    tuning = measure(gabor_network([0, 60]), control=dead)
    assert tuning.meta["definitions"]["tuned_thresholds"] == {"1": 0.33}


def test_the_untrained_control_hardly_depends_on_the_seed():
    network = neuroprobe.load_network("cnn7")
    shares = [
        neuroprobe.orientation(network, ["relu2", "relu4"], control="untrained", permutations=100, seed=seed)
        .summary()
        .share_tuned
        for seed in range(3)
    ]
    assert (pd.concat(shares, axis=1).max(axis=1) - pd.concat(shares, axis=1).min(axis=1) < 0.2).all()


def test_the_untrained_control_takes_single_images():
    network = neuroprobe.load_network("cnn7")
    stimuli = gratings(32, orientations=3, frequencies=1, phases=1)
    tuning = neuroprobe.orientation(network, stimuli=stimuli, control="untrained", permutations=0, batch_size=1)
    assert tuning.control.status.isin(["ok", "unresponsive"]).all()


def test_a_network_of_ones_own_can_be_the_control():
    trained, other = neuroprobe.load_network("cnn7"), neuroprobe.load_network("cnn7", None)
    tuning = neuroprobe.orientation(trained, ["relu2"], control=other, permutations=0)
    alone = neuroprobe.orientation(other, ["relu2"], permutations=0)
    pd.testing.assert_frame_equal(tuning.control, alone.units)
    assert tuning.meta["control"] == "Sequential"


def test_a_control_whose_normalisation_is_not_known_sees_what_the_network_sees():
    trained = neuroprobe.load_network("cnn7")
    nameless = copy.deepcopy(trained)
    del nameless.pretrained_cfg
    tuning = neuroprobe.orientation(trained, ["relu2"], control=nameless, permutations=0)
    pd.testing.assert_frame_equal(tuning.control, tuning.units.assign(tuned=tuning.control.tuned))


def test_a_control_of_other_width_is_refused():
    with pytest.raises(ValueError, match="has 2 units, the control's 3"):
        measure(gabor_network([0, 90]), control=gabor_network([0, 45, 90]))


def test_signed_layers_are_rectified_and_say_so():
    network = nn.Sequential(nn.Conv2d(1, 4, 5), nn.GELU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    tuning = measure(network)
    assert set(tuning.units.loc["1"].status) <= {"rectified", "unresponsive"}
    assert set(tuning.units.loc["3"].status) <= {"ok", "unresponsive"}
    assert tuning.meta["signed_layers"] == ["1"]
    assert (tuning.curves["1"] >= 0).all()


def test_signed_layers_can_go_without_indices():
    network = nn.Sequential(nn.Conv2d(1, 4, 5), nn.GELU())
    nn.init.constant_(network[0].bias, -1.0)
    tuning = measure(network, signed="nan", permutations=10)
    assert (tuning.units.status == "signed").all()
    assert tuning.units.gosi.isna().all()
    assert (tuning.curves["1"] < 0).any()


def test_convolutions_can_be_read_by_name():
    tuning = measure(gabor_network([0, 60]), layers="0")
    assert (tuning.units.status == "rectified").all()


@pytest.mark.parametrize("change", [nn.Module.train, nn.Module.half, nn.Module.double, nn.Module.bfloat16])
def test_modes_and_precisions_simply_work(change, left_alone):
    network = change(gabor_network([0, 60]))
    with left_alone(network):
        units = measure(network).units
    assert np.abs((units.preferred_orientation - [0, 60] + 90) % 180 - 90).max() < 1


def test_lower_precision_leaves_the_parameters_alone(left_alone):
    network = gabor_network([0, 60])
    with left_alone(network):
        units = measure(network, dtype=torch.bfloat16).units
    assert units.gosi.to_numpy() == pytest.approx(measure(network).units.gosi.to_numpy(), abs=0.02)


def test_the_model_is_left_as_it_was_found(left_alone):
    network = neuroprobe.load_network("cnn7").train()
    with left_alone(network):
        neuroprobe.orientation(network, ["relu1"], control="untrained", permutations=10)


@pytest.mark.parametrize("error", [ValueError("no more"), KeyboardInterrupt()])
def test_the_model_is_left_alone_when_it_stops_half_way(error, left_alone):
    batches = []

    class Stopping(nn.Module):
        def forward(self, x):
            batches.append(len(x))
            if len(batches) > 4:
                raise error
            return x

    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.InstanceNorm2d(2, track_running_stats=True), nn.ReLU(), Stopping())
    wanted = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else RuntimeError
    with left_alone(network), pytest.raises(wanted):
        measure(network, batch_size=40)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "ukita"}, "preset must be one of None, 'ukita2020', 'ringach2002'; 'ukita' came"),
        ({"reduce": "none"}, "'center'; 'none' came"),
        ({"signed": "abs"}, "'abs' came"),
        ({"control": "random"}, "'random' came"),
        ({"permutations": -1}, "-1 came"),
        ({"input_size": 0}, "0 came"),
        ({"batch_size": 0}, "0 came"),
        ({"seed": -1}, "seed must be a whole number from 0; -1 came"),
        ({"permutations": True}, "True came"),
        ({"layers": 2}, "2 came"),
        ({"preprocess": lambda images: images[:1]}, r"one image for each of the 3 .* \(1, 1, 48, 48\) came"),
        ({"stimuli": gratings((1, 48, 48), orientations=[0, 30, 100])}, r"\[0.0, 30.0, 100.0\] came"),
        ({"input_size": (3, SIZE, SIZE)}, r"forward pass of Sequential raised .*\n.*\(\d+, 3, 48, 48\)"),
        ({"layers": ["2"]}, "no layer '2'"),
        ({"dtype": torch.int8}, "torch.int8 came"),
    ],
)
def test_bad_input_is_named(options, message, left_alone):
    network = gabor_network([0, 60])
    with left_alone(network), pytest.raises((ValueError, RuntimeError, TypeError, UnknownLayerError), match=message):
        measure(network, **options)


def test_an_unknown_size_is_asked_for():
    with pytest.raises(ValueError, match=r"image size of Sequential is not known.*input_size="):
        neuroprobe.orientation(gabor_network([0]))


def test_a_network_without_a_non_linearity_asks_for_layers():
    with pytest.raises(ValueError, match="name layers= yourself; its layers are 0"):
        measure(nn.Sequential(nn.Conv2d(1, 2, 3)))


def test_a_size_beside_stimuli_is_refused(small):
    with pytest.raises(ValueError, match=r"stimuli bring their own size.*64 came"):
        measure(gabor_network([0]), stimuli=small, input_size=64)


def test_stimuli_that_are_no_stimuli_are_refused():
    with pytest.raises(TypeError, match="Tensor came"):
        measure(gabor_network([0]), stimuli=torch.rand(4, 1, 48, 48))


def test_weights_that_are_not_finite_are_named():
    network = gabor_network([0])
    network[0].weight.data[:] = torch.nan
    with pytest.raises(ValueError, match="layer '1' gave NaN or infinite responses"):
        measure(network)


def test_what_loads_is_what_was_measured(tmp_path, small):
    tuning = measure(planted(small, von_mises(30, 2), np.zeros(12)), stimuli=small, permutations=20, control="shuffled")
    loaded = neuroprobe.load(tuning.save(tmp_path / "tuning.zarr"))
    pd.testing.assert_frame_equal(loaded.units, tuning.units)
    pd.testing.assert_frame_equal(loaded.control, tuning.control)
    assert loaded.meta == tuning.meta
    assert loaded.curves["relu"].identical(tuning.curves["relu"])


def test_the_same_seed_gives_the_same_result():
    network = neuroprobe.load_network("cnn7")
    stimuli = gratings(32, frequencies=2)
    one, again, other = (
        neuroprobe.orientation(network, ["relu6"], stimuli, seed=seed, permutations=100).units.p_value
        for seed in (0, 0, 1)
    )
    pd.testing.assert_series_equal(one, again)
    assert not one.equals(other)
