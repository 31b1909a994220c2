"""Typical wrong answers to the exercises of notebook 00 are told what is wrong."""

import numpy as np

from notebooks.exercises import check


def test_fc_block():
    def by_hand(x_i, x_j, g_i, g_j):
        return np.kron(np.append(x_i, 1) @ np.append(x_j, 1), np.einsum("cp,dp->cd", g_i, g_j))

    assert check("00.1", by_hand)
    assert "constant" in check("00.1", lambda x, z, g, h: x @ z * g @ h.T).words
    assert "other way round" in check("00.1", lambda x, z, g, h: (x @ z + 1) * h @ g.T).words
    assert "(5, 5)" in check("00.1", lambda x, z, g, h: (x @ z + 1) * g.T @ h).words


def test_loss_left():
    def by_projection(theta, r, n):
        left = r - theta @ np.linalg.pinv(theta, rcond=1e-9) @ r
        return left @ left / (2 * n)

    assert check("00.2", by_projection)
    assert "other one" in check("00.2", lambda theta, r, n: r @ r / (2 * n) - by_projection(theta, r, n)).words
    assert "1/(2n)" in check("00.2", lambda theta, r, n: by_projection(theta, r, n) * 2 * n).words
    assert "before training" in check("00.2", lambda theta, r, n: r @ r / (2 * n)).words
    assert "not by n" in check("00.2", lambda theta, r, n: by_projection(theta, r, n) * 2).words

    def in_rows(theta, r, n):
        values, vectors = np.linalg.eigh(theta)
        return ((vectors @ r)[values < 1e-9] ** 2).sum() / (2 * n)

    def exactly_zero(theta, r, n):
        values, vectors = np.linalg.eigh(theta)
        return ((vectors.T @ r)[values == 0] ** 2).sum() / (2 * n)

    assert "transpose" in check("00.2", in_rows).words
    assert "threshold" in check("00.2", exactly_zero).words


def test_loss_after():
    def by_walking(theta, r, eta, n, steps):
        for _ in range(steps):
            r = r - eta / n * theta @ r
        return r @ r / (2 * n)

    assert check("00.3", by_walking)
    assert "loss after 0 steps" in check("00.3", lambda theta, r, eta, n, steps: r @ r).words
    assert "loss after 1 step is" in check("00.3", lambda theta, r, eta, n, steps: r @ r / (2 * n)).words

    def with_factors(factors):
        def loss(theta, r, eta, n, steps):
            values, vectors = np.linalg.eigh(theta)
            return factors(values, eta, n, steps) @ (vectors.T @ r) ** 2 / (2 * n)

        return loss

    for words, factors in {
        "which power": lambda v, eta, n, t: (1 - eta / n * v) ** t,
        "where is N": lambda v, eta, n, t: (1 - eta * v) ** (2 * t),
        "gradient flow": lambda v, eta, n, t: np.exp(-2 * eta / n * v * t),
    }.items():
        assert words in check("00.3", with_factors(factors)).words
