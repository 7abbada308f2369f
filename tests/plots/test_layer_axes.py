import pytest
from matplotlib.figure import Figure

from neuroprobe.plots.layer_axes import layer_notes, layer_rows, layer_ticks


@pytest.fixture
def axes():
    return Figure((3.35, 2)).add_subplot()


def test_names_are_level_where_there_is_room_else_upright(axes):
    layer_ticks(axes, ["a", "b"])
    assert axes.get_xticklabels()[0].get_rotation() == 0
    layer_ticks(axes, [f"layer{number}" for number in range(12)])
    assert axes.get_xticklabels()[0].get_rotation() == 90


def test_layers_without_room_for_names_are_numbered(axes):
    layer_ticks(axes, [f"layer{i}" for i in range(40)])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "10", "20", "30", "40"]
    assert axes.get_xlabel() == "Layer, in order of execution"


def test_layers_without_room_are_numbered_down_the_side_and_in_notes(axes):
    layers = [f"layer{number}" for number in range(40)]
    layer_rows(axes, layers)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "10", "20", "30", "40"]
    layer_notes(axes, [str(number) for number in range(40)], "Units")
    assert [text.get_text() for text in axes.texts] == ["0", "9", "19", "29", "39", "Units"]
