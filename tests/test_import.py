import json
import subprocess
import sys

import pytest

import neuroprobe

SLOW = ["pandas", "xarray", "zarr", "matplotlib", "captum", "lightning", "torch", "torchvision", "scipy"]
HEAVY = ["pandas", "xarray", "zarr", "matplotlib", "torchvision", "scipy"]
LIGHT = [
    "neuroprobe.results",
    "neuroprobe.stimuli",
    "neuroprobe.analysis.indices",
    "neuroprobe.analysis.von_mises",
    "neuroprobe.analysis.significance",
]
PLOTTING_AND_TABLES = ["pandas", "xarray", "zarr", "matplotlib", "torchvision", "scipy.stats", "captum", "lightning"]
COMPUTING = [
    "orientation",
    "class_selectivity",
    "importance",
    "layers",
    "record",
    "Probe",
    "load_network",
    "shift_invariance",
    "ablation",
    "noise_curves",
    "SelectivityPenalty",
    "OrientationPenalty",
    "train",
    "sweep",
    "track_units",
]
SCRIPT = f"""
import importlib, json, sys
import neuroprobe

def loaded(modules):
    return [name for name in modules if name in sys.modules]

found = {{"slow": loaded({SLOW}), "missing": sorted(set(neuroprobe.__all__) - set(dir(neuroprobe)))}}
for name in {LIGHT}:
    importlib.import_module(name)
    found[name] = loaded({HEAVY})
for name in {COMPUTING}:
    getattr(neuroprobe, name)
    found[name] = loaded({PLOTTING_AND_TABLES})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    """What a fresh process has loaded after the import, then after each name in turn: to start one takes seconds."""
    return json.loads(subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True).stdout)


def test_the_front_door_loads_nothing_slow(found):
    assert found["slow"] == []


@pytest.mark.parametrize("name", LIGHT)
def test_modules_load_nothing_they_do_not_need(found, name):
    assert found[name] == []


@pytest.mark.parametrize("name", COMPUTING)
def test_computing_loads_neither_plots_nor_tables(found, name):
    assert found[name] == []


@pytest.mark.parametrize("name", neuroprobe.__all__)
def test_every_public_name_is_there(name):
    assert getattr(neuroprobe, name) is not None


def test_dir_lists_what_is_not_loaded_yet(found):
    assert found["missing"] == []


def test_a_name_that_is_not_there_lists_those_that_are():
    with pytest.raises(AttributeError, match=r"'neuroprobe' has no attribute 'orientaton'; it has .*orientation"):
        getattr(neuroprobe, "orientaton")  # noqa: B009 - as a user would come by it
