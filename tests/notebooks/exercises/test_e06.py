"""Checkers of notebook 06: right answers in another form pass, typical wrong ones are told what is wrong."""

import numpy as np
import pytest

from notebooks.exercises import check


def relu_layer(s, w_std, b_std):
    """Another form of the same step: by the correlation instead of the angle."""
    sizes = np.sqrt(np.outer(np.diag(s), np.diag(s)))
    c = np.clip(s / sizes, -1, 1)
    on = (np.pi - np.arccos(c)) / (2 * np.pi)
    return w_std**2 * sizes * (np.sqrt(1 - c**2) / (2 * np.pi) + on * c) + b_std**2, w_std**2 * on


def right_layer(s, theta, w_std, b_std):
    after, d = relu_layer(s, w_std, b_std)
    return [after, after + d * theta]


def old_s(s, theta, w_std, b_std):
    after, d = relu_layer(s, w_std, b_std)
    return after, s + d * theta


def frozen(s, theta, w_std, b_std):
    after, d = relu_layer(s, w_std, b_std)
    return after, d * theta


def no_d(s, theta, w_std, b_std):
    after, _ = relu_layer(s, w_std, b_std)
    return after, after + theta


def d_without_weights(s, theta, w_std, b_std):
    after, d = relu_layer(s, w_std, b_std)
    return after, after + d / w_std**2 * theta


def off_diagonal(phi):
    return (np.sin(phi) + 2 * (np.pi - phi) * np.cos(phi)) / np.pi


RIGHT = [
    ("06.1", right_layer),
    ("06.2", lambda s: (0.5 + s * s / 2) ** -0.5),
    ("06.3", lambda phi: min(2 - off_diagonal(phi), 2 + off_diagonal(phi))),
    ("06.5", np.array([[1, 2, 3], [0, 1, 1], [0.5, 1, 1.5], [-4, 0, 1]])),
    ("06.5", [[1, 0, 0], [3, 0, 0], [0, 1, 0], [0, 7, 0]]),
]
WRONG = [
    ("06.1", old_s, "add S_h, not S_"),
    ("06.1", frozen, "where is its own term"),
    ("06.1", no_d, "where is D_h"),
    ("06.1", d_without_weights, "holds W_std"),
    ("06.1", lambda s, theta, w, b: right_layer(s, theta, w, b)[1], "Return a pair"),
    ("06.1", lambda s, theta, w, b: (s, theta), "S of the new layer"),
    ("06.2", lambda s: 2 / (1 + s**2), "square root"),
    ("06.2", lambda s: 2**0.5, "the negative half"),
    ("06.2", lambda s: (2 / (1 + s)) ** 0.5, "not squared"),
    ("06.2", lambda s: 2**0.5 / (1 + s), "mean squares"),
    ("06.2", lambda s: 1.2, "should be 1"),
    ("06.3", lambda phi: 2 - off_diagonal(phi), "is negative"),
    ("06.3", lambda phi: 1 - np.cos(phi) - (np.sin(phi) - phi * np.cos(phi)) / np.pi, "NNGP"),
    ("06.3", lambda phi: 1 - abs(np.cos(phi)), "depth 1"),
    ("06.3", off_diagonal, "off the diagonal"),
    ("06.3", lambda phi: phi / np.pi, "lambda_min at angles"),
    ("06.5", np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]), "are equal"),
    ("06.5", np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1]]), "At depth 2"),
    ("06.5", np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]), "At depth 2"),
    ("06.5", np.random.default_rng(0).normal(size=(4, 3)), "At depth 2"),
    ("06.5", np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]), "zero"),
    ("06.5", np.eye(3), "shape"),
]
SETTINGS = [
    ((2**0.5, 0.0), "still rises"),
    ((2**0.5, 0.1**0.5), "still rises"),
    ((0.6, 0.5), "the biases pull"),
    ((-1.0, 0.0), "positive"),
    (("small", 0.0), "two numbers"),
]


@pytest.mark.parametrize("number, answer", RIGHT)
def test_right(number, answer):
    result = check(number, answer)
    assert result, result.words


@pytest.mark.parametrize("number, answer, words", WRONG)
def test_wrong(number, answer, words):
    result = check(number, answer)
    assert not result and words in result.words, result.words


@pytest.mark.parametrize("w_std", [0.3, 0.6, 0.8])
def test_right_settings(w_std):
    result = check("06.4", w_std, 0.0)
    assert result, result.words


@pytest.mark.parametrize("answer, words", SETTINGS)
def test_wrong_settings(answer, words):
    result = check("06.4", *answer)
    assert not result and words in result.words, result.words
