"""The checkers of notebook 10: right answers of several kinds pass, typical wrong ones get the words that help."""

import numpy as np
import pytest
from scipy.stats import t as student

from mrntk.support.style import t_interval
from notebooks.exercises import check


def _without(direction, *parts):
    basis = np.stack(parts, axis=1)
    return direction - basis @ np.linalg.lstsq(basis, direction, rcond=None)[0]


def _project(direction, part):
    return direction @ part / (part @ part) * part


def _in_turn(first, second):
    """What is left after one direction was taken away, and then the other."""
    first_gone = first[0] - _project(*first)
    return first_gone - _project(first_gone, second)


def test_audible_right():
    def by_gram_schmidt(direction, s):
        away = s - s.mean()
        return direction - direction.mean() - _project(direction, away)

    def by_qr(direction, s):
        basis = np.linalg.qr(np.stack([s, np.ones(len(s))], axis=1))[0]
        return list(direction - basis @ (basis.T @ direction))

    found = check("10.1", lambda direction, s: _without(direction, s, np.ones(len(s))))
    assert found and "hears" in found.words
    assert check("10.1", by_gram_schmidt) and check("10.1", by_qr)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda d, s: d, "Nothing was taken away"),
        (lambda d, s: d - d.mean(), "along 1 is gone"),
        (lambda d, s: d - _project(d, s), "along s is gone"),
        (lambda d, s: d - d.mean() - _project(d, s), "right angles"),
        (lambda d, s: _in_turn((d, s), np.ones(len(s))), "comes back"),
        (lambda d, s: _in_turn((d, np.ones(len(s))), s), "comes back"),
        (lambda d, s: d - _without(d, s, np.ones(len(s))), "NOT heard"),
        (lambda d, s: 2 * _without(d, s, np.ones(len(s))), "not normalised"),
        (lambda d, s: 0.5, "as many samples"),
        (lambda d, s: ..., "returned nothing"),
        (1.0, "should be a function"),
    ],
)
def test_audible_wrong(answer, words):
    found = check("10.1", answer)
    assert not found and words in found.words, found.words


def _simulated(settings, seeds, rng, *, quantile=None, ddof=1, shared=False, two_sided=False, root=True):
    gains = rng.normal(size=(3000, 1 if shared else settings, seeds))
    quantile = student.ppf(0.975, seeds - 1) if quantile is None else quantile
    room = quantile * gains.std(axis=2, ddof=ddof) / (seeds**0.5 if root else 1)
    above = gains.mean(2) > room
    return (above | (gains.mean(2) < -room) if two_sided else above).any(1).mean()


def test_false_alarms_right():
    def with_loops(settings, seeds, rng):
        alarms = 0
        for _ in range(2000):
            rows = rng.normal(size=(settings, seeds))
            alarms += any(t_interval(row)[0] > 0 for row in rows) if settings < 3 else _lowest(rows).max() > 0
        return alarms / 2000

    def _lowest(rows):
        error = rows.std(axis=1, ddof=1) / rows.shape[1] ** 0.5
        return rows.mean(1) - student.ppf(0.975, rows.shape[1] - 1) * error

    assert check("10.2", _simulated) and check("10.2", with_loops)
    assert check("10.2", lambda k, seeds, rng: 1 - 0.975**k)  # who knows the theory


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: _simulated(*given, quantile=1.96), "Student's quantile"),
        (lambda *given: _simulated(*given, ddof=0), "ddof=1"),
        (lambda *given: _simulated(*given, shared=True), "numbers of its own"),
        (lambda *given: _simulated(*given, two_sided=True), "below 0 as well"),
        (lambda *given: _simulated(*given, root=False), "Too seldom"),
        (lambda k, seeds, rng: np.float64(3 * k), "a share"),
        (lambda k, seeds, rng: 0.5 * k**0.1, "at least one is"),
        (lambda k, seeds, rng: None, "returned nothing"),
    ],
)
def test_false_alarms_wrong(answer, words):
    found = check("10.2", answer)
    assert not found and words in found.words, found.words


def test_tight_pairs_of_every_label():
    assert check("10.3", [-0.06, 0.06, -30], [0.06, -0.06, -30], 1)
    assert check("10.3", np.array([-25, 1.05, 0.95]), np.array([-25, 0.95, 1.05]), 2)


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
    found = check("10.3", u, v, label)
    assert not found and words in found.words


SURE, HAIR = [[9.0, -9.0], [-9.0, 9.0]], [[0.1, -0.1], [-0.1, 0.1]]  # for class 0, for class 1
LABELS = np.array([0, 0, 1, 1])
SOURCE = np.array([SURE[0], HAIR[1], SURE[1], HAIR[0]])


def test_same_cloud_right():
    assert check("10.4", SOURCE, np.array([SURE[1], HAIR[0], SURE[0], HAIR[1]]), LABELS)
    shift = np.array([[7.0, 7.0]])  # which softmax does not see
    assert check("10.4", SOURCE + shift, np.array([HAIR[0], SURE[1], HAIR[1], SURE[0]]) + shift, LABELS.tolist())


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
    found = check("10.4", source, target, labels)
    assert not found and words in found.words


def test_no_answer_yet():
    assert "no answer yet" in check("10.4", ..., ..., ...).words
