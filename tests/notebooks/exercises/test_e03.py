"""Checkers of notebook 03: typical wrong answers get the words that help, right ones other than the printed solution pass."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mrntk.model.input_maps import window
from mrntk.model.output_maps import frequency_mapping
from notebooks.exercises import check


def logistic(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda s, i, c: c * (s - i) ** 2, "no small square"),
        (lambda s, i, c: s**2 - i**2, "every channel"),
        (lambda s, i, c: c * i**2, "counted the window"),
        (lambda s, i, c: 4 * c * (s - i), "yours gives"),
        (lambda s, i, c: None, "returned nothing"),
    ],
)
def test_frame_entries_wrong(wrong, words):
    assert not (result := check("03.1", wrong)) and words in result.words


def test_frame_entries_right():
    assert check("03.1", lambda s, i, c: c * (s - i) * (s + i))


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


def test_frequency_right():
    def by_mrntk(predicted, labels, num_source, num_target):
        return frequency_mapping(np.eye(num_source)[predicted], labels, num_target).matrix

    assert check("03.3", by_mrntk)


def _side(needed, channels, share):
    return next(s for s in range(1, 9999) if channels * (s**2 - round(share * s) ** 2) >= needed)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda n, c, ch, q: _side(n, ch, q), "outputs"),
        (lambda n, c, ch, q: _side(n * c, ch, q) - 1, "too few"),
        (lambda n, c, ch, q: _side(n * c, ch, q) + 1, "a smaller one"),
        (lambda n, c, ch, q: (n * c / ch / (1 - q**2)) ** 0.5, "whole number"),
    ],
)
def test_smallest_side_wrong(wrong, words):
    assert not (result := check("03.4", wrong)) and words in result.words


def test_smallest_side_right():
    assert check("03.4", lambda n, c, ch, q: _side(n * c, ch, q))


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
