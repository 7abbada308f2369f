from dataclasses import dataclass

import pytest

from neuroprobe.packing import pack_state, unpack_state
from neuroprobe.reducers import STATES, Moments, named_reducers, savable

# By name


@pytest.mark.parametrize("given", ["moments", ["moments"], {"moments": "moments"}, {"moments": Moments}])
def test_ways_to_name_a_reducer(given):
    assert named_reducers(given) == {"moments": Moments.of}


def test_an_unknown_reducer_lists_the_known():
    with pytest.raises(ValueError, match=r"\['median'\]; by name there are moments, .*, covariance"):
        named_reducers(["moments", "median"])


@pytest.mark.parametrize("reducer", [3, "median"])
def test_a_reducer_that_is_no_function(reducer):
    with pytest.raises(TypeError, match=f"reducer 'mine' must be a function .*; {reducer!r} came"):
        named_reducers({"mine": reducer})


# States that a store can hold


@pytest.fixture
def states(monkeypatch):
    """The table of states, put back afterwards."""
    known = dict(STATES)
    yield STATES
    STATES.clear()
    STATES.update(known)


def own(name, module=__name__):
    return dataclass(type(name, (), {"__annotations__": {"images": int}, "__module__": module}))


def test_a_state_of_ones_own_is_listed(states):
    kind = own("Own")
    assert savable(kind) is kind
    assert states["Own"] is kind


def test_a_cell_that_is_run_again_replaces_its_class(states):
    savable(own("Own"))
    newer = savable(own("Own"))
    assert states["Own"] is newer


def test_a_name_that_is_taken_is_refused(states):
    with pytest.raises(ValueError, match=r"there is a state Moments already, of neuroprobe\.reducers\.moments"):
        savable(own("Moments"))
    assert states["Moments"] is Moments


def test_a_state_must_be_a_dataclass(states):
    with pytest.raises(TypeError, match="must be a dataclass; dict is none"):
        savable(dict)


def test_a_state_that_is_not_known_here_says_what_to_import(states):
    kind = savable(own("Own"))
    packed = pack_state("mine", "relu1", kind(images=3))
    assert unpack_state(packed).images == 3
    del states["Own"]
    with pytest.raises(
        ValueError, match=r"a state 'Own', which is none of Moments, .*: import the module that defines"
    ):
        unpack_state(packed)
