"""The checkers of notebook 05: wrong answers get words that help, right ones pass whatever their form."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from notebooks.exercises import check


def by_solve(k_s, y, sigma):
    alpha = np.linalg.solve(k_s + sigma * np.eye(len(k_s)), y)
    return alpha.T @ k_s @ alpha


@pytest.mark.parametrize(
    "function, factor, words",
    [
        (lambda k, y, sigma: y.T @ np.linalg.inv(k + sigma * np.eye(len(k))) @ y, 1, "K_S stays between"),
        (lambda k, y, sigma: np.linalg.inv(k + sigma * np.eye(len(k))), 1, "where is Y_S"),
        (lambda k, y, sigma: y.T @ k @ y, 1, "Eq. 18"),
        (by_solve, 7, "what lambda_min\\[K_S\\] is multiplied by"),
        (by_solve, 1 / 7, "Measure it"),
        (lambda k, y, sigma: ..., 1, "returned nothing"),
    ],
)
def test_scaling_refuses(function, factor, words):
    found = check("05.1", function, factor)
    assert not found
    assert re.search(words, found.words), found.words


def test_scaling_accepts():
    assert check("05.1", by_solve, 1.0)
    assert check("05.1", lambda k, y, s: by_solve(k, y, s).copy(), np.float64(1 + 1e-9))


def paper(d_t, d_s, features, c_t, c_s):
    return (d_t + 1) * (features <= d_s) * (c_t <= min(c_s, features))


def hadamard(d_s, c_t):
    return d_s // c_t


@pytest.mark.parametrize(
    "first, second, words",
    [
        (lambda d_t, *_: d_t, hadamard, "bias"),
        (lambda d_t, *_: d_t + 1, hadamard, "D = 17"),
        (lambda d_t, d_s, *_: d_s, hadamard, "Which factor"),
        (lambda d_t, d_s, features, c_t, c_s: (d_t + 1) * (features <= d_s), hadamard, "rank"),
        (paper, lambda d_s, c_t: d_s, "c_T rows for every input"),
        (paper, lambda d_s, c_t: d_s * c_t, "How many rows"),
    ],
)
def test_where_bounds_say_something_refuses(first, second, words):
    found = check("05.2", first, second)
    assert not found and words in found.words, found.words


def test_a_number_of_images_is_whole():
    assert "whole" in check("05.2", paper, lambda d_s, c_t: d_s / c_t).words


def test_where_bounds_say_something_accepts():
    assert check("05.2", paper, hadamard)


@pytest.mark.parametrize(
    "phi, x_s, s, words",
    [
        (lambda s: jnp.concatenate([s, s**2]), np.eye(2), np.zeros(2), "D = 4"),
        (lambda s: s, np.eye(2) / 2, np.zeros(2), "Assumption 3 holds"),
        (lambda s: s**2, np.ones((2, 2)), np.zeros(2), "singular"),
        (3, np.eye(2), np.zeros(2), "feature map"),
        (lambda s: s**2, np.eye(2), np.zeros(3), "x_s should be"),
        # flat in a direction that the source does not use: the product is 1, the truth 4
        (lambda s: s * np.array([1, 0.1]), np.array([[0.5, 0.0]]), np.zeros(2), "still below"),
    ],
)
def test_counterexample_refuses(phi, x_s, s, words):
    found = check("05.3", phi, x_s, s)
    assert not found and words in found.words, found.words


@pytest.mark.parametrize(
    "phi, x_s, s",
    [
        (lambda s: s**2, np.eye(2), np.zeros(2)),
        (lambda s: jnp.maximum(s, 0), np.eye(3), -np.ones(3)),  # every unit off
        (lambda s: jnp.tanh(s), np.eye(2), np.full(2, 3.0)),  # saturated, not quite flat
        (lambda s: s, 3 * np.eye(2), np.zeros(2)),  # linear, but inputs are large
        (lambda s: jnp.cos(s[:1]), np.zeros((1, 2)), np.zeros(2)),  # D < d_S
    ],
)
def test_counterexample_accepts(phi, x_s, s):
    found = check("05.3", phi, x_s, s)
    assert found, found.words


def by_svd(theta_a_min, g):
    return theta_a_min * min(np.linalg.svd(one, compute_uv=False)[-1] ** 2 for one in g)


@pytest.mark.parametrize(
    "answer, words",
    [
        (lambda a, g: a * np.linalg.eigvalsh(np.vstack(g) @ np.vstack(g).T)[0], "all gradients into one"),
        (lambda a, g: by_svd(1, g), "Step 2"),
        (lambda a, g: a * np.mean([np.linalg.eigvalsh(one @ one.T)[0] for one in g]), "worst target input"),
        (lambda a, g: a * min(np.linalg.eigvalsh(one.T @ one)[0] for one in g), "c_T x c_T"),
        (lambda a, g: by_svd(a, g) / 2, "not right"),
        (lambda a, g: ..., "returned nothing"),
    ],
)
def test_repair_refuses(answer, words):
    found = check("05.4", answer)
    assert not found and words in found.words, found.words


def test_repair_accepts():
    assert check("05.4", by_svd)
