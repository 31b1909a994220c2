"""Transferability scores by others: the definitions in their papers, computed another way, and what each should tell apart."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import MrntkError
from mrntk.choosing import peers

RNG = np.random.default_rng(0)
OF_FEATURES = (peers.logme, peers.h_score, peers.gbc, peers.transrate, peers.linear_probe)
OF_OUTPUTS = (peers.leep, peers.nce)
SCORES = (*OF_FEATURES, *OF_OUTPUTS)


def blobs(distance: float, *, count=20, classes=3, dimensions=6, seed=0):
    """Classes of standard normal features, their centres `distance` apart along an axis each."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), count)
    x = rng.normal(size=(len(labels), dimensions))
    x[np.arange(len(labels)), labels] += distance
    return x, labels


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
def test_classes_that_are_apart_score_more_than_those_that_are_not(score):
    far, near = (np.mean([score(*blobs(distance, seed=seed)) for seed in range(5)]) for distance in (4, 0.5))
    assert far > near


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
def test_wrong_labels_score_less_than_right_ones(score):
    x, labels = blobs(3)
    wrong = np.mean([score(x, RNG.permutation(labels)) for _ in range(5)])
    assert score(x, labels) > wrong


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
@settings(deadline=None, max_examples=10)
@given(order=st.permutations(range(3)), seed=st.integers(0, 100))
def test_the_names_of_classes_and_the_order_of_examples_do_not_matter(score, order, seed):
    x, labels = blobs(1, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    renamed = 10 * np.array(order)[labels]
    if score is peers.linear_probe:  # whose folds are drawn
        shuffled, renamed = np.arange(len(labels)), labels + 7
    assert score(x[shuffled], renamed[shuffled]) == pytest.approx(score(x, labels), rel=1e-4)


def test_logme_is_the_largest_evidence_of_a_gaussian_with_that_covariance():
    x, labels = blobs(2, classes=2, count=15, dimensions=3)
    found = []
    for c in (0, 1):
        y = (labels == c).astype(float)

        def evidence(logs, y=y):
            noise, weights = np.exp(logs)
            covariance = noise * np.eye(len(y)) + weights * x @ x.T
            return -scipy.stats.multivariate_normal.logpdf(y, np.zeros(len(y)), covariance)

        found.append(
            -scipy.optimize.minimize(evidence, [-1.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-8}).fun
        )
    assert peers.logme(x, labels) == pytest.approx(np.mean(found) / len(labels), rel=1e-4)


def test_leep_and_nce_by_hand():
    # two source classes that are certain: class 0 of the target goes to z = 0; class 1 to z = 0 once and to z = 1 twice
    outputs = np.log(np.array([[1, 1e-300], [1, 1e-300], [1, 1e-300], [1e-300, 1], [1e-300, 1]]))
    labels = np.array([0, 0, 1, 1, 1])
    assert peers.leep(outputs, labels) == pytest.approx((2 * np.log(2 / 3) + np.log(1 / 3)) / 5)
    entropy = 3 / 5 * scipy.special.entr([2 / 3, 1 / 3]).sum()
    assert peers.nce(outputs, labels) == pytest.approx(-entropy)


def test_leep_of_a_source_that_says_nothing_is_the_entropy_of_the_labels():
    labels = np.repeat([0, 1, 2], (5, 3, 2))
    expected = -scipy.special.entr([0.5, 0.3, 0.2]).sum()
    assert peers.leep(np.zeros((10, 4)), labels) == pytest.approx(expected)
    assert peers.nce(np.zeros((10, 4)), labels) == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000))
def test_leep_of_a_source_without_doubt_is_nce(seed):
    rng = np.random.default_rng(seed)
    outputs, labels = rng.normal(size=(30, 4)), np.arange(30) % 3
    certain = np.where(outputs == outputs.max(1, keepdims=True), 0, -1e3)
    assert peers.leep(certain, labels) == pytest.approx(peers.nce(outputs, labels))


def test_h_score_of_many_examples_is_the_share_of_the_classes_in_the_variance():
    x, labels = blobs(3, count=20_000, classes=2, dimensions=4)
    direction = np.array([-1, 1, 0, 0]) / np.sqrt(2)
    between = (3 / np.sqrt(2)) ** 2  # of the means, half the distance from the middle, squared
    assert peers.h_score(x, labels) == pytest.approx(between / (1 + between), rel=0.02)
    assert direction @ np.cov(x.T) @ direction == pytest.approx(1 + between, rel=0.05)


def test_gbc_of_two_equal_spheres_is_the_closed_form():
    x, labels = blobs(2, count=50_000, classes=2, dimensions=3)
    squared = 2 * 2**2  # between the centres
    assert peers.gbc(x, labels) == pytest.approx(-2 * np.exp(-squared / 8), rel=0.05)


def test_gbc_of_classes_without_any_spread_is_finite():
    assert peers.gbc(np.repeat(np.eye(3), 4, axis=0), np.repeat(np.arange(3), 4)) == pytest.approx(0, abs=1e-9)
    assert peers.gbc(np.zeros((6, 2)), np.repeat([0, 1], 3)) == -2


def test_transrate_is_the_determinant_of_its_definition():
    x, labels = blobs(1)
    centred = x - x.mean(0)

    def rate(z):
        return 0.5 * np.linalg.slogdet(np.eye(6) + z.T @ z / (len(z) * 1e-4))[1]

    expected = rate(centred) - np.mean([rate(centred[labels == c]) for c in range(3)])
    assert peers.transrate(x, labels) == pytest.approx(expected, rel=1e-9)


def test_gradients_that_cancel_and_gradients_that_agree():
    alike, opposed = np.array([[1.0, -2.0], [1.0, -2.0]]), np.array([[1.0, -2.0], [-1.0, 2.0]])
    assert (peers.gradient_size(alike), peers.gradient_alignment(alike)) == (3.0, 1.0)
    assert (peers.gradient_size(opposed), peers.gradient_alignment(opposed)) == (0.0, 0.0)
    assert peers.gradient_alignment(np.zeros((2, 2))) == 0.0


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
def test_what_cannot_be_scored_is_refused_in_words(score):
    x, labels = blobs(1)
    with pytest.raises(MrntkError, match="one label for every example"):
        score(x, labels[1:])
    with pytest.raises(MrntkError, match="of one class"):
        score(x, 0 * labels)


def test_a_class_of_one_example_is_refused_where_two_are_needed():
    x, labels = blobs(1)
    for score in (peers.gbc, peers.linear_probe):
        with pytest.raises(MrntkError, match="has 1 example: this score needs 2"):
            score(x[19:], labels[19:])
