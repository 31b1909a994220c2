"""The checkers of notebook 09: right answers of several kinds pass, typical wrong ones get the words that help."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from notebooks.exercises import check


@pytest.mark.parametrize("answer", [wasserstein_distance, lambda a, b: abs(np.sort(a)[::-1] - np.sort(b)[::-1]).mean()])
def test_distances_that_are_right(answer):
    assert check("09.1", answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: np.abs(a - b).mean(), "order in which they come"),
        (lambda a, b: abs(a.mean() - b.mean()), "lower bound"),
        (lambda a, b: np.abs(np.sort(a) - np.sort(b)).sum(), "mean"),
        (lambda a, b: np.mean((np.sort(a) - np.sort(b)) ** 2) ** 0.5, "W2"),
        (lambda a, b: np.abs(np.sort(a) - np.sort(b)), "shape"),
        (lambda a, b: ..., "returned nothing"),
        (1.0, "should be a function"),
    ],
)
def test_distances_that_are_not(answer, words):
    found = check("09.1", answer)
    assert not found and words in found.words


def by_search(source_length, window, classes):
    n = 0
    while (n + 1) * classes**2 <= source_length - window:
        n += 1
    return n


def test_capacity_right():
    assert check("09.2", by_search)
    assert check("09.2", lambda d, w, c: np.floor((d - w) / c**2))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda d, w, c: (d - w) // c, "one example of every class"),
        (lambda d, w, c: (d - w) / c**2, "whole examples"),
        (lambda d, w, c: w // c**2, "window or the margin"),
        (lambda d, w, c: d - w, "number of trained values"),
        (lambda d, w, c: (d - w) // c**2 + 1, "one more"),
        (lambda d, w, c: np.arange(3), "one number"),
        (lambda d, w, c: None, "returned nothing"),
    ],
)
def test_capacity_wrong(answer, words):
    found = check("09.2", answer)
    assert not found and words in found.words


def test_tight_pairs_of_every_label():
    assert check("09.3", [-0.06, 0.06, -30], [0.06, -0.06, -30], 1)
    assert check("09.3", np.array([-25, 1.05, 0.95]), np.array([-25, 0.95, 1.05]), 2)


@pytest.mark.parametrize(
    ("u", "v", "label", "words"),
    [
        ([0.05, -0.05, 0], [-0.05, 0.05, 0], 0, "least likely class"),
        ([9, -9, -30], [-9, 9, -30], 0, "flat"),
        ([0.05, -0.05, -30], [-0.05, 0.05, -30], 2, "tie"),
        ([0.01, -0.01, -30], [-0.01, 0.01, -30], 0, "apart"),
        ([0.1, -0.1], [-0.1, 0.1], 0, "three logits"),
        ([0.1, -0.1, -np.inf], [-0.1, 0.1, -np.inf], 0, "finite"),
        ([0.1, -0.1, -30], [-0.1, 0.1, -30], 3, "0, 1 or 2"),
    ],
)
def test_pairs_that_are_not_tight(u, v, label, words):
    found = check("09.3", u, v, label)
    assert not found and words in found.words


SURE, HAIR = [[9.0, -9.0], [-9.0, 9.0]], [[0.1, -0.1], [-0.1, 0.1]]  # for class 0, for class 1
LABELS = np.array([0, 0, 1, 1])
SOURCE = np.array([SURE[0], HAIR[1], SURE[1], HAIR[0]])


def test_same_cloud_right():
    assert check("09.4", SOURCE, np.array([SURE[1], HAIR[0], SURE[0], HAIR[1]]), LABELS)
    shift = np.array([[7.0, 7.0]])  # which softmax does not see
    assert check("09.4", SOURCE + shift, np.array([HAIR[0], SURE[1], HAIR[1], SURE[0]]) + shift, LABELS.tolist())


@pytest.mark.parametrize(
    ("source", "target", "labels", "words"),
    [
        (SOURCE, SOURCE[[2, 3, 0, 1]] * 2, LABELS, "rows of source"),
        (np.array(SURE), np.array(SURE[::-1]), np.array([0, 1]), "accuracies"),
        (SOURCE, SOURCE, LABELS, "0.00"),
        (SOURCE, SOURCE, np.array([0, 0, 0, 1]), "equally many"),
        (SOURCE, SOURCE[:3], LABELS, "shapes"),
        (SOURCE, SOURCE, LABELS + 0.5, "whole numbers"),
        (SOURCE, SOURCE, LABELS + 1, "run from"),
    ],
)
def test_same_cloud_wrong(source, target, labels, words):
    found = check("09.4", source, target, labels)
    assert not found and words in found.words


def test_no_answer_yet():
    assert "no answer yet" in check("09.4", ..., ..., ...).words
