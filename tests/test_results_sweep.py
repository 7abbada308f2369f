import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pandas.testing import assert_frame_equal

import neuroprobe
from neuroprobe.results import Sweep


def result(accuracy, alphas=(0.0, 1.0), seeds=(0, 1, 2), penalty="class"):
    """Runs of these accuracies (alpha, seed); their other numbers are all alike."""
    index = pd.MultiIndex.from_product([alphas, seeds], names=["alpha", "seed"])
    numbers = {"accuracy": accuracy, "loss": 1.0, "si": 0.25, "si_live": 0.5, "gosi": 0.3, "dead": 0.5}
    table = pd.DataFrame(numbers, index)
    layers = pd.concat({"relu1": table[["si", "dead"]].assign(units=2)}, names=["layer"])
    units = np.zeros((len(alphas), len(seeds), 2), np.float32)
    status = np.full(units.shape, "ok", dtype="<U4")
    status[0, 0, 1] = "dead"
    grid = {"alpha": list(alphas), "seed": list(seeds), "unit": [0, 1], "status": (("alpha", "seed", "unit"), status)}
    curves = {"relu1": xr.Dataset({"si": (("alpha", "seed", "unit"), units)}, grid)}
    meta = {"model": "cnn7", "penalty": penalty}
    return Sweep(table, layers.reorder_levels(["alpha", "seed", "layer"]), meta, curves)


def test_the_interval_is_students_t_over_seeds():
    summary = result([0.1, 0.2, 0.3, 0.4, 0.4, 0.4]).summary()
    half = 4.302653 * 0.1 / 3**0.5  # t with 2 degrees of freedom at 0.975, times the standard error
    assert summary.index.tolist() == [0, 1]
    assert summary.seeds.tolist() == [3, 3]
    assert summary.loc[0, ["accuracy", "accuracy_low", "accuracy_high"]].tolist() == pytest.approx(
        [0.2, 0.2 - half, 0.2 + half], rel=1e-6
    )
    assert summary.loc[1, ["accuracy", "accuracy_low", "accuracy_high"]].tolist() == pytest.approx([0.4] * 3)


def test_the_change_of_accuracy_is_paired_by_seed():
    summary = result([0.80, 0.90, 0.70, 0.85], seeds=(3, 5)).summary()
    half = 12.706205 * 0.025  # of the changes -0.10 and -0.05
    assert summary.loc[1, ["accuracy_change", "accuracy_change_low", "accuracy_change_high"]].tolist() == pytest.approx(
        [-0.075, -0.075 - half, -0.075 + half], rel=1e-6
    )
    assert summary.loc[0, ["accuracy_change", "accuracy_change_low", "accuracy_change_high"]].tolist() == [0, 0, 0]
    assert summary.loc[1, "accuracy_high"] - summary.loc[1, "accuracy_low"] > 2 * half  # unpaired it would be unclear


def test_a_single_seed_has_no_interval():
    summary = result([0.8, 0.7], seeds=(0,)).summary()
    assert summary.accuracy.tolist() == [0.8, 0.7]
    assert summary[["accuracy_low", "accuracy_high", "accuracy_change_low"]].isna().all(axis=None)
    assert summary.accuracy_change.tolist() == pytest.approx([0, -0.1])


def test_without_a_network_without_penalty_there_is_no_change():
    summary = result([0.8, 0.7, 0.6, 0.5], alphas=(-1.0, 1.0), seeds=(0, 1)).summary()
    assert summary.accuracy_change.isna().all()


def test_what_was_saved_is_what_loads(tmp_path):
    swept = result([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    loaded = neuroprobe.load(swept.save(tmp_path / "sweep.zarr"))
    assert type(loaded) is Sweep
    for name, table in swept.tables.items():
        assert_frame_equal(loaded.tables[name], table, check_exact=True)
    assert loaded.curves["relu1"].identical(swept.curves["relu1"])
    assert loaded.meta == swept.meta


def test_it_says_in_one_line_what_it_holds():
    swept = result([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert repr(swept) == "Sweep(cnn7, class penalty, 2 alphas from 0 to 1, 3 seeds)"
    assert (swept.index, result([0] * 6, penalty="orientation").index) == ("si", "gosi")
    assert "<img" in swept._repr_html_()


def test_tables_of_another_make_are_refused():
    swept = result([0.1] * 6)
    with pytest.raises(ValueError, match=r"table must be indexed by alpha, seed; \['seed', 'alpha'\] came"):
        Sweep(swept.table.reorder_levels(["seed", "alpha"]), swept.layers, swept.meta)
