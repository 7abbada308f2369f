import numpy as np
import pytest
from planted_tuning import planted

from neuroprobe import plots


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_results_with_the_same_layers_stand_side_by_side_by_name():
    one, other = planted(["a", "b", "c"]), planted(["a", "b", "c"], seed=1)
    axes = plots.index_by_layer({"One": one, "Other": other})
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c"]
    for label, result, aside in (("One", one, -0.07), ("Other", other, 0.07)):
        drawn = lines(axes)[label]
        np.testing.assert_allclose(drawn.get_ydata(), result.units["gosi"].groupby(level="layer").median())
        np.testing.assert_allclose(drawn.get_xdata(), np.arange(3) + aside)
    axes.figure.canvas.draw()


def test_results_with_other_layers_stand_at_their_relative_depth():
    axes = plots.index_by_layer([("Deep", planted(["a", "b", "c"])), ("Flat", planted(["fc"]))], "bandwidth")
    assert lines(axes)["Deep"].get_xdata().tolist() == [0, 0.5, 1]
    assert lines(axes)["Flat"].get_xdata().tolist() == [0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Relative depth (first layer 0, last 1)", "Bandwidth (deg)")


def test_each_control_is_a_dotted_line_in_its_results_colour():
    with_control, without = planted(["a", "b"]), planted(["a", "b"], control=False)
    axes = plots.index_by_layer({"With": with_control, "Without": without})
    (dotted,) = [line for line in axes.get_lines() if line.get_linestyle() == ":" and len(line.get_ydata())]
    np.testing.assert_allclose(dotted.get_ydata(), with_control.control["gosi"].groupby(level="layer").median())
    assert dotted.get_color() == lines(axes)["With"].get_color()
    assert "Median of control" in lines(axes)


def test_more_results_than_colours_have_other_marks():
    axes = plots.index_by_layer({str(number): planted(["a"]) for number in range(7)})
    first, seventh = lines(axes)["0"], lines(axes)["6"]
    assert first.get_color() == seventh.get_color()
    assert first.get_marker() != seventh.get_marker()


def test_nothing_to_draw_is_an_error_and_no_numbers_are_said():
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.index_by_layer({})
    with pytest.raises(TypeError, match="unit table is wanted; 'table' is DataFrame"):
        plots.index_by_layer({"table": planted(["a"]).units})
    silent = planted(["a", "b"])
    silent.units["gosi"] = np.nan
    for drawn in (silent, {"Silent": silent}):
        texts = [text.get_text() for text in plots.index_by_layer(drawn).texts]
        assert texts == ["No unit has a number in gosi"]
