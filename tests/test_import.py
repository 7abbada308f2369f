import subprocess
import sys

import pytest

import neuroprobe

SLOW = ["pandas", "xarray", "zarr", "matplotlib", "captum", "lightning", "torch", "torchvision", "scipy"]
PLOTTING_AND_TABLES = ["pandas", "xarray", "zarr", "matplotlib", "torchvision", "scipy.stats", "captum", "lightning"]


def loaded(statement, modules):
    """Which of the modules a fresh process has loaded after a statement."""
    code = f"import sys; {statement}; print([name for name in {modules} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_the_front_door_loads_nothing_slow():
    assert loaded("import neuroprobe", SLOW) == "[]"


@pytest.mark.parametrize(
    "name",
    [
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
    ],
)
def test_computing_loads_neither_plots_nor_tables(name):
    assert loaded(f"import neuroprobe; neuroprobe.{name}", PLOTTING_AND_TABLES) == "[]"


@pytest.mark.parametrize("name", neuroprobe.__all__)
def test_every_public_name_is_there(name):
    assert getattr(neuroprobe, name) is not None


def test_dir_lists_what_is_not_loaded_yet():
    listed = subprocess.run(
        [sys.executable, "-c", "import neuroprobe; print(set(neuroprobe.__all__) <= set(dir(neuroprobe)))"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert listed.stdout.strip() == "True"


def test_a_name_that_is_not_there_lists_those_that_are():
    with pytest.raises(AttributeError, match=r"'neuroprobe' has no attribute 'orientaton'; it has .*orientation"):
        getattr(neuroprobe, "orientaton")  # noqa: B009 - as a user would come by it
