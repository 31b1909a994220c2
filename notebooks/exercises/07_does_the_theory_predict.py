"""Checkers of notebook 07, does the theory predict."""

import numpy as np
import pandas as pd

from figures.making.statistics import variance_explained
from notebooks.exercises import NotYet, call, close, exercise, expect


@exercise("07.1")
def steps_to_tenth(answer):
    rng = np.random.default_rng(1)
    cases = [
        (np.array([2.0]), np.array([1.5]), 0.5, 2),
        (np.array([0.5, 3.0, 40.0]), np.array([0.2, 1.0, 2.0]), 0.3, 8),
        (rng.uniform(0.1, 5, size=12), rng.normal(size=12), 0.6, 4),
    ]
    for values, modes, eta, n in cases:
        found = call(answer, values, modes, eta, n, name="steps_to_tenth")
        x = eta * values / n
        right, unsquared, without_n = (_first(*case, modes) for case in ((x, 2), (x, 1), (eta * values, 2)))
        if found == right:
            continue
        expect(found != unsquared, "The loss is quadratic in the residual: is each mode's factor squared?")
        expect(found != without_n, "The loss is a mean over N examples: is N in the factor of each mode?")
        expect(
            abs(found - right) > 1,
            "That is one step beside it: the FIRST number of steps at which it is reached, when every step of finite size "
            "shrinks a mode by 1 - eta lambda / N. (An exponential would be gradient flow.)",
        )
        raise NotYet(f"For eigenvalues {np.round(values, 2)} your function gives {found}; {right} is right.")
    return "You told the time before anything was trained."


def _first(x, power, modes, share=0.1):
    """The first t at which sum |1 - x|^(power t) modes^2 is at most that share of its start; -1 if not below 1000."""
    with np.errstate(over="ignore"):  # a mode may grow
        weights = np.abs(1 - x) ** (power * np.arange(1000)[:, None]) @ modes**2
    reached = np.flatnonzero(weights <= share * weights[0])
    return int(reached[0]) if len(reached) else -1


def puzzle() -> tuple[np.ndarray, np.ndarray]:
    """Made-up data of exercise 07.2: a functional x and a log loss y, each (6 depths, 8 seeds)."""
    rng = np.random.default_rng(7)
    depth = np.arange(6.0)[:, None]
    return depth + 0.6 * rng.normal(size=(6, 8)), -0.5 * depth + 0.5 * rng.normal(size=(6, 8))


def split_of(x, y):
    """(correlation of the depth means, correlation of what is left without them)."""
    across = np.corrcoef(x.mean(1), y.mean(1))[0, 1]
    left = [(one - one.mean(1, keepdims=True)).ravel() for one in (x, y)]
    return across, np.corrcoef(*left)[0, 1]


@exercise("07.2")
def confounder(split, statement):
    rng = np.random.default_rng(2)
    depth = np.arange(5.0)[:, None]
    noise = rng.normal(size=(2, 5, 30))
    opposite = 3 * depth + noise[0], -2 * depth + noise[0] + 0.2 * noise[1]  # falls across depths, rises within
    for x, y in (opposite, puzzle()):
        found = np.asarray(call(split, x, y, name="split"), float)
        right = split_of(x, y)
        expect(found.shape == (2,), "`split` should return two numbers: across depths, and within them.")
        pooled = np.corrcoef(x.ravel(), y.ravel())[0, 1]
        expect(
            not np.isclose(found[1], pooled),
            "Your second number mixes depths: take each depth's mean away from its row first.",
        )
        expect(
            not np.isclose(found[0], pooled), "Your first number mixes seeds: correlate the means of the depths alone."
        )
        expect(
            not np.allclose(found, right[::-1]) or np.isclose(*right),
            "The order is (across, within), and yours is the other.",
        )
        close(found[0], right[0], "the correlation across depths", rtol=1e-3)
        means = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)])
        if not np.isclose(found[1], means, rtol=1e-3):  # one number per depth, averaged, is as good
            close(found[1], right[1], "the correlation within depths", rtol=1e-3)
    expect(str(statement) in ("A", "B"), 'Give the statement as "A" or "B".')
    expect(
        str(statement) == "B",
        "Statement A is about sources of the SAME depth. Print both numbers of the puzzle: what is left within a depth?",
    )
    return "Depth moved both. The data cannot tell whether x does anything, and within a depth nothing speaks for it."


@exercise("07.3")
def out_of_sample(answer):
    rng = np.random.default_rng(3)
    cases = []
    for strength in (1.0, 0.4, 0.0):
        x = rng.uniform(size=(5, 6))
        cases.append((x, 2 + strength * x + 0.1 * rng.normal(size=x.shape)))
    for x, y in cases:
        found = np.asarray(call(answer, x, y, name="out_of_sample"), float)
        expect(
            found.shape == (5,), f"`out_of_sample` should return one number per seed, (5,); yours has {found.shape}."
        )
        in_sample = np.corrcoef(x.ravel(), y.ravel())[0, 1] ** 2
        expect(
            not np.allclose(found, in_sample),
            "That is the share explained in the data that made the fit. Leave the seed out of the fit first.",
        )
        own = [_left_out(x, y, seed, own_means=True) for seed in range(5)]
        expect(
            not np.allclose(found, own), "The constants too must come from the other seeds, not from the seed left out."
        )
        raw = [_left_out(x, y, seed, centred=False) for seed in range(5)]
        expect(not np.allclose(found, raw), "A line has a constant too: without it, the fit is forced through zero.")
        table = pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "seed": np.repeat(range(5), 6), "pair": 0})
        right = variance_explained(table, ["x"], "y", groups=["pair"])[:, 0]
        close(found, right, "the share explained", hint="Fit on the other seeds; both errors on the seed left out.")
    return "Where x says nothing, your shares are about zero or below it; an R² inside the sample would never be."


def _left_out(x, y, seed, *, own_means=False, centred=True):
    rest = np.arange(len(x)) != seed
    of = ~rest if own_means else rest
    means = (x[of].mean(), y[of].mean()) if centred else (0.0, 0.0)
    inner = x[rest] - (x[rest].mean() if own_means else means[0]), y[rest] - (y[rest].mean() if own_means else means[1])
    outer = x[seed] - means[0], y[seed] - means[1]
    slope = (inner[0] * inner[1]).sum() / (inner[0] ** 2).sum()
    return 1 - ((outer[1] - slope * outer[0]) ** 2).sum() / (outer[1] ** 2).sum()


CALLS = 3


def toy_error(alpha: float, bend: float, *, eta: float = 0.1, steps: int = 20) -> float:
    """Relative error of the linearised output of f = theta + bend theta^2 / 2, scaled by alpha, trained from 0 towards 1."""
    theta, linear = 0.0, -1.0  # parameter, and residual of the linearised model
    for _ in range(steps):
        value, slope = theta + bend * theta**2 / 2, 1 + bend * theta
        theta -= eta / alpha**2 * alpha * slope * (alpha * value - 1)
        linear *= 1 - eta
    moved = alpha * (theta + bend * theta**2 / 2)
    return abs(moved - 1 - linear) / abs(moved)


@exercise("07.4")
def alpha_for(answer):
    for bend, tolerance in ((1.0, 0.05), (4.0, 0.05), (2.0, 0.01)):
        calls = []

        def error_of(alpha, bend=bend, calls=calls):
            calls.append(alpha)
            expect(len(calls) <= CALLS, f"You trained more than {CALLS} times. Use the law: error ≈ constant / alpha.")
            return toy_error(float(alpha), bend)

        found = float(call(answer, error_of, tolerance, name="alpha_for"))
        expect(found > 0, f"alpha = {found:g} is no scale: it must be positive.")
        error = toy_error(found, bend)
        expect(
            error <= tolerance,
            f"At your alpha = {found:.3g} the error is {error:.2%}, above the {tolerance:.0%} asked for.",
        )
        expect(
            error >= tolerance / 2,
            f"At your alpha = {found:.3g} the error is {error:.2%}: good, but far more than needed for {tolerance:.0%}. "
            "Half of that alpha would do.",
        )
    return "The error fell like 1/alpha, so two trainings were enough."
