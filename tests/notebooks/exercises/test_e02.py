"""The checkers of notebook 02: right answers other than the printed ones pass, typical mistakes get words that help."""

import math

import numpy as np
import pytest

from notebooks.exercises import check


def says(number, *answers):
    result = check(number, *answers)
    assert not result
    return result.words


def counted(ratio, share):
    size, steps = 1.0, 0
    while size > 1e-3:
        size, steps = size * abs(1 - 2 * share * ratio), steps + 1
    return steps


def test_steps_by_counting():
    assert check("02.1", counted)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda r, s: math.ceil(math.log(1e3) / (2 * s * r)), "approximation"),
        (lambda r, s: math.ceil(math.log(1e-3) / math.log(abs(1 - s * r))), "is the 2 there"),
        (lambda r, s: math.ceil(math.log(1e-3) / (2 * math.log(abs(1 - 2 * s * r)))), "for the loss"),
        (lambda r, s: math.log(1e-3) / math.log(abs(1 - 2 * s * r)), "WHOLE"),
        (lambda r, s: math.floor(math.log(1e-3) / math.log(abs(1 - 2 * s * r))), "at most 1/1000"),
        (lambda r, s: math.ceil(math.log(1e-3) / math.log(1 - 2 * s * r)), "negative"),
        (lambda r, s: float("nan") if 2 * s * r > 1 else counted(r, s), "changes its sign"),
        (lambda r, s: math.inf, "not finite"),
        (lambda r, s: ..., "returned nothing"),
    ],
)
def test_wrong_steps(wrong, words):
    assert words in says("02.1", wrong)


def by_factor(K, eta):
    step = np.eye(len(K)) - eta / len(K) * K
    _, _, rows = np.linalg.svd(step)
    return -rows[-1], rows[0]


def test_extreme_labels_of_either_sign():
    assert check("02.2", by_factor)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda K, eta: tuple(np.linalg.eigh(K)[1][:, k] for k in (-1, 0)), "overshoots"),
        (lambda K, eta: tuple(np.linalg.eigh(K)[1][:, k] for k in (0, -1)), "wrong way round"),
        (lambda K, eta: tuple(np.linalg.eigh(K)[1][k] for k in (-1, 0)), "columns"),
        (lambda K, eta: tuple(2 * y for y in by_factor(K, eta)), "length 1"),
        (lambda K, eta: by_factor(K, eta)[0], "two label vectors"),
        (lambda K, eta: (1, 2), "shape"),
    ],
)
def test_wrong_extreme_labels(wrong, words):
    assert words in says("02.2", wrong)


def test_another_counterexample():
    assert check("02.3", [0.3, 0.2, 0.15, 10.0, 1.0], np.array([2.0, 3.0, 4.0, 1e-6, 1e-5]))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([1, 1, 1, 1], [1, 1, 1, 1, 1], "five eigenvalues"),
        ([1, 1, 1, 1, 0], [1, 1, 1, 1, 1], "positive"),
        ([0.01, 1, 1, 1, 1], [0.1, 1, 1, 1, 1], "larger lambda_min"),
        ([0.2, 0.2, 0.2, 10, 10], [0.02, 0.02, 0.02, 1, 1], "constant in front"),
        ([1, 1, 1, 1, 1], [1, 1, 1, 1e-3, 1e-3], "too fast"),
        ([0.02, 0.02, 0.02, 1, 1], [0.001, 1, 1, 1, 1], "without harm"),
    ],
)
def test_wrong_counterexamples(first, second, words):
    assert words in says("02.3", first, second)


def test_best_step_by_a_loop():
    def best(values, signal, noise_variance, eta, N):
        left, errors = np.ones(len(values)), []
        for _ in range(10_001):
            errors.append(sum(left**2 * signal**2) + noise_variance * sum((1 - left) ** 2))
            left = left * (1 - eta * values / N)
        return errors.index(min(errors))

    assert check("02.4", best)


def descend(values, eta, N):
    return (1 - eta * values / N) ** np.arange(10_001)[:, None]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda v, s, n, eta, N: 10_000, "fits the noise too"),
        (lambda v, s, n, eta, N: int(np.argmin((descend(v, eta, N) ** 2 * (s**2 + n)).sum(1))), "FITTED"),
        (lambda v, s, n, eta, N: 0, "times the least"),
        (lambda v, s, n, eta, N: 12_000, "from 0 to 10,000"),
        (lambda v, s, n, eta, N: 3.5, "whole number"),
        (lambda v, s, n, eta, N: np.arange(3), "whole number"),
    ],
)
def test_wrong_best_steps(wrong, words):
    assert words in says("02.4", wrong)
