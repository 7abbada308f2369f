"""What each unit does alone: networks whose every answer is known, and real ones against `ablate` by hand."""

import numpy as np
import pytest
import torch
from pandas.testing import assert_frame_equal
from torch import nn
from torch.nn import functional as F

import neuroprobe
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.results import UnitImpact

COLUMNS = [
    "delta_loss", "delta_accuracy", "worst_class", "worst_class_delta", "class_correlation", "correlated_class",
    "estimated", "status",
]  # fmt: skip
CLASSES, EACH = 4, 6
LABELS = torch.arange(CLASSES).repeat_interleave(EACH)
IMAGES = F.one_hot(LABELS).float()[:, :, None, None].expand(-1, -1, 2, 2).contiguous()  # class c lights channel c
CARRIES = (0, 1, 2, 3, 3)


class Readout(nn.Module):
    """Each unit speaks for one class; class 3 has twins, units 3 and 4; unit 5 is dead."""

    def __init__(self):
        super().__init__()
        self.units = nn.Conv2d(CLASSES, 6, 1, bias=False)
        self.relu, self.head = nn.ReLU(), nn.Linear(6, CLASSES, bias=False)
        chosen = torch.cat([F.one_hot(torch.tensor(CARRIES), CLASSES), torch.full((1, CLASSES), -1)]).float()
        self.units.weight.data = chosen[:, :, None, None]
        self.head.weight.data = 10 * chosen.T.abs()
        self.head.weight.data[:, 5] = torch.arange(CLASSES)

    def forward(self, images):
        return self.head(self.relu(self.units(images)).mean((2, 3)))


def impact_of(model, data=(IMAGES, LABELS), *args, **options):
    return neuroprobe.unit_impact(model, data, *args, **{"preprocess": None, "progress": False, **options})


# answers known on paper


def test_units_that_carry_a_class_twins_and_a_dead_one():
    impact = impact_of(Readout())
    units = impact.units.loc["relu"]
    assert list(impact.units) == COLUMNS
    assert units.delta_accuracy.tolist() == pytest.approx([0, -0.25, -0.25, 0, 0, 0])  # without any, class 0 is said
    assert units.worst_class.tolist()[1:3] == [1, 2]
    assert units.worst_class_delta.tolist() == pytest.approx([0, -1, -1, 0, 0, 0])
    alone = (np.log(4) - np.log1p(3 * np.exp(-10))) / CLASSES
    twin = (np.log1p(3 * np.exp(-10)) - np.log1p(3 * np.exp(-20))) / CLASSES
    assert units.delta_loss.tolist() == pytest.approx([alone, alone, alone, twin, twin, 0], abs=1e-6)
    assert units.class_correlation.to_numpy() == pytest.approx([1, 1, 1, 1, 1, np.nan], abs=1e-4, nan_ok=True)
    assert units.correlated_class.tolist()[:5] == list(CARRIES)
    assert units.correlated_class.isna().tolist() == [False] * 5 + [True]
    assert units.status.tolist() == ["ok"] * 5 + ["dead"]
    assert not units.estimated.any()
    assert impact.curves["relu"].sel(unit=2).values.tolist() == [0, 0, -1, 0]
    assert (impact.meta["accuracy"], impact.meta["images"]) == (1, CLASSES * EACH)


def test_held_at_its_mean_a_unit_still_loses_what_it_says_of_images():
    constant = IMAGES.clone()
    constant[:, 1] = 1  # unit 1 is the same for all images
    impact = impact_of(Readout(), (constant, LABELS), ["relu"], value="mean")
    assert impact.units.delta_loss["relu", 1] == pytest.approx(0, abs=1e-6)
    assert impact.units.delta_loss["relu", 2] > 0.1
    assert np.isnan(impact.units.class_correlation["relu", 1])
    assert impact.units.status["relu", 1] == "ok"  # it responds, if always alike


def test_signed_layers_are_told():
    impact = impact_of(Readout(), (IMAGES, LABELS), ["units", "relu"])
    assert set(impact.units.loc["units"].status[:5]) == {"rectified"}
    assert set(impact.units.loc["relu"].status[:5]) == {"ok"}


def test_a_class_without_images_is_nobody_s_worst():
    keep = LABELS != 2
    impact = impact_of(Readout(), (IMAGES[keep], LABELS[keep]))
    assert impact.curves["relu"].sel({"class": 2}).isnull().all()
    assert not (impact.units.worst_class == 2).any()


def test_a_layer_that_leads_nowhere():
    class Aside(Readout):
        def __init__(self):
            super().__init__()
            self.aside = nn.Sequential(nn.Conv2d(CLASSES, 3, 1), nn.ReLU())

        def forward(self, images):
            self.aside(images)
            return super().forward(images)

    impact = impact_of(Aside())
    assert impact.units.loc["aside.1"].delta_loss.tolist() == [0, 0, 0]
    assert impact.units.loc["relu"].delta_loss.max() > 0.1


# real weights and photographs


@pytest.fixture
def pictures(photographs):
    return photographs[0][:20], photographs[1][:20]


@pytest.mark.parametrize("site", ["address", "post_norm"])
@pytest.mark.parametrize("value", ["zero", "mean"])
def test_as_units_are_held_by_hand(pictures, value, site):
    model, (images, labels) = neuroprobe.load_network("cnn7"), pictures
    impact = neuroprobe.unit_impact(model, pictures, ["relu2", "relu6"], value=value, site=site, progress=False)
    recorded = []
    for layer, unit in [("relu2", 0), ("relu2", 17), ("relu6", 3), ("relu6", 100)]:
        held = neuroprobe.ablate(model, {layer: [unit]}, value=value, site=site, data=images, progress=False)
        with held:
            logits = neuroprobe.record(model, images, ["fc2"], progress=False).curves["fc2"].values
        recorded.append((layer, unit, torch.from_numpy(logits)))
    for layer, unit, logits in recorded:
        row = impact.units.loc[(layer, unit)]
        assert row.delta_loss + impact.meta["loss"] == pytest.approx(float(F.cross_entropy(logits, labels)), abs=1e-5)
        accuracy = float((logits.argmax(1) == labels).float().mean())
        assert row.delta_accuracy + impact.meta["accuracy"] == pytest.approx(accuracy)


def test_the_same_however_batches_and_memory_cut_it(resnet20, pictures):
    whole = neuroprobe.unit_impact(resnet20, pictures, ["layer3.2/relu:1", "layer2.2/relu:1"], progress=False)
    for how in ({"batch_size": 7}, {"memory": 2**22}):
        cut = neuroprobe.unit_impact(resnet20, pictures, ["layer3.2/relu:1", "layer2.2/relu:1"], progress=False, **how)
        assert_frame_equal(cut.units, whole.units, rtol=0, atol=1e-5)


def test_half_precision(pictures):
    full, half = (
        neuroprobe.unit_impact(neuroprobe.load_network("cnn7"), pictures, ["relu5"], dtype=dtype, progress=False)
        for dtype in (None, torch.bfloat16)
    )
    assert full.units.delta_loss.corr(half.units.delta_loss) > 0.95


def test_a_screen_marks_what_it_only_estimates(resnet20, pictures):
    layers = ["layer2.2/relu:*"]
    exact = neuroprobe.unit_impact(resnet20, pictures, layers, progress=False)
    screened = neuroprobe.unit_impact(resnet20, pictures, layers, screen=True, steps=2, confirm=8, progress=False)
    run = screened.units[~screened.units.estimated]
    assert 8 <= len(run) <= 16
    numbers = ["delta_loss", "delta_accuracy", "worst_class_delta", "class_correlation"]
    assert_frame_equal(run[numbers], exact.units.loc[run.index, numbers], rtol=0, atol=1e-5)
    guessed = screened.units[screened.units.estimated]
    assert guessed.delta_loss.notna().all()
    assert guessed[["delta_accuracy", "worst_class", "worst_class_delta"]].isna().all(axis=None)
    said = screened.meta["screen"]
    assert (said["steps"], said["confirmed"], said["sample"]) == (2, len(run), 8)
    assert -1 <= said["rank_correlation"] <= 1
    assert exact.meta["screen"] is None
    summary = screened.summary()
    assert summary["exact"].tolist() == run.groupby(level="layer", sort=False).size().tolist()


def test_a_screen_that_confirms_all_is_exact():
    exact, screened = (impact_of(Readout(), screen=screen) for screen in (False, True))
    assert_frame_equal(screened.units, exact.units)


def test_a_screen_of_units_that_are_all_alike_has_no_rank_correlation():
    model = Readout()
    model.head.weight.data.zero_()
    impact = impact_of(model, screen=True, confirm=3)
    assert np.isnan(impact.meta["screen"]["rank_correlation"])
    assert impact.units.delta_loss.tolist() == [0] * 6


# saving, input that does not fit, and the model after it


@pytest.mark.parametrize("screen", [False, True])
def test_what_is_loaded_is_what_was_saved(tmp_path, screen):
    saved = impact_of(Readout(), screen=screen, confirm=2, out=tmp_path / "impact")
    loaded = neuroprobe.load(tmp_path / "impact")
    assert isinstance(loaded, UnitImpact)
    assert_frame_equal(loaded.units, saved.units)
    assert loaded.curves["relu"].identical(saved.curves["relu"])
    assert loaded.meta == saved.meta


def test_a_path_that_is_taken_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "taken").mkdir()

    class NeverRun(Readout):
        def forward(self, images):
            raise AssertionError("the network was run")

    with pytest.raises(FileExistsError, match="taken"):
        impact_of(NeverRun(), out=tmp_path / "taken")


@pytest.mark.parametrize(
    ("data", "options", "error", "says"),
    [
        (IMAGES, {}, ValueError, r"labels.* \(images, labels\)"),
        ((IMAGES, LABELS + 1), {}, ValueError, "labels must be below the network's number of outputs, 4; 4 came"),
        ((IMAGES, LABELS + 1), {"screen": True}, ValueError, "labels must be below the network's .*, 4; 4 came"),
        ((IMAGES, LABELS), {"layers": ["rely"]}, UnknownLayerError, "no layer 'rely' in this network; nearest: relu"),
        ((IMAGES, LABELS), {"memory": 10}, ValueError, r"memory=10 bytes do not suffice for one image, which takes \d"),
        ((IMAGES, LABELS), {"steps": 0}, ValueError, "steps must be a whole number from 1; 0 came"),
        ((IMAGES, LABELS), {"confirm": 0}, ValueError, "confirm must be a whole number from 1; 0 came"),
        ((IMAGES, LABELS), {"steps": 1.5}, ValueError, "steps must be a whole number from 1; 1.5 came"),
        ((IMAGES, LABELS), {"seed": -1}, ValueError, "seed must be a whole number from 0; -1 came"),
        ((IMAGES, LABELS), {"value": "median"}, ValueError, "value must be one of 'zero', .*; 'median' came"),
        ((IMAGES, LABELS), {"site": "post_norm"}, ValueError, r"after 'relu'; 'head' \(Linear\) follows"),
        ((IMAGES, LABELS), {"site": "post_norm", "screen": True}, ValueError, "site='address' is wanted"),
        ((IMAGES, LABELS), {"value": float("inf")}, ValueError, "value must be finite; inf came"),
        ((IMAGES, LABELS), {"value": 3e38}, ValueError, "NaN or infinite logits"),
    ],
)
def test_what_does_not_fit_is_refused(left_alone, data, options, error, says):
    model = Readout().train()
    with left_alone(model), pytest.raises(error, match=says):
        impact_of(model, data, **options)


def test_a_network_that_gives_no_logits():
    with pytest.raises(ValueError, match=r"logits \(images, classes\) is wanted; \(\d+, 6, 2, 2\) came"):
        impact_of(nn.Sequential(nn.Conv2d(CLASSES, 6, 1), nn.ReLU()))


@pytest.mark.parametrize("options", [{}, {"value": "noise"}, {"screen": True, "steps": 2, "confirm": 2}])
def test_the_model_is_left_alone(left_alone, options):
    model = Readout().train()
    with left_alone(model):
        impact_of(model, **options)
