"""Checkers of notebook 03: typical wrong answers get the words that help, right ones other than the printed solution pass."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mrntk.model.input_maps import window
from mrntk.model.output_maps import frequency_mapping
from notebooks.exercises import check


def logistic(z):
    return 1 / (1 + np.exp(-z))


def _flat(images):
    return images.reshape(len(images), -1)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda z, mask: (z == 0).all(0), "pixels of the window"),
        (lambda z, mask: mask & ~(z == 0).all(0), "did move"),
        (lambda z, mask: mask & (z == z[0]).all(0), "constant"),
        (lambda z, mask: mask & (np.abs(z.mean(0)) < 1e-12), "mean 0"),
        (lambda z, mask: mask & (z == 0).any(0), "on in at least one"),
        (lambda z, mask: np.zeros_like(mask), "missed"),
        (lambda z, mask: mask & (z <= 0).all(0), "below it in some images"),
        (lambda z, mask: np.flatnonzero(mask & (z == 0).all(0)), "mask's shape"),
        (lambda z, mask: mask * 1.0, "boolean"),
        (lambda z, mask: None, "returned nothing"),
    ],
)
def test_still_random_wrong(wrong, words):
    assert not (result := check("03.1", wrong)) and words in result.words, result.words


def test_still_random_right():
    def by_largest(images, mask):
        return (np.abs(_flat(images)).max(0).reshape(mask.shape) == 0) * mask

    assert check("03.1", by_largest)


def _prompt(x, delta, mask, *, through=logistic, add=True, centred=True):
    canvas, inner = np.zeros(mask.shape), x.shape[1:]
    canvas[window(mask.shape, inner) if centred else (slice(None), slice(inner[0]), slice(inner[1]))] = x
    canvas[mask] = canvas[mask] + through(delta) if add else through(delta)
    return canvas


@pytest.mark.parametrize(
    ("change", "words"),
    [({"through": lambda d: d}, "logistic"), ({"add": False}, "added"), ({"centred": False}, "centred")],
)
def test_prompt_wrong(change, words):
    assert not (result := check("03.2", lambda *a: _prompt(*a, **change))) and words in result.words


def test_prompt_right():
    def by_padding(x, delta, mask):
        before = [(whole - part) // 2 for whole, part in zip(mask.shape, x.shape, strict=True)]
        after = [whole - part - b for whole, part, b in zip(mask.shape, x.shape, before, strict=True)]
        prompt = np.zeros(mask.size)
        prompt[np.flatnonzero(mask)] = (1 + np.tanh(delta / 2)) / 2
        return np.pad(x, list(zip(before, after, strict=True))) + prompt.reshape(mask.shape)

    assert check("03.2", by_padding)
    assert "shape" in check("03.2", lambda x, delta, mask: x).words


def _counts(predicted, labels, num_source, num_target):
    counts = np.zeros((num_target, num_source))
    np.add.at(counts, (labels, predicted), 1)
    return counts


def _in_turn(*given):
    counts, b = _counts(*given), []
    for row in counts:
        b.append(np.eye(len(row))[row.argmax()])
        counts[:, row.argmax()] = -1
    return b


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda *g: np.eye(g[2])[_counts(*g).argmax(1)], "no longer free"),
        (lambda *g: np.eye(g[2])[linear_sum_assignment(-_counts(*g))[1]], "largest total"),
        (_in_turn, "whole table"),
        (lambda *g: np.eye(g[2])[[3, 2, 1]], "largest free one"),
        (lambda *g: np.eye(g[2])[: g[3]].T, "row for each target"),
        (lambda *g: _counts(*g), "single 1"),
        (lambda *g: np.eye(2), "3 x 4"),
    ],
)
def test_frequency_wrong(wrong, words):
    assert not (result := check("03.3", wrong)) and words in result.words


def test_frequency_closed_by_zeros_is_wrong():
    """Where the last free pair was never counted, a row that is closed by 0 is taken again."""

    def by_zeros(predicted, labels, num_source, num_target):
        counts, b = _counts(predicted, labels, num_source, num_target).astype(float), np.zeros((num_target, num_source))
        for _ in range(num_target):
            t, s = np.unravel_index(counts.argmax(), counts.shape)
            b[t, s] = 1
            counts[t, :] = counts[:, s] = 0
        return b

    assert not (result := check("03.3", by_zeros)) and "single 1" in result.words


def test_frequency_right():
    def by_mrntk(predicted, labels, num_source, num_target):
        return frequency_mapping(np.eye(num_source)[predicted], labels, num_target).matrix

    assert check("03.3", by_mrntk)


B = np.diag([1.0, 0.0])
ONES, FIRST = np.ones((2, 2)), np.array([1.0, 0.0])


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((B + np.eye(2), B, FIRST, 1.0), "common eigenvectors"),
        ((B, B + 5 * ONES, FIRST, 5.0), "other way round"),
        ((B + np.diag([-1, 1]), B, FIRST, 5.0), "not the larger kernel"),
        ((B + 5 * ONES, B - np.eye(2), FIRST, 5.0), "B has the eigenvalue -1"),
        ((B + np.array([[0, 1], [0, 0]]), B, FIRST, 5.0), "not symmetric"),
        ((B + 5 * ONES, B, FIRST, 0.5), "has left"),
        ((B + 5 * ONES, B, np.array([0.0, 1.0]), 2.0), "has left"),
        ((B + 5 * ONES, B, np.ones(3), 5.0), "r has 3 entries"),
        ((B + 5 * ONES, B, FIRST, 0.0), "time above 0"),
        ((B + 5 * ONES, B, FIRST, 500.0), "less time"),
        ((np.eye(3), B, FIRST, 5.0), "of one size"),
    ],
)
def test_larger_rest_wrong(answers, words):
    assert not (result := check("03.4", *answers)) and words in result.words, result.words


def test_larger_rest_right():
    assert check("03.4", B + 5 * ONES, B, FIRST, 5)
    askew = np.array([1.0, 2, 0])
    assert check("03.4", (np.diag([2, 0, 1]) + 9 * np.outer(askew, askew)).tolist(), np.diag([2, 0, 1]), [1, 0, 0], 3)


def _delta(W, c, P, mask, *, weights=True, inside=True, low=True, high=True):
    bad = weights and not np.allclose(W, P)
    bad |= inside and not np.allclose(c[~mask], 0)
    bad |= (low and (c[mask] <= 0).any()) or (high and (c[mask] >= 1).any())
    return "impossible" if bad else -np.log(1 / c[mask] - 1)


@pytest.mark.parametrize(
    ("left_out", "words"),
    [("weights", "differs from P"), ("inside", "inside the window"), ("high", "exceeds 1"), ("low", "negative")],
)
def test_delta_of_wrong(left_out, words):
    assert not (result := check("03.5", lambda *a: _delta(*a, **{left_out: False}))) and words in result.words


def test_delta_of_other():
    assert check("03.5", _delta)
    assert "none" in check("03.5", lambda *a: "impossible").words
    assert "delta is off" in check("03.5", lambda W, c, P, mask: logistic(c[mask])).words
    assert "nothing" in check("03.5", lambda *a: None).words
