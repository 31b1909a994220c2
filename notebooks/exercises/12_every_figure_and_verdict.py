"""Checkers of notebook 10, every figure and every verdict."""

import numpy as np
import scipy.stats

from figures.claims import Part, verdict_of
from mrntk.support.style import t_interval
from notebooks.exercises import call, close, exercise, expect


@exercise("10.1")
def interval(answer):
    z = np.array([1.0, 2.5, 0.5, 3.0, 1.5])
    found, right = np.asarray(call(answer, z, name="interval"), float), np.array(t_interval(z))
    expect(found.shape == (2,), f"Give a pair (low, high); yours has shape {found.shape}.")
    width = (found[1] - found[0]) / (right[1] - right[0])
    expect(not np.isclose(width, 5**0.5), "That is the scatter of one number. How much less does a mean of n scatter?")
    expect(not np.isclose(width, (4 / 5) ** 0.5), "np.std divides by n unless you say ddof=1.")
    both = 1.96 / scipy.stats.t.ppf(0.975, 4) * (4 / 5) ** 0.5
    expect(
        not np.isclose(width, both, rtol=1e-3), "1.96 is for many seeds, and np.std divides by n unless you say ddof=1."
    )
    expect(
        not np.isclose(width, 1.96 / scipy.stats.t.ppf(0.975, 4), rtol=1e-3), "1.96 is for many seeds; here are five."
    )
    close(found, right, "the interval")
    return "Short, and behind every verdict of this project."


@exercise("10.2")
def verdict(answer):
    holds, fails, open_ = [-1.0, -1.1, -0.9], [1.0, 1.1, 0.9], [-1.0, 1.2, 0.1]
    for parts in ([holds, holds], [holds, fails], [holds, open_], [fails, open_], [open_, open_], [fails], [open_]):
        right = verdict_of([Part("", z, high=0, confidence=0.95) for z in parts])
        found = call(answer, parts, name="verdict")
        outcomes = ", ".join(Part("", z, high=0, confidence=0.95).outcome for z in parts)
        expect(
            found == right, f"For parts with the outcomes {outcomes} your verdict is {found!r}; it should be {right!r}."
        )
    return "Nobody was asked for an opinion."


@exercise("10.3")
def seeds_needed(answer):
    for mean, sd in ((3.0, 1.0), (-0.4, 1.0), (0.1, 0.5)):
        right = next(n for n in range(2, 10**6) if scipy.stats.t.ppf(0.975, n - 1) * sd / n**0.5 < abs(mean))
        found = call(answer, mean, sd, name="seeds_needed")
        expect(mean > 0 or found > 2, "A negative mean is decided on the other side of zero: its size counts.")
        hint = " The quantile depends on n." if abs(found - right) <= 3 else ""
        expect(
            found == right,
            f"For a mean of {mean:g} and a standard deviation of {sd:g}, {found} is not the smallest.{hint}",
        )
    return "Half the effect, four times the seeds."
