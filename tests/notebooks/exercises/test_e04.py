"""Checkers of notebook 04: right answers other than the printed ones are taken, typical wrong ones get words that help."""

import numpy as np
import pytest

from notebooks.exercises import check


def said(number, *answers):
    result = check(number, *answers)
    assert not result, result.words
    return result.words


def test_most_examples():
    def right(side, inner, channels, classes):
        ring = 4 * ((side - inner) / 2) * ((side + inner) / 2)
        return int(channels * ring / classes)

    assert check("04.1", right)
    assert "number of entries" in said("04.1", lambda side, inner, ch, c: ch * (side**2 - inner**2))
    assert "every channel" in said("04.1", lambda side, inner, ch, c: (side**2 - inner**2) // c)
    assert "whole number" in said("04.1", lambda side, inner, ch, c: ch * (side**2 - inner**2) / c + 0.5)
    assert "not right" in said("04.1", lambda side, inner, ch, c: ch * (side - inner) ** 2 // c)


def products(u):
    return np.einsum("ikp,jlp->ikjl", u, u)


def test_scaling():
    assert check("04.2", lambda g, z, s: np.einsum("ikp,ip,jlp,jp->ikjl", g, z, g, z))
    assert "watermark" in said("04.2", lambda g, z, s: products(g))
    assert "out of the sum" in said("04.2", lambda g, z, s: (z @ z.T)[:, None, :, None] * products(g))
    assert "linear in gamma_p" in said("04.2", lambda g, z, s: products(g * s))
    assert "derivative" in said("04.2", lambda g, z, s: products(g * (z * s)[:, None]))
    assert "shape" in said("04.2", lambda g, z, s: products(g * z[:, None]).reshape(8, 8))


def test_hadamard():
    loose, tight = (np.eye(3) + 20, np.diag([1.0, 2, 3])), (np.array([[2.0, 1], [1, 3]]), 4 * np.ones((2, 2)))
    assert check("04.3", loose, tight)
    assert "5 times" in said("04.3", (np.eye(2), np.ones((2, 2))), tight)
    assert "not positive semidefinite" in said("04.3", (np.eye(2) - 2, np.eye(2)), tight)
    assert "above 0" in said("04.3", (np.ones((2, 2)), np.eye(2)), tight)
    assert "diagonal" in said("04.3", loose, (np.eye(2), np.ones((2, 2))))
    assert "not equal" in said("04.3", loose, loose[:1] + (np.ones((3, 3)) + np.eye(3),))
    assert "pair" in said("04.3", 3, tight)
    assert "same size" in said("04.3", (np.eye(2), np.eye(3)), tight)
    assert "not symmetric" in said("04.3", (np.eye(2), np.array([[1.0, 0.5], [0, 1]])), tight)


def test_not_sufficient():
    assert check("04.4", 1, 64, 4, 10)  # a linear source
    assert check("04.4", 3, 4, 4, 10)  # a narrow one
    assert "law itself" in said("04.4", 2, 64, 7, 10)
    assert "positive definite" in said("04.4", 2, 512, 4, 2)
    assert "give 1 to" in said("04.4", 2, 64, 8, 2)
    assert "give 1 to" in said("04.4", 2, 6.5, 4, 2)


def low_rank(g, x, up, down):
    hidden = x @ down.T
    pulled = g @ up
    of_up = (hidden @ hidden.T)[:, None, :, None] * products(g)
    return of_up, (x @ x.T)[:, None, :, None] * products(pulled)


def test_low_rank():
    assert check("04.5", lambda *a: sum(low_rank(*a)))
    assert "U's term" in said("04.5", lambda *a: low_rank(*a)[0])
    assert "V's term" in said("04.5", lambda *a: low_rank(*a)[1])
    assert "full W" in said("04.5", lambda g, x, up, down: (x @ x.T)[:, None, :, None] * products(g))
    assert "two groups" in said("04.5", lambda *a: 2 * sum(low_rank(*a))).lower()


@pytest.mark.parametrize("number, many", [("04.1", 1), ("04.2", 1), ("04.3", 2), ("04.4", 4), ("04.5", 1)])
def test_empty_answers(number, many):
    assert "no answer yet" in said(number, *([...] * many))
