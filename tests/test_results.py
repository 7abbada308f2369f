"""Results: what they say about their units, and that the disk gives back what it was given."""

import copy
import os
import pickle
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import zarr
from pandas.testing import assert_frame_equal
from torch import nn

os.environ.setdefault("MPLBACKEND", "Agg")  # before matplotlib, which the HTML view imports

import neuroprobe
from neuroprobe import folders, reducers, store
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.curves import von_mises
from neuroprobe.results import Recording, Result, Tuning, load

ORIENTATIONS = np.arange(0, 180, 30.0)
LAYERS = ('layer1.0/relu:0 ["a"] é', "../b", "a")  # not in alphabetical order


def tuning_of(layers=LAYERS, units=5, *, control=True, seed=0, **meta):
    """Build a small Tuning: unit i prefers 30 i degrees; the last is dead, the first has no verdict."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product([layers, range(units)], names=["layer", "unit"])
    number = index.get_level_values("unit").to_numpy()
    dead = number == units - 1
    numbers = {name: np.where(dead, np.nan, rng.random(len(index))) for name in ("gosi", "gosi_blank", "fit_r2")}
    fit = {"trough": 0.5, "amplitude": 1.0, "concentration": 2.0, "preferred": 30.0 * number}
    table = pd.DataFrame(
        {
            **numbers,
            "preferred_orientation": np.where(dead, np.nan, 30.0 * number),
            "bandwidth": np.where(dead, np.nan, 20.0),
            "blank_response": np.zeros(len(index), dtype=np.float32),
            **{f"fit_{name}": np.where(dead, np.nan, value) for name, value in fit.items()},
            "tuned": pd.array(np.where(dead | (number == 0), None, number % 2 == 0), dtype="boolean"),
            "best_class": pd.array(np.where(dead, None, 3 * number), dtype="Int64"),
            "status": np.where(dead, "unresponsive", "ok"),
        },
        index=index,
    )
    coords = {"unit": range(units), "frequency": [0.05, 0.1], "orientation": ORIENTATIONS, "phase": [0.0, 180.0]}
    shape = tuple(len(values) for values in coords.values())
    curves = {
        layer: xr.DataArray(
            rng.random(shape, dtype=np.float32), coords, tuple(coords), name=layer, attrs={"unit": "a.u."}
        )
        for layer in layers
    }
    untrained = table.assign(gosi=table["gosi"] / 2) if control else None
    return Tuning(table, curves, {"model": "<planted>", "pooling": "mean", "sizes": (3, np.int64(4))} | meta, untrained)


@pytest.fixture
def tuning():
    return tuning_of()


def assert_same(one, other):
    assert type(one) is type(other)
    assert_frame_equal(one.units, other.units, check_exact=True)
    assert (one.control is None) == (other.control is None)
    if one.control is not None:
        assert_frame_equal(one.control, other.control, check_exact=True)
    assert list(one.curves) == list(other.curves)
    for layer, curves in one.curves.items():
        assert curves.identical(other.curves[layer])
        assert curves.dtype == other.curves[layer].dtype
    assert one.meta == other.meta


# what a result says


def test_a_result_is_read_only_and_keeps_nothing_of_the_caller(tuning):
    with pytest.raises(TypeError):
        tuning.meta["model"] = "other"
    with pytest.raises(TypeError):
        tuning.curves["a"] = None
    with pytest.raises(AttributeError):
        tuning.units = None
    assert tuning.meta["sizes"] == [3, 4]  # as JSON will have it


def test_a_result_refuses_what_it_could_not_save_or_compare(tuning):
    with pytest.raises(TypeError, match="function came"):
        tuning_of(made_by=lambda: None)
    with pytest.raises(ValueError, match="indexed by layer and unit"):
        Result(tuning.units.reset_index(), {}, {})
    with pytest.raises(ValueError, match="rows and columns"):
        Tuning(tuning.units, {}, {}, tuning.units.iloc[1:])


def test_results_survive_copy_and_pickle(tuning):
    assert_same(copy.deepcopy(tuning), tuning)
    assert_same(pickle.loads(pickle.dumps(tuning)), tuning)  # noqa: S301 - our own


def test_summary_has_a_row_a_layer_in_order_of_execution(tuning):
    summary = tuning.summary()
    assert list(summary.index) == list(LAYERS)
    row, units = summary.loc["a"], tuning.units.loc["a"]
    assert (row["units"], row["ok"], row["unresponsive"]) == (5, 4, 1)
    assert row["median_gosi"] == units["gosi"].median()
    assert row["q25_gosi"] == units["gosi"].quantile(0.25)
    assert row["share_selective"] == (units["gosi"].dropna() > 0.33).mean()
    assert row["share_tuned"] == 1 / 3  # of units 1, 2, 3
    assert row["median_gosi_control"] == units["gosi"].median() / 2
    assert row["median_bandwidth"] == 20


def test_summary_of_a_silent_layer_is_nan_and_counted():
    tuning = tuning_of(units=1, control=False)
    row = tuning.summary().iloc[0]
    assert row["unresponsive"] == 1
    assert row[["median_gosi", "share_selective", "share_tuned"]].isna().all()
    assert "median_gosi_control" not in row


def test_verdicts_sum_to_one(tuning):
    assert tuning.verdicts().loc["a"].round(3).to_dict() == {
        "tuned": 0.2, "not_tuned": 0.4, "no_verdict": 0.2, "unresponsive": 0.2,
    }  # fmt: skip


def test_top_is_the_largest_first_without_nan_and_stable(tuning):
    top = tuning.top("a", 5)
    assert list(top["gosi"]) == sorted(tuning.units.loc["a", "gosi"].dropna(), reverse=True)
    assert set(top.index.get_level_values("layer")) == {"a"}
    assert list(tuning.top("a", 3, by="bandwidth").index.get_level_values("unit")) == [0, 1, 2]
    assert list(tuning.top("a", 1, by="tuned").index) == [("a", 2)]


@pytest.mark.parametrize("k", [0, 6])
def test_top_says_how_many_units_there_are(tuning, k):
    with pytest.raises(ValueError, match=f"'a' has 5 units: k must be 1 to 5; {k} came"):
        tuning.top("a", k)


def test_wrong_names_are_answered_with_the_nearest(tuning):
    with pytest.raises(UnknownLayerError, match=re.escape("layer1.0/relu:0 [")):
        tuning.top("layer1.0/relu", 1)
    with pytest.raises(ValueError, match="no column 'gois'; the nearest are 'gosi'"):
        tuning.top("a", 1, by="gois")
    with pytest.raises(ValueError, match="column 'status' holds words, and numbers are wanted: there are gosi"):
        tuning.top("a", 1, by="status")
    with pytest.raises(UnknownLayerError):
        tuning.curve("c")


def test_layers_that_are_not_there_are_answered_with_the_nearest(tmp_path):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.bn = nn.BatchNorm2d(3)

        def forward(self, x):
            return self.bn(self.bn(x))

    images = torch.rand(4, 3, 5, 5)
    recording = neuroprobe.record(Twice(), images, "bn")
    reduced = neuroprobe.record(Twice(), images, "bn", reducers="moments", out=tmp_path / "store").reduced["moments"]
    for held in (recording.curves, copy.copy(recording).curves, reduced):
        assert list(held) == ["bn:0", "bn:1"]
        with pytest.raises(UnknownLayerError, match=r"^no layer 'bn' in this result; nearest: bn:1, bn:0$"):
            held["bn"]
        assert held.get("bn") is None
        assert "bn" not in held


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_curve_is_pooled_over_phase_at_the_preferred_frequency(pooling):
    tuning = tuning_of(pooling=pooling)
    cube = tuning.curves["a"].to_numpy()
    best = cube.max(axis=(2, 3)).argmax(axis=1)
    expected = getattr(cube[np.arange(5), best], pooling)(axis=-1)
    curve = tuning.curve("a")
    assert curve.dims == ("unit", "orientation")
    np.testing.assert_array_equal(curve, expected)
    np.testing.assert_array_equal(curve["frequency"], np.array([0.05, 0.1])[best])
    plane = tuning.plane("a")
    assert plane.dims == ("unit", "frequency", "orientation")
    np.testing.assert_array_equal(plane.to_numpy()[np.arange(5), best], curve)


def test_curve_of_a_unit_without_responses_is_nan(tuning):
    cube = tuning.curves["a"].copy()
    cube[3] = np.nan
    curve = Tuning(tuning.units, {**tuning.curves, "a": cube}, tuning.meta).curve("a")
    assert curve[3].isnull().all()
    assert curve[2].notnull().all()


def test_fit_peaks_at_the_preferred_orientation_and_is_nan_for_the_dead(tuning):
    fit = tuning.fit("a")
    assert list(fit["orientation"].values[[0, -1]]) == [0, 180]
    assert list(fit[:4].idxmax("orientation").values) == [0, 30, 60, 90]
    np.testing.assert_allclose([fit[1].max(), fit[1].sel(orientation=120)], [1.5, 0.5])
    assert fit[4].isnull().all()


def test_von_mises_is_a_cosine_where_it_is_blunt():
    angles = np.arange(0, 180, 5)
    cosine = 1 + np.cos(2 * np.radians(angles - 40))
    np.testing.assert_allclose(von_mises(angles, 0, 2, 1e-3, 40), cosine, atol=1e-2)


def test_the_views_are_one_line_and_escaped_html(tuning):
    assert repr(tuning).count("\n") == 0
    assert repr(tuning).startswith("Tuning(<planted>, 15 units, 3 layers, median gosi 0.")
    html = tuning_of(("<script>",), control=False)._repr_html_()
    assert "<script>" not in html
    assert "&lt;planted&gt;" in html
    assert 'src="data:image/png;base64,' in html


# what a recording adds


def recording_of(**kwargs):
    index = pd.MultiIndex.from_product([LAYERS, range(3)], names=["layer", "unit"])
    return Recording(pd.DataFrame({"status": "ok"}, index=index), {}, {"model": "m"}, **kwargs)


def test_a_recording_saves_its_states(tmp_path):
    kinds = ("Moments", "ClassMoments", "TopImages", "Quantiles", "Covariance")
    states = {kind: {} for kind in kinds}
    for layer in LAYERS:
        seen = reducers.observed(torch.rand(4, 3), labels=[0, 1, 1, 2])
        for name in kinds:
            states[name][layer] = reducers.STATES[name].of(seen)
    recording = recording_of(reduced=states)
    recording.save(tmp_path / "r.zarr")
    loaded = load(tmp_path / "r.zarr")
    assert_same(loaded, recording)
    for name, layers in states.items():
        assert list(loaded.reduced[name]) == list(LAYERS)
        for layer, state in layers.items():
            torch.testing.assert_close(vars(loaded.reduced[name][layer]), vars(state), rtol=0, atol=0)


def test_a_state_of_the_users_own_is_refused_and_leaves_nothing(tmp_path):
    @dataclass(frozen=True)
    class Own:
        count: int

    with pytest.raises(TypeError, match=r"'mine' made a Own.*reducers\.savable"):
        recording_of(reduced={"mine": {"a": Own(3)}}).save(tmp_path / "r.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_recording_sums_up_and_draws_mean_responses():
    index = pd.MultiIndex.from_product([LAYERS, range(3)], names=["layer", "unit"])
    recording = Recording(pd.DataFrame({"mean": 2.0, "status": "ok"}, index=index), {}, {"model": "m"})
    assert repr(recording) == f"Recording(m, {len(index)} units, {len(LAYERS)} layers, median mean 2.00)"
    assert list(recording.summary()) == ["units", "ok", "median_mean", "q25_mean", "q75_mean"]
    assert len(recording.plot().axes) == 1
    assert "Recording(" in recording._repr_html_()


# the disk


@pytest.mark.parametrize("control", [True, False])
def test_what_loads_equals_what_was_saved(tmp_path, control):
    tuning = tuning_of(control=control, nan=None, nested={"b": [1.5, True], "a": "é"})
    assert tuning.save(tmp_path / "new folder" / "t.zarr") == tmp_path / "new folder" / "t.zarr"
    assert_same(load(tmp_path / "new folder" / "t.zarr"), tuning)


def test_words_and_whole_datasets_among_the_curves_survive(tmp_path):
    index = pd.MultiIndex.from_product([["a", "b"], [0]], names=["layer", "unit"])
    words = {"class": ("class", ["cat", "dög"], {"long_name": "class"}), "polarity": ("class", ["on", "on"])}
    array = xr.DataArray(np.arange(2.0)[None], dims=("unit", "class"), coords=words, attrs={"units": "days since then"})
    pair = xr.Dataset(
        {"loss": ("order", [0.5, np.nan]), "seen": ("order", [True, False])}, {"order": ["top", "random"]}
    )
    result = Tuning(pd.DataFrame({"status": "ok", "odd/name": [1, 2]}, index), {"a": array, "b": pair}, {})
    result.save(tmp_path / "r")
    loaded = load(tmp_path / "r")
    assert_frame_equal(loaded.units, result.units, check_exact=True)
    assert loaded.curves["a"].identical(array)
    assert loaded.curves["b"].identical(pair)


def test_a_table_of_every_dtype_survives(tmp_path, tuning):
    count = len(tuning.units)
    extra = {
        "float32": np.arange(count, dtype=np.float32),
        "int16": np.arange(count, dtype=np.int16),
        "bool": np.arange(count) % 2 == 0,
        "none": pd.array([None] * count, dtype="Int64"),
        "Float64": pd.array([None, 0.1, *range(count - 2)], dtype="Float64"),
        "string": pd.array(["x", None] + ["y"] * (count - 2), dtype="string"),
    }
    rich = Tuning(tuning.units.assign(**extra), {}, {})
    rich.save(tmp_path / "r")
    assert_frame_equal(load(tmp_path / "r").units, rich.units, check_exact=True)
    with pytest.raises(TypeError, match="column 'when' of dtype datetime64"):
        Tuning(tuning.units.assign(when=pd.Timestamp(0)), {}, {}).save(tmp_path / "s")


def test_an_existing_result_is_replaced_only_when_asked(tmp_path, tuning):
    place = tmp_path / "t.zarr"
    tuning.save(place)
    other = tuning_of(seed=1)
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        other.save(place)
    assert_same(load(place), tuning)
    other.save(place, overwrite=True)
    assert_same(load(place), other)
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("overwrite", [True, False])
def test_what_is_no_result_is_never_replaced(tmp_path, tuning, overwrite):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("all my work")
    with pytest.raises(FileExistsError, match="no neuroprobe result"):
        tuning.save(tmp_path / "thesis", overwrite=overwrite)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "all my work"


def failing_midway(error):
    """Stand in for the last step of a write, when all but the mark is on disk."""

    def fail(folder):
        assert any(folder.rglob("zarr.json"))
        raise error

    return fail


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
@pytest.mark.parametrize("existing", [True, False])
def test_a_write_that_fails_midway_leaves_what_was_there(tmp_path, tuning, monkeypatch, error, existing):
    place = tmp_path / "t.zarr"
    if existing:
        tuning.save(place)
    with monkeypatch.context() as patch:
        patch.setattr(store, "_count_files", failing_midway(error))
        with pytest.raises(type(error)):
            tuning_of(seed=1).save(place, overwrite=True)
    assert list(tmp_path.iterdir()) == ([place] if existing else [])
    if existing:
        assert_same(load(place), tuning)


def test_a_failing_move_puts_the_old_result_back(tmp_path, tuning, monkeypatch):
    place = tmp_path / "t.zarr"
    tuning.save(place)
    rename = type(place).rename

    def refuse_partial(self, target):
        if self.name.endswith(".partial"):
            raise OSError("the disk went away")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(place), "rename", refuse_partial)
        with pytest.raises(OSError, match="went away"):
            tuning_of(seed=1).save(place, overwrite=True)
    assert list(tmp_path.iterdir()) == [place]
    assert_same(load(place), tuning)


def test_a_killed_write_is_no_result(tmp_path, tuning, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store, "_count_files", failing_midway(OSError("killed")))
        patch.setattr(folders.shutil, "rmtree", lambda *args, **kwargs: None)  # nobody cleans up after a kill
        with pytest.raises(OSError, match="killed"):
            tuning.save(tmp_path / "t.zarr")
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".partial")
    with pytest.raises(ValueError, match="not whole"):
        load(left)


def test_a_store_copied_in_part_is_no_result(tmp_path, tuning):
    tuning.save(tmp_path / "t.zarr")
    next(path for path in (tmp_path / "t.zarr" / "curves").rglob("c/*") if path.is_file()).unlink()
    with pytest.raises(ValueError, match="not whole"):
        load(tmp_path / "t.zarr")


def test_loading_says_what_is_wrong(tmp_path, tuning):
    with pytest.raises(FileNotFoundError, match=r"no such result: .*absent"):
        load(tmp_path / "absent")
    zarr.open_group(tmp_path / "other.zarr", mode="w").attrs["title"] = "someone else's"
    for stranger in (tmp_path, tmp_path / "other.zarr"):
        with pytest.raises(ValueError, match="no neuroprobe result"):
            load(stranger)
    tuning.save(tmp_path / "t.zarr")
    marks = zarr.open_group(tmp_path / "t.zarr").attrs
    marks["kind"] = "smell"
    with pytest.raises(ValueError, match=r"'smell'; known kinds are .*orientation"):
        load(tmp_path / "t.zarr")
    marks["neuroprobe_format"] = 99
    with pytest.raises(ValueError, match="has format 99, this neuroprobe reads up to 1"):
        load(tmp_path / "t.zarr")
