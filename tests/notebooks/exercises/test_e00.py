"""Typical wrong answers to the exercises of notebook 00 are told what is wrong."""

import numpy as np
import pytest

from notebooks.exercises import check


@pytest.mark.parametrize(
    "answer, words",
    [(38, "each of the ten classes"), (384, "ten outputs"), (4, "400 outputs"), (2, "one more"), (3.5, "whole")],
)
def test_images_per_class(answer, words):
    assert words in check("00.1", answer).words and not check("00.1", answer)
    assert check("00.1", 3)


def test_largest_step():
    assert check("00.2", lambda values, n: 2 * n / np.max(values))
    assert "N" in check("00.2", lambda values, n: 2 / np.max(values)).words
    assert "twice as large" in check("00.2", lambda values, n: n / np.max(values)).words


def test_loss_after():
    def by_walking(theta, r, eta, n, steps):
        for _ in range(steps):
            r = r - eta / n * theta @ r
        return r @ r / (2 * n)

    assert check("00.3", by_walking)
    assert "loss after 0 steps" in check("00.3", lambda theta, r, eta, n, steps: r @ r).words
    assert "loss after 1 steps" in check("00.3", lambda theta, r, eta, n, steps: r @ r / (2 * n)).words
