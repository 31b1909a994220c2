"""Checkers of notebook 11, choosing a source."""

import jax
import numpy as np

from mrntk.choosing.scores import forecast
from mrntk.model.input_maps import FullyConnected
from mrntk.model.reprogram import Reprogram
from notebooks.exercises import call, close, exercise, expect

CLASSES = 3  # of exercise 11.4


def refitted(kernel, r, rho) -> np.ndarray:
    """The residual at every example after a ridge regression on the others, by as many fits."""
    found = []
    for i in range(len(r)):
        o = np.delete(np.arange(len(r)), i)
        found.append(r[i] - kernel[i, o] @ np.linalg.solve(kernel[np.ix_(o, o)] + rho * np.eye(len(o)), r[o]))
    return np.array(found)


@exercise("11.1")
def left_out(answer):
    rng = np.random.default_rng(0)
    for n, p in ((8, 20), (12, 5)):
        j, r, rho = rng.normal(size=(n, p)), rng.normal(size=n), 0.6
        kernel = j @ j.T
        found = np.asarray(call(answer, kernel.copy(), r.copy(), rho, name="left_out"), float)
        g = np.linalg.inv(kernel + rho * np.eye(n))
        expect(
            found.shape != (n,) or not np.allclose(found, rho * g @ r),
            "These are the residuals of a fit to all examples: nobody was left out.",
        )
        expect(
            found.shape != (n,) or not np.allclose(found, g @ r),
            "That is G r. It has to be divided by something, example by example.",
        )
        expect(
            found.shape != (n,) or not np.allclose(found, rho * refitted(kernel, r, rho)),
            "Without the factor rho: it cancels between G r and the diagonal.",
        )
        close(
            found,
            refitted(kernel, r, rho),
            "What is left out",
            hint="Compare with a fit to all others, for one example.",
        )
    return "It agrees with as many fits as there are examples, at the price of one inverse."


@exercise("11.2")
def labels_needed(answer):
    for p, q, d in ((0.58, 0.54, 0.3), (0.9, 0.7, 0.24), (0.4, 0.6, 0.5)):
        found = float(call(answer, p, q, d, name="labels_needed"))
        delta = p - q
        right = 1.96**2 * (d - delta**2) / delta**2
        apart = 1.96**2 * (p * (1 - p) + q * (1 - q)) / delta**2
        expect(
            not np.isclose(found, apart, rtol=1e-2),
            "That would be right if the two were asked about different examples.",
        )
        expect(
            not np.isclose(found, 1.96**2 * d / delta**2, rtol=1e-6),
            "The variance is the mean square less the square of the mean: something is missing.",
        )
        expect(
            not np.isclose(found**2, right, rtol=1e-2),
            "That is its square root: standard errors shrink with the root of N.",
        )
        expect(
            not np.isclose(found, 1.96**2 * p * (1 - p) / delta**2, rtol=1e-2),
            "That is the error of the first alone; what counts is the difference at each example.",
        )
        expect(
            not np.isclose(found, 1.96**2 * d * (1 - d) / delta**2, rtol=1e-2),
            "The difference is +1, -1 or 0, not 0 or 1: its mean square is d, and its mean is p - q.",
        )
        expect(
            not np.isclose(found, 1.96 * (d - delta**2) / delta**2, rtol=1e-2),
            "1.96 belongs to the standard error, and is squared with it.",
        )
        if found != np.ceil(right):
            close(found, right, f"the number for p = {p}, q = {q}, d = {d}", rtol=1e-2)
    return "58 % against 54 % with a disagreement on 30 % of the examples takes more than seven hundred of them."


def best_by_shift(outputs: np.ndarray, labels: np.ndarray) -> float:
    """The largest share right of sign(outputs + shift), over all shifts."""
    places = np.sort(outputs)
    shifts = -np.concatenate([[places[0] - 1], (places[1:] + places[:-1]) / 2, [places[-1] + 1]])
    return max(float(np.mean(np.where(outputs + shift > 0, 1, -1) == labels)) for shift in shifts)


@exercise("11.3")
def misleading_task(x, labels):
    x, labels = np.asarray(x, float), np.asarray(labels)
    expect(x.shape == (20, 2), f"`x_new` has the shape {x.shape}; it should be (20, 2).")
    expect(
        labels.shape == (20,) and sorted(labels.tolist()) == [-1] * 10 + [1] * 10,
        "`labels_new` should hold ten times 1 and ten times -1.",
    )
    better, worse = best_by_shift(x[:, 0], labels), best_by_shift(x.sum(1), labels)
    expect(
        better <= 0.6,
        f"With the best shift, source A is right on {better:.0%}: it still sees the class in the first coordinate.",
    )
    expect(worse == 1, f"With the best shift, source B is right on {worse:.0%}, not on all.")
    return f"The source that is perfect on its own task gets {better:.0%} here, the worse one everything."


@exercise("11.4")
def broken_ranking(n, d):
    for name, value, low, high in (("N", n, 12, 60), ("d", d, 1, 400)):
        expect(
            isinstance(value, (int, np.integer)) and low <= value <= high,
            f"{name} is {value!r}: give a whole number from {low} to {high}.",
        )
    scores = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(n, d)).astype(np.float32), np.eye(CLASSES)[rng.permutation(np.arange(n) % CLASSES)]
        keys = jax.random.split(jax.random.key(seed))
        model = Reprogram(FullyConnected((d,), (CLASSES,), key=keys[0]), lambda s: s)
        scores.append(forecast(model, x, y, key=keys[1]).score)
    found = float(np.mean(scores))
    expect(
        found > 0.9,
        f"The forecast promises {found:.0%} on average over three draws. Do the other examples still say something about the "
        "one that is left out?",
    )
    return f"The forecast promises {found:.0%} for labels of which nobody can foresee more than a third."
