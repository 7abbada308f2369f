import numpy as np
import pytest

from neuroprobe.analysis import class_indices


def means(*units):
    """Class means (classes, units) from a list of class means for each unit."""
    return np.array(units, dtype=float).T


def moments(responses, labels):
    """Count, means and summed squared deviations of (images, units) by class."""
    classes = np.unique(labels)
    of = [responses[labels == c] for c in classes]
    return (
        np.array([len(part) for part in of]),
        np.stack([part.mean(0) for part in of]),
        np.stack([((part - part.mean(0)) ** 2).sum(0) for part in of]),
    )


@pytest.fixture
def noise():
    random = np.random.default_rng(0)
    return random.exponential(size=(300, 4)), random.integers(0, 5, 300)


# By hand


def test_selectivity_by_hand():
    units = means([1, 0, 0, 0], [2, 2, 2, 2], [3, 1, 1, 1], [0, 0, 0, 0])
    assert class_indices.selectivity(units) == pytest.approx([1, 0, 0.5, 0], abs=1e-6)
    assert class_indices.selectivity(units, eps=0).tolist() == [1, 0, 0.5, 0]


def test_selectivity_is_unchanged_by_scale_but_not_by_an_offset():
    unit = np.array([[5.0], [1.0], [2.0]])
    plain, scaled, raised = (float(class_indices.selectivity(values, 0)[0]) for values in (unit, 7 * unit, unit + 1))
    assert scaled == pytest.approx(plain)
    assert raised < plain


def test_eps_pulls_faint_units_to_zero():
    assert class_indices.selectivity(means([1e-6, 0]), eps=1e-6).item() == pytest.approx(0.5)


def test_many_sets_of_labels_at_once():
    sets = np.random.default_rng(0).random((6, 3, 4))  # (sets, classes, units)
    np.testing.assert_array_equal(
        class_indices.selectivity(sets), np.stack([class_indices.selectivity(one) for one in sets])
    )


def test_of_equal_classes_the_first_is_preferred():
    assert class_indices.preferred_class(means([1, 2, 2], [0, 0, 0])).tolist() == [1, 0]


def test_margin_by_hand():
    assert class_indices.margin(means([3, 1, 0], [1, 1, 0], [0, 4, 0]), eps=0).tolist() == [0.5, 0, 1]


def test_d_prime_by_hand():
    of = class_indices.d_prime(means([5, 1, 1]), means([4, 3, 1]))
    assert of == pytest.approx([4 / np.sqrt((4 + 2) / 2)])


def test_d_prime_leaves_out_a_class_of_a_single_image():
    assert class_indices.d_prime(means([5, 1, 1]), means([4, np.nan, 2])) == pytest.approx([4 / np.sqrt(3)])
    assert np.isnan(class_indices.d_prime(means([5, 1]), means([np.nan, 2]))).all()  # the preferred one itself
    assert np.isnan(class_indices.d_prime(means([5, 1]), means([0, 0]))).all()


@pytest.mark.parametrize(("responses", "wanted"), [([0, 0, 4, 4], 1), ([0, 4, 0, 4], 0), ([0, 2, 2, 4], 0.5)])
def test_eta_squared_by_hand(responses, wanted):
    parts = moments(np.array(responses, float)[:, None], np.array([0, 0, 1, 1]))
    assert class_indices.eta_squared(*parts) == pytest.approx([wanted])


def test_sparseness_is_0_for_equal_responses_and_1_for_a_single_one():
    responses, labels = np.stack([np.ones(8), np.eye(8)[3], np.arange(8) < 2], axis=1), np.arange(8) % 2
    assert class_indices.sparseness(*moments(responses, labels)) == pytest.approx([0, 1, (1 - 2 / 8) / (1 - 1 / 8)])


# Against the definitions on the whole


def test_variance_and_sparseness_are_those_of_all_images(noise):
    responses, labels = noise
    parts = moments(responses, labels)
    grand = responses.mean(0)
    between = sum((labels == c).sum() * (responses[labels == c].mean(0) - grand) ** 2 for c in range(5))
    np.testing.assert_allclose(class_indices.eta_squared(*parts), between / ((responses - grand) ** 2).sum(0))
    n = len(responses)
    np.testing.assert_allclose(class_indices.sparseness(*parts), (1 - grand**2 / (responses**2).mean(0)) / (1 - 1 / n))


def test_nothing_is_divided_by_zero():
    silent = (np.array([2, 2]), np.zeros((2, 1)), np.zeros((2, 1)))
    assert np.isnan(class_indices.eta_squared(*silent)).all()
    assert np.isnan(class_indices.sparseness(*silent)).all()
    assert class_indices.selectivity(silent[1], eps=0).tolist() == [0]
    assert class_indices.margin(silent[1], eps=0).tolist() == [0]


# Cross-validation


def test_cross_validation_by_hand():
    even, odd = means([3, 1, 1]), means([1, 3, 1])  # each half prefers what the other does not
    assert class_indices.cross_validated(even, odd, eps=0) == pytest.approx([(1 - 2) / (1 + 2)])
    assert class_indices.cross_validated(even, even, eps=0) == pytest.approx([0.5])


def test_noise_has_a_selectivity_but_no_cross_validated_one():
    random = np.random.default_rng(0)
    even, odd = (random.exponential(size=(10, 50, 2000)).mean(1) for _ in range(2))  # (classes, units), 50 images each
    assert class_indices.selectivity((even + odd) / 2).mean() > 0.05
    assert abs(class_indices.cross_validated(even, odd).mean()) < 0.005
