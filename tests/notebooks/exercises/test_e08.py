"""The checkers of notebook 08 refuse typical wrong answers with words that help, and accept right ones of other forms."""

import numpy as np
import pytest

from notebooks.exercises import check

EPS = float(np.finfo(np.float32).eps)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, ct, cs, d: (ct, cs, d), "How many examples"),
        (lambda n, ct, cs, d: (n * cs, n * cs, n * d), "How many rows has b"),
        (lambda n, ct, cs, d: (n * ct * cs, n * cs, n * d), "at once"),
        (lambda n, ct, cs, d: (n * ct, n * cs, n * ct), "How many columns"),
        (lambda n, ct, cs, d: n * ct, "three numbers"),
        (lambda n, ct, cs, d: ..., "returned nothing"),
    ],
)
def test_passes_wrong(answer, words):
    found = check("08.1", answer)
    assert not found and words in found.words


def test_passes_right():
    assert check("08.1", lambda n, ct, cs, d: [n * ct, n * cs, n * d])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda v: int((v > 0).sum()), "no proof"),
        (lambda v: int((v > len(v) * np.finfo(float).eps * v.max()).sum()), "float32"),
        (lambda v: int((v > EPS * v.max()).sum()), "size of the matrix"),
        (lambda v: len(v), "lie above"),
    ],
)
def test_trustworthy_wrong(answer, words):
    found = check("08.2", answer)
    assert not found and words in found.words


def test_trustworthy_right():
    assert check("08.2", lambda v: len([one for one in v if float(one) > len(v) * EPS * float(max(v))]))


def _greedy(counts):
    counts, b = np.array(counts, float), np.zeros(np.shape(counts))
    pairs = sorted(np.ndindex(counts.shape), key=lambda pair: -counts[pair])
    for t, s in pairs:
        if not b[t].any() and not b[:, s].any():
            b[t, s] = 1
    return b


def _in_turn(counts):
    free, b = np.array(counts, float), np.zeros(np.shape(counts))
    for t in range(len(free)):
        s = free[t].argmax()
        b[t, s], free[:, s] = 1, -1
    return b


def _spoils(counts):
    b = _greedy(counts)
    counts[:] = 0
    return b


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda counts: np.eye(counts.shape[1])[counts.argmax(1)], "some took the same"),
        (_in_turn, "in the order of their numbers"),
        (_spoils, "copy"),
        (lambda counts: _greedy(counts).T, "shape"),
        (lambda counts: counts / counts.sum(1, keepdims=True), "one 1"),
    ],
)
def test_mapping_wrong(answer, words):
    found = check("08.3", answer)
    assert not found and words in found.words


def test_mapping_right():
    assert check("08.3", _greedy)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.eye(4), "best case"),
        (np.diag([4.0, 0, 0, 0]), "best case"),
        (np.ones((3, 3)), "4 x 4"),
        (2 * np.ones((4, 4)), "trace"),
        (np.kron(np.eye(2), np.ones((2, 2))), "one eigenvalue"),
        (4 * np.outer([0.8, 0.6, 0, 0], [0.8, 0.6, 0, 0]), "evenly"),
        (np.array([[1, 2, 0, 0], [2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "negative"),
        (np.triu(np.ones((4, 4))), "symmetric"),
    ],
)
def test_worst_wrong(answer, words):
    found = check("08.4", answer)
    assert not found and words in found.words


def test_worst_right():
    signs = np.array([1, -1, -1, 1])
    assert check("08.4", np.outer(signs, signs)) and check("08.4", np.ones((4, 4)))


def _estimator(draw, error=lambda s: s.std(ddof=1) / len(s) ** 0.5, mean=np.mean, extra=0):
    def hutchinson(matvec, n, probes, rng):
        samples = np.array([(z := draw(rng, n)) @ matvec(z) for _ in range(probes + extra)])
        return mean(samples), error(samples)

    return hutchinson


def _signs(rng, n):
    return rng.choice([-1.0, 1.0], size=n)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_estimator(lambda rng, n: rng.integers(0, 2, n).astype(float)), "+1 and -1"),
        (_estimator(lambda rng, n: rng.normal(size=n)), "+1 and -1"),
        (_estimator(_signs, error=lambda s: s.std(ddof=1)), "sqrt(B)"),
        (_estimator(_signs, error=lambda s: s.std(ddof=1) / len(s)), "times as much"),
        (_estimator(_signs, mean=np.sum), "MEAN"),
        (_estimator(_signs, extra=5), "one a probe"),
        (lambda matvec, n, probes, rng: 1.0, "standard error"),
    ],
)
def test_hutchinson_wrong(answer, words):
    found = check("08.5", answer)
    assert not found and words in found.words


def test_hutchinson_right_also_in_one_batch():
    def at_once(matvec, n, probes, rng):
        z = 2.0 * rng.integers(0, 2, size=(n, probes)) - 1
        samples = (z * matvec(z)).sum(0)
        return samples.mean(), samples.std(ddof=1) / probes**0.5

    assert check("08.5", _estimator(_signs)) and check("08.5", at_once)
