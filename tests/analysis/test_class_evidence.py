import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from neuroprobe.analysis.class_evidence import BINS, auroc, label_null, mutual_information, ranks
from neuroprobe.analysis.class_indices import selectivity


def class_means(responses, labels):
    return np.stack([responses[:, labels == c].mean(1) for c in range(labels.max() + 1)])


@pytest.fixture
def noise():
    """Sparse responses with ties, (units, images), and labels that have nothing to do with them."""
    random = np.random.default_rng(0)
    return np.maximum(random.normal(size=(6, 200)), 0).astype(np.float32), random.integers(0, 4, 200)


def test_auroc_is_that_of_mann_and_whitney(noise):
    responses, labels = noise
    preferred = np.arange(6) % 4
    for unit, wanted in enumerate(preferred):
        inside, outside = responses[unit, labels == wanted], responses[unit, labels != wanted]
        theirs = mannwhitneyu(inside, outside).statistic / (len(inside) * len(outside))
        assert auroc(ranks(responses), labels, preferred)[unit] == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("responses", "wanted"), [([0, 0, 1, 2], 1), ([1, 2, 0, 0], 0), ([5, 5, 5, 5], 0.5), ([0, 1, 0, 1], 0.5)]
)
def test_auroc_by_hand(responses, wanted):
    assert auroc(ranks([responses]), [0, 0, 1, 1], [1]).item() == wanted


@pytest.mark.parametrize("classes", [2, 4, 8])
def test_a_response_that_names_the_class_holds_all_its_bits(classes):
    labels = np.arange(classes).repeat(20)
    assert mutual_information(ranks([labels * 3.0]), labels).item() == pytest.approx(np.log2(classes))


def test_a_constant_response_and_one_apart_from_the_class_hold_none():
    labels = np.arange(4).repeat(40)
    apart = np.tile(np.arange(40.0), 4)
    assert mutual_information(ranks([np.full(160, 2.0), apart]), labels).tolist() == pytest.approx([0, 0], abs=1e-12)


def test_what_noise_seems_to_hold_is_the_bias_that_is_documented():
    random = np.random.default_rng(0)
    images, classes = 2000, 10
    found = mutual_information(ranks(random.random((50, images))), np.arange(images) % classes).mean()
    assert found == pytest.approx((BINS - 1) * (classes - 1) / (2 * images * np.log(2)), rel=0.1)


def test_the_null_is_that_of_permuted_labels_one_by_one(noise):
    responses, labels = noise
    observed = selectivity(class_means(responses, labels))
    null, p = label_null(responses, labels, observed, permutations=400, seed=1)
    random = np.random.default_rng(2)
    theirs = np.stack([selectivity(class_means(responses, random.permutation(labels))) for _ in range(400)])
    np.testing.assert_allclose(null, theirs.mean(0), atol=0.01)
    np.testing.assert_allclose(p, ((theirs >= observed).sum(0) + 1) / 401, atol=0.1)


def test_the_units_do_not_depend_on_one_another(noise):
    responses, labels = noise
    together = label_null(responses, labels, np.full(6, 0.1), permutations=20, seed=3)
    alone = [label_null(responses[[unit]], labels, [0.1], permutations=20, seed=3) for unit in range(6)]
    np.testing.assert_allclose(np.array(together), np.array(alone)[:, :, 0].T, rtol=1e-12)


def test_a_selective_unit_is_never_reached_and_an_equal_one_always():
    labels = np.arange(3).repeat(30)
    responses = np.stack([(labels == 1).astype(float), np.ones(90)])
    null, p = label_null(responses, labels, selectivity(class_means(responses, labels)), permutations=99, seed=0)
    assert p.tolist() == [0.01, 1]
    assert null[0] < 0.3
    assert null[1] == pytest.approx(0, abs=1e-9)


def test_p_is_even_under_the_null():
    random = np.random.default_rng(0)
    responses, labels = random.exponential(size=(400, 120)), np.arange(120) % 4
    _, p = label_null(responses, labels, selectivity(class_means(responses, labels)), permutations=99, seed=0)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert p.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("images", "low", "high"), [(1000, 0.015, 0.12), (100, 0.05, 0.33), (26, 0.1, 0.52)])
def test_small_samples_inflate_selectivity_as_documented(images, low, high):
    """METHODS 10.4: ten classes without class information, from dense to sparse units."""
    random, labels = np.random.default_rng(0), np.arange(10).repeat(images)
    dense = random.exponential(size=(20, len(labels)))
    sparse = dense * (random.random(dense.shape) < 0.1)
    means = [label_null(part, labels, np.zeros(20), permutations=5, seed=0)[0].mean() for part in (dense, sparse)]
    assert low < means[0] < means[1] < high
