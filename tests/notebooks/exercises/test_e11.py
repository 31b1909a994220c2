"""The checkers of notebook 11: right answers of several kinds pass, typical wrong ones get the words that help."""

import numpy as np
import pytest

from mrntk.prediction.leave_one_out import left_out_residuals
from mrntk.spectrum import spectrum
from notebooks.exercises import check


def by_inverse(kernel, r, rho):
    G = np.linalg.inv(kernel + rho * np.eye(len(r)))
    return G @ r / np.diag(G)


def by_library(kernel, r, rho):
    return left_out_residuals(spectrum(kernel, vectors=True), r[:, None], rho)[:, 0]


@pytest.mark.parametrize("answer", [by_inverse, by_library])
def test_left_out_right(answer):
    assert check("11.1", answer)


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda k, r, rho: rho * np.linalg.solve(k + rho * np.eye(len(r)), r), "nobody was left out"),
        (lambda k, r, rho: np.linalg.solve(k + rho * np.eye(len(r)), r), "divided by something"),
        (lambda k, r, rho: rho * by_inverse(k, r, rho), "Without the factor"),
        (lambda k, r, rho: r, "off by up to"),
        (lambda k, r, rho: by_inverse(k, r, rho)[:, None], "has shape"),
    ],
)
def test_left_out_wrong(answer, words):
    assert not (result := check("11.1", answer)) and words in result.words


def needed(p, q, d):
    return 1.96**2 * (d - (p - q) ** 2) / (p - q) ** 2


@pytest.mark.parametrize("answer", [needed, lambda *a: int(np.ceil(needed(*a)))])
def test_labels_needed_right(answer):
    assert check("11.2", answer)


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda p, q, d: 1.96**2 * (p * (1 - p) + q * (1 - q)) / (p - q) ** 2, "different examples"),
        (lambda p, q, d: 1.96**2 * d / (p - q) ** 2, "something is missing"),
        (lambda p, q, d: needed(p, q, d) ** 0.5, "square root"),
        (lambda p, q, d: 1.96**2 * p * (1 - p) / (p - q) ** 2, "of the first alone"),
        (lambda p, q, d: 1.96**2 * d * (1 - d) / (p - q) ** 2, "+1, -1 or 0"),
        (lambda p, q, d: needed(p, q, d) / 1.96, "squared with it"),
        (lambda p, q, d: 100, "not right"),
    ],
)
def test_labels_needed_wrong(answer, words):
    assert not (result := check("11.2", answer)) and words in result.words


LABELS = np.repeat([1, -1], 10)
FIRST = np.tile(np.linspace(-1, 1, 10), 2)


def test_a_misleading_task():
    assert check("11.3", np.stack([FIRST, LABELS - FIRST], axis=1), LABELS)
    rng = np.random.default_rng(0)
    swapped = np.stack([FIRST, 3 * LABELS - FIRST], axis=1) + 1e-3 * rng.normal(size=(20, 2))
    assert check("11.3", swapped.tolist(), LABELS.tolist())


@pytest.mark.parametrize(
    "x, labels, words",
    [
        (np.stack([LABELS, 0 * LABELS], axis=1), LABELS, "source A is right on 100%"),
        (np.stack([FIRST, -FIRST], axis=1), LABELS, "source B is right on 50%"),
        (np.zeros((20, 3)), LABELS, "should be (20, 2)"),
        (np.zeros((20, 2)), np.ones(20), "ten times 1"),
    ],
)
def test_no_misleading_task(x, labels, words):
    assert not (result := check("11.3", x, labels)) and words in result.words


def test_a_broken_ranking():
    assert check("11.4", 20, 400)


@pytest.mark.parametrize(
    "n, d, words", [(30, 2, "Do the other examples"), (5, 400, "12 to 60"), (20, 0.5, "whole number")]
)
def test_a_ranking_that_is_not_broken(n, d, words):
    assert not (result := check("11.4", n, d)) and words in result.words
