"""What two processes that share a measurement find is what one finds alone; and where one fails, both know."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import neuroprobe
from neuroprobe.packing import Contents

SCRIPT = Path(__file__).parent / "two_processes.py"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}  # how a sum is cut into threads changes its last digits
MOST_SECONDS = 600


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the script found: in one process alone, and in each of two."""
    folders = [tmp_path_factory.mktemp(name) for name in ("alone", "two")]
    starts = [sys.executable], TORCHRUN
    runs = [
        subprocess.Popen([*start, SCRIPT, folder], env=ONE_THREAD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for start, folder in zip(starts, folders, strict=True)
    ]
    for run in runs:
        printed, _ = run.communicate(timeout=MOST_SECONDS)
        assert run.returncode == 0, printed.decode()
    sys.path.insert(0, str(SCRIPT.parent))  # its reducers came along
    try:
        places = [folders[0] / "0.pt", folders[1] / "0.pt", folders[1] / "1.pt"]
        return [torch.load(place, weights_only=False) for place in places]
    finally:
        sys.path.remove(str(SCRIPT.parent))


MEASUREMENTS = [
    "responses", "reducers", "a reducer of one's own", "a shuffled loader", "a loader for processes",
    "the last batch dropped", "fewer batches than processes", "whole maps", "to disk", "classes", "classes, one batch",
    "classes, no null", "orientation", "shift", "ablation", "maps of others", "noise", "impact", "screened",
    "importance",
]  # fmt: skip


def test_every_measurement_is_compared(found):
    assert [list(process["results"]) for process in found] == [MEASUREMENTS] * 3


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("name", MEASUREMENTS)
def test_two_processes_find_what_one_finds(found, name, rank):
    alone, shared = found[0]["results"][name], found[1 + rank]["results"][name]
    assert shared.kind == alone.kind
    assert without_paths(shared.meta) == without_paths(alone.meta)
    one, other = numbers(alone), numbers(shared)
    assert list(one) == list(other)
    for what, values in one.items():
        assert_same(what, values, other[what])


def without_paths(meta):
    return {key: value for key, value in meta.items() if key != "identity"}


def numbers(contents: Contents):
    """Lay out all that a result holds, by name."""
    tables = {f"{name} {column}": table[column] for name, table in contents.tables.items() for column in table}
    curves = {
        f"{layer} {name}": variable
        for layer, curve in contents.curves.items()
        for name, variable in (curve.variables if hasattr(curve, "data_vars") else {"": curve}).items()
    }
    states = {
        f"{reducer} {layer} {name}": value
        for reducer, by_layer in contents.states.items()
        for layer, state in by_layer.items()
        for name, value in ({"": state} if isinstance(state, torch.Tensor) else vars(state)).items()
    }
    return tables | curves | states


def assert_same(what, one, other):
    """To 1e-10 where numbers are floating, else exactly."""
    one, other = (values.array if isinstance(values, pd.Series) else np.asarray(values) for values in (one, other))
    if one.dtype.kind == "f":
        np.testing.assert_allclose(other, one, rtol=1e-10, atol=1e-10, err_msg=what)
    else:
        pd.testing.assert_series_equal(*(pd.Series(np.ravel(values)) for values in (one, other)), obj=what)


def test_the_order_of_images_is_that_of_the_data(found):
    curve = found[1]["results"]["responses"].curves["relu1"]
    assert curve.sizes["image"] == 125
    assert curve.sel(image=124).notnull().all()


MISTAKES = {
    "one fails": ("ValueError", "process 1 cannot go on"),
    "the first fails": ("ValueError", "process 0 cannot go on"),
    "an error that cannot travel": (("RuntimeError", "UnsendableError"), "this and that"),
    "a value that cannot travel": ("TypeError", "define its class in a module"),
    "other arguments": ("ValueError", "process 0 has {'seed': 0}, process 1 has {'seed': 1}"),
    "other weights": ("ValueError", "all processes must have the same weights (load the same, or seed"),
    "other images": ("ValueError", "all processes must have the same images; process 0 has 8 in batches of 18"),
    "a stream": ("ValueError", "pass the Dataset, or measure in one process, inside neuroprobe.distributed.alone()"),
    "no images": ("ValueError", "the data hold no images"),
    "other calls": ("RuntimeError", "make the same calls in the same order; here is process 0 in record (call"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_an_error_of_one_process_is_raised_in_both(found, name):
    kinds, message = MISTAKES[name]
    kinds = (kinds, kinds) if isinstance(kinds, str) else kinds
    for process, kind in zip(found[1:], kinds, strict=True):
        came, said, _ = process["mistakes"][name]
        assert came == kind
        assert message in said


def test_who_did_not_fail_says_who_did(found):
    notes = [process["mistakes"]["one fails"][2] for process in found[1:]]
    assert notes == [["This was raised in process 1."], []]


def test_where_both_fail_each_raises_its_own(found):
    came = [process["mistakes"]["both fail"][:2] for process in found[1:]]
    assert came == [("ValueError", "process 0"), ("TypeError", "process 1")]


def test_all_goes_on_after_mistakes(found):
    assert [process["mistakes"]["no mistake after all these"] for process in found[1:]] == [None, None]


def test_a_process_stops_soon_after_another_failed(found):
    assert found[1]["seen before stopping"] < 20  # its own batches; it would have run them all


def test_a_process_may_measure_alone(found):
    assert [process["alone"] for process in found[1:]] == [(3, True), (4, True)]


def test_a_process_that_dies_holds_up_no_other(found):
    kind, message, _ = found[1]["one goes"]
    assert kind == "RuntimeError"
    assert message == "another process is gone, so record ends here: see what that one said"
    assert "one goes" not in found[2]


# The command line


@pytest.fixture
def photographs(tmp_path):
    """A folder of 26 grey photographs in two classes."""
    from PIL import Image

    for number in range(26):
        place = tmp_path / "photographs" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (9 * number, 200 - 7 * number, 50)).save(place)
    return tmp_path / "photographs"


def torchrun(*arguments):
    command = [*TORCHRUN, "-m", "neuroprobe", *map(str, arguments)]
    return subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, timeout=MOST_SECONDS)


def test_a_command_writes_and_prints_once(photographs, tmp_path):
    arguments = ["cnn7", "--data", photographs, "--layers", "relu6", "--permutations", "20", "--batch-size", "7"]
    done = torchrun("class-selectivity", *arguments, "--out", tmp_path / "classes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("units in") == 1
    assert done.stdout.count("cnn7: 128 units, 26 images") == 1
    loaded = neuroprobe.load(tmp_path / "classes" / "class_selectivity.zarr")
    alone = neuroprobe.class_selectivity(
        neuroprobe.load_network("cnn7"), photographs, "relu6", permutations=20, batch_size=7
    )
    np.testing.assert_allclose(loaded.units.si, alone.units.si, rtol=1e-5)  # threads differ
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes", "photographs"]


def test_a_command_that_fails_says_so_once_and_leaves_nothing(tmp_path):
    done = torchrun("orientation", "cnn7", "--layers", "relu9", "--out", tmp_path / "tuning")
    assert done.returncode != 0
    assert done.stderr.count("neuroprobe: no layer 'relu9'") == 1
    assert list(tmp_path.iterdir()) == []
