"""Checkers of notebook 12, every figure and every verdict."""

import numpy as np
import pandas as pd
import scipy.stats

from figures.claims import Part, verdict_of
from mrntk.support.style import t_interval
from notebooks.exercises import call, close, exercise, expect


@exercise("12.1")
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


@exercise("12.2")
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


# The first sweep over depth, from MNIST: means over 5 seeds, squared loss, 100 images of ten classes, 100 steps. It is in the
# history of figures/data/course/depth_to_target.csv; the verdicts that rested on it are no longer given.
FIRST_SWEEP = (
    ("cnn", "fc", "digits", 1, 0.13, 0.4269, 7.3e-05, 50960),
    ("cnn", "fc", "digits", 2, 0.24, 0.6938, 0.00011, 50960),
    ("cnn", "fc", "digits", 3, 0.27, 0.6324, 6.2e-05, 50960),
    ("cnn", "vp", "digits", 1, 0.13, 0.459, 0, 384),
    ("cnn", "vp", "digits", 2, 0.24, 0.4524, 0, 384),
    ("cnn", "vp", "digits", 3, 0.27, 0.4506, 0, 384),
    ("dnn", "fc", "digits", 1, 0.78, 0.19, 0, 50960),
    ("dnn", "fc", "digits", 2, 0.91, 0.1378, 0.15, 50960),
    ("dnn", "fc", "digits", 3, 0.92, 0.117, 0.24, 50960),
    ("dnn", "fc", "digits", 5, 0.92, 0.04978, 0.14, 50960),
    ("dnn", "fc", "digits", 7, 0.92, 0.05467, 0.075, 50960),
    ("dnn", "fc", "digits", 9, 0.92, 0.0618, 0.03, 50960),
    ("dnn", "fc", "fashion5k", 1, 0.78, 0.04397, 2.1, 615440),
    ("dnn", "fc", "fashion5k", 2, 0.91, 0.04458, 4.3, 615440),
    ("dnn", "fc", "fashion5k", 3, 0.92, 0.02872, 3.7, 615440),
    ("dnn", "fc", "fashion5k", 5, 0.92, 0.009695, 1.9, 615440),
    ("dnn", "fc", "fashion5k", 7, 0.92, 0.00903, 0.85, 615440),
    ("dnn", "fc", "fashion5k", 9, 0.92, 0.011, 0.31, 615440),
    ("dnn", "vp", "digits", 1, 0.78, 0.3853, 0, 384),
    ("dnn", "vp", "digits", 2, 0.91, 0.2872, 0, 384),
    ("dnn", "vp", "digits", 3, 0.92, 0.268, 0, 384),
    ("dnn", "vp", "digits", 5, 0.92, 0.2162, 0, 384),
    ("dnn", "vp", "digits", 7, 0.92, 0.2018, 0, 384),
    ("dnn", "vp", "digits", 9, 0.92, 0.1719, 0, 384),
    ("dnn", "vp", "fashion5k", 1, 0.78, 0.6831, 0, 384),
    ("dnn", "vp", "fashion5k", 2, 0.91, 0.4061, 0, 384),
    ("dnn", "vp", "fashion5k", 3, 0.92, 0.3623, 0, 384),
    ("dnn", "vp", "fashion5k", 5, 0.92, 0.3305, 0, 384),
    ("dnn", "vp", "fashion5k", 7, 0.92, 0.3469, 0, 384),
    ("dnn", "vp", "fashion5k", 9, 0.92, 0.3414, 0, 384),
)


def first_sweep() -> pd.DataFrame:
    """A row per source, input transformation and target, from data that could show less than was concluded from them."""
    columns = ["family", "map", "task", "depth", "source_accuracy", "train_loss", "lambda_min", "trained"]
    return pd.DataFrame(FIRST_SWEEP, columns=columns).assign(outputs=1000)


@exercise("12.3")
def could_show(answer):
    rows = first_sweep()
    found = np.asarray(call(answer, rows, name="could_show"))
    expect(
        found.shape == (len(rows),), f"Give one boolean per row, {len(rows)} in all; yours has the shape {found.shape}."
    )
    found = found.astype(bool)
    learned, learning = rows["source_accuracy"] >= 0.8, rows["train_loss"] < 0.45
    possible = rows["trained"] >= rows["outputs"]
    right = (learned & learning & possible).to_numpy()
    expect(not (found & ~learned).any(), "One of your rows has a source that never learned its own task.")
    expect(
        not (found & ~possible).any(),
        "One of your rows has more outputs than trained numbers: its smallest eigenvalue is zero whatever the source is.",
    )
    expect(not (found & ~learning).any(), "One of your rows lies at the constant predictor's loss, 0.45, or above it.")
    expect(
        bool((found == right).all()),
        f"Your rows are sound, but {int((right & ~found).sum())} more could show something.",
    )
    for changed in ({"source_accuracy": 0.5}, {"train_loss": 0.46}, {"trained": 999}):
        other = np.asarray(call(answer, rows.assign(**changed), name="could_show")).astype(bool)
        expect(not other.any(), f"If {changed} held for every row, none could show anything: look at the columns.")
    return "Ten rows of thirty, all of one family and one input transformation: so much for the verdict on the others."


@exercise("12.4")
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
