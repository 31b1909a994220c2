"""Typical wrong answers to the exercises of notebook 12 are told what is wrong."""

import numpy as np
import scipy.stats

from mrntk.support.style import t_interval
from notebooks.exercises import check, checkers


def an_interval(factor):
    return lambda z: (np.mean(z) - factor(z), np.mean(z) + factor(z))


def test_interval():
    q = scipy.stats.t.ppf(0.975, 4)
    assert check("12.1", t_interval)
    assert "mean of n" in check("12.1", an_interval(lambda z: q * np.std(z, ddof=1))).words
    assert "ddof" in check("12.1", an_interval(lambda z: q * np.std(z) / 5**0.5)).words
    assert "1.96" in check("12.1", an_interval(lambda z: 1.96 * np.std(z, ddof=1) / 5**0.5)).words
    assert "pair" in check("12.1", lambda z: 3.0).words


def test_verdict():
    assert "should be 'reproduced'" in check("12.2", lambda parts: "undecided").words
    found = check("12.2", lambda parts: "reproduced" if all(np.mean(z) < 0 for z in parts) else "not reproduced")
    assert not found and "partly" in found.words


def test_seeds_needed():
    def needed(mean, sd, q=None):
        n = 2
        while (q or scipy.stats.t.ppf(0.975, n - 1)) * sd / np.sqrt(n) >= abs(mean):
            n += 1
        return n

    assert check("12.4", needed)
    assert not check("12.4", lambda mean, sd: needed(mean, sd, 1.96))
    assert "quantile" in check("12.4", lambda mean, sd: needed(mean, sd) + 1).words


def test_could_show():
    def by_eigenvalue(rows):  # a kernel that is zero by construction shows it in its eigenvalue, too
        return (rows["source_accuracy"] >= 0.8) & (rows["train_loss"] < 0.45) & (rows["trained"] >= 1000)

    rows = checkers("12").first_sweep()
    assert by_eigenvalue(rows).sum() == 10 and len(rows) == 30
    assert check("12.3", by_eigenvalue)
    assert "never learned" in check("12.3", lambda rows: rows["trained"] >= rows["outputs"]).words
    assert "more outputs" in check("12.3", lambda rows: rows["source_accuracy"] >= 0.8).words
    assert "10 more" in check("12.3", lambda rows: np.zeros(len(rows), bool)).words
    assert "one boolean" in check("12.3", lambda rows: True).words.lower()
    assert "look at the columns" in check("12.3", lambda rows: by_eigenvalue(checkers("12").first_sweep())).words
