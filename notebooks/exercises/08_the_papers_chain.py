"""Checkers of notebook 08, the paper's chain."""

import numpy as np
import pandas as pd

from figures.making.statistics import variance_explained
from notebooks.exercises import NotYet, call, close, exercise, expect

# Training losses at the end of FC in front of convolutional sources, squared loss: a row per depth, a column per run (five
# seeds of Fashion-MNIST to digits, then five of MNIST to digits). From this course's first sweep over depth: the data of
# figures/data/course/depth_to_target.csv as committed in be64684.
FIRST_SWEEP = {
    1: (0.392, 0.450, 0.520, 0.450, 0.420, 0.378, 0.451, 0.458, 0.443, 0.405),
    2: (0.457, 0.538, 0.741, 0.532, 0.394, 0.447, 0.883, 1.087, 0.679, 0.373),
    3: (0.362, 0.468, 0.627, 0.462, 0.383, 0.389, 0.807, 1.085, 0.493, 0.387),
}


def first_sweep() -> tuple[np.ndarray, np.ndarray]:
    """Depths (3,) and training losses (3, 10) of exercise 08.1."""
    return np.array(list(FIRST_SWEEP)), np.array(list(FIRST_SWEEP.values()))


def sweep(depths, logs, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A made-up sweep: losses of six runs around exp(logs)."""
    noise = np.random.default_rng(seed).normal(size=(len(depths), 6))
    return np.array(depths), np.exp(np.array(logs)[:, None] + 0.5 * (noise - noise.mean(1, keepdims=True)))


def audited(depths, y) -> tuple[float, np.ndarray, list]:
    """(slope of y against depth, slopes with each depth left out, depths without which the sign is another)."""
    slope = np.polyfit(depths, y, 1)[0]
    without = np.array([np.polyfit(np.delete(depths, k), np.delete(y, k), 1)[0] for k in range(len(depths))])
    return slope, without, depths[without * slope < 0].tolist()


@exercise("08.1")
def audit(answer, culprit):
    cases = [
        first_sweep(),
        sweep((2, 3, 5, 7, 9), (0.0, -0.1, -0.2, -0.3, 0.6), 0),  # the deepest one decides
        sweep((1, 2, 4, 6), (0.0, -0.3, -0.5, -0.9), 1),  # none does
    ]
    for depths, losses in cases:
        found = call(answer, depths, losses, name="audit")
        expect(
            isinstance(found, tuple | list) and len(found) == 3,
            "`audit` should return three things: the slope, the slopes with one depth left out, and the depths that turn "
            "the sign.",
        )
        slope, without, turns = audited(depths, np.log(losses).mean(1))
        mine, others = float(found[0]), np.asarray(found[1], float)
        for other, words in (
            (losses.mean(1), "That is the slope of the loss itself: take its logarithm first."),
            (np.log(losses.mean(1)), "Take the logarithm of every loss first, and the mean over runs afterwards."),
        ):
            expect(not np.isclose(mine, audited(depths, other)[0]) or np.isclose(mine, slope), words)
        close(mine, slope, "the slope with all depths")
        expect(
            others.shape != without.shape or not np.allclose(others, slope),
            "All your slopes are that of all depths: is the depth really left out?",
        )
        close(
            others, without, "the slopes with one depth left out", hint="Leave it out of the depths and of the losses."
        )
        flips = sorted(np.atleast_1d(np.asarray(found[2], float)).tolist())
        if flips == turns:
            continue
        rest = sorted(set(depths.tolist()) - set(turns))
        expect(flips != rest, "Those are the depths without which the sign STAYS. Which ones turn it round?")
        places = [depths.tolist().index(depth) for depth in turns]
        expect(
            flips != places, f"Give the depths themselves, out of {depths.tolist()}, and not their places in the list."
        )
        raise NotYet(f"In a sweep over the depths {depths.tolist()} the sign turns without {turns}; you find {flips}.")
    expect(
        np.ndim(culprit) == 0 and culprit == audited(first_sweep()[0], np.log(first_sweep()[1]).mean(1))[2][0],
        "`audit` is right. Now print `audit(*first_sweep())`, and give the depth that stands alone in its last list.",
    )
    return (
        "The shallowest source made the verdict. Without it the slope has the other sign; and two depths that are left are "
        "too few for any verdict."
    )


def puzzle() -> tuple[np.ndarray, np.ndarray]:
    """Made-up data of exercise 08.2: a functional x and a log loss y, each (6 depths, 8 seeds)."""
    rng = np.random.default_rng(7)
    depth = np.arange(6.0)[:, None]
    return depth + 0.6 * rng.normal(size=(6, 8)), -0.5 * depth + 0.5 * rng.normal(size=(6, 8))


def split_of(x, y):
    """(correlation of the depth means, correlation of what is left without them)."""
    across = np.corrcoef(x.mean(1), y.mean(1))[0, 1]
    left = [(one - one.mean(1, keepdims=True)).ravel() for one in (x, y)]
    return across, np.corrcoef(*left)[0, 1]


@exercise("08.2")
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


@exercise("08.3")
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
