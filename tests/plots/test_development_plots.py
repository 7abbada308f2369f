import numpy as np
import pytest
from planted_training import development

from neuroprobe import plots
from neuroprobe.plots.style import as_img


def test_a_line_a_layer_over_the_epochs():
    axes = plots.development(development())
    assert axes.get_ylabel() == "Class selectivity\n(mean SI)"
    for depth, line in enumerate(axes.get_lines(), start=1):
        assert line.get_xdata().tolist() == [0, 1, 2, 4]
        np.testing.assert_allclose(line.get_ydata(), depth * np.array([0, 1, 2, 4]) / 100)
    assert [text.get_text() for text in axes.figure.axes[1].get_yticklabels()] == ["conv1", "conv2", "fc"]


def test_the_map_has_layers_down_and_epochs_along():
    axes = plots.development_map(development(), "median_gosi")
    image = axes.get_images()[0]
    np.testing.assert_allclose(image.get_array(), np.outer([1, 2, 3], [0, 1, 2, 4]) / 400)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2", "4"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["conv1", "conv2", "fc"]
    assert axes.figure.axes[1].get_ylabel() == "Orientation selectivity\n(median gOSI)"


def test_of_many_epochs_the_round_ones_are_numbered():
    axes = plots.development_map(development(epochs=tuple(range(41))))
    assert [text.get_text() for text in axes.get_xticklabels()] == [str(epoch) for epoch in range(0, 41, 5)]


def test_accuracy_stands_beside_them():
    np.testing.assert_allclose(
        plots.accuracy_by_epoch(development()).get_lines()[0].get_ydata(), np.linspace(0.1, 0.9, 4)
    )
    texts = [text.get_text() for text in plots.accuracy_by_epoch(development(labels=False)).texts]
    assert texts == ["Photographs without labels"]


@pytest.mark.parametrize("measured", [("si", "gosi"), ("si",), ("gosi",)])
@pytest.mark.parametrize("layers", [1, 50])
def test_the_overview_draws_what_was_measured(measured, layers):
    planted = development([f"layer{number}" for number in range(layers)], measured=measured, labels=layers > 1)
    figure = planted.plot()
    assert len(figure.axes) == 2 + len(measured)  # with the key
    assert as_img(figure).startswith("<img")
    assert "<img" in planted._repr_html_()


def test_layers_without_numbers_leave_gaps():
    planted = development()
    planted.layers.loc[(2, "fc"), "mean_si"] = np.nan
    assert np.isnan(plots.development(planted).get_lines()[2].get_ydata()[2])
    assert np.isnan(plots.development_map(planted).get_images()[0].get_array().filled(np.nan)[2, 2])


def test_a_column_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no column 'gosi'; the nearest are 'mean_gosi'"):
        plots.development(development(), "gosi")
    with pytest.raises(ValueError, match="no column 'mean_si'"):
        plots.development_map(development(measured=("gosi",)), "mean_si")
