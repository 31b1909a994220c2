"""Checkers of notebook 10, time series and a bound on the target risk."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax
from scipy.stats import t as student

from notebooks.exercises import NotYet, call, close, exercise


def expect(condition, words: str):
    """`NotYet` with these words unless the condition, a truth value of Python's or NumPy's, holds."""
    if not condition:
        raise NotYet(words)


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """||softmax(z) - e_y||_2 of every example."""
    return np.linalg.norm(softmax(logits, axis=1) - np.eye(logits.shape[1])[labels], axis=1)


def _standardised(s: np.ndarray) -> np.ndarray:
    """What the network makes of a sound first: mean 0, standard deviation 1."""
    return (s - s.mean()) / s.std()


@exercise("10.1")
def audible(answer):
    rng = np.random.default_rng(1)
    for mean in (0.7, -0.4):
        s, direction = mean + rng.normal(size=50), rng.normal(size=50) + 1.5
        found = np.asarray(call(answer, direction.copy(), s.copy(), name="audible"), float)
        expect(found.shape == s.shape, f"A part of a direction has as many samples, {s.size}, not {found.shape}.")
        ones, away = np.ones_like(s), s - s.mean()
        right = direction - direction.mean() - direction @ away / (away @ away) * away
        singly = direction - direction.mean() - direction @ s / (s @ s) * s  # each projection of the whole direction
        in_turn = {"1": direction - direction.mean(), "s": direction - direction @ s / (s @ s) * s}
        only_one = [name for name, part in in_turn.items() if np.allclose(found, part)]
        expect(not np.allclose(found, direction), "Nothing was taken away.")
        expect(
            not only_one or np.allclose(found, right),
            f"What lies along {' and '.join(only_one)} is gone. The other direction is not heard either.",
        )
        expect(not np.allclose(found, direction - right), "That is the part that is NOT heard.")
        apart = f"The sound has the mean {s.mean():.2f} here, so 1 and s are not at right angles. "
        expect(
            not np.allclose(found, singly),
            apart + "Taking both projections of the same direction away takes their common part away twice.",
        )
        left = [abs(found @ part) / np.linalg.norm(found) / np.linalg.norm(part) for part in (ones, s)]
        expect(
            max(left) < 1e-6,
            f"Of what is left, {left[0]:.1%} lies along 1 and {left[1]:.1%} along s. "
            + (apart + "Take the one away last, and some of the other comes back." if min(left) < 1e-6 else ""),
        )
        close(
            found,
            right,
            "the audible part",
            hint="It is the direction less what lies along 1 and s, not normalised.",
        )
    step = 1e-6
    moved = [_standardised(s + step * part) - _standardised(s - step * part) for part in (direction, found)]
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-3 * np.abs(moved[0]).max())
    share = np.linalg.norm(found) ** 2 / np.linalg.norm(direction) ** 2
    return f"Of this direction the network hears {share:.0%}, by its square; after standardising, both move the sound alike."


def _alarms(settings: int, seeds: int, quantile: float, spread: float = 1.0) -> float:
    """Chance that at least one of so many t intervals lies above 0 where nothing is: of +- quantile standard errors."""
    return 1 - student.cdf(quantile / spread, seeds - 1) ** settings


@exercise("10.2")
def false_alarms(answer):
    rng, seeds = np.random.default_rng(2), 5
    t = student.ppf(0.975, seeds - 1)
    found = {k: float(call(answer, k, seeds, rng, name="false_alarms")) for k in (1, 20)}
    right = {k: _alarms(k, seeds, t) for k in found}

    def like(expected, tolerance=(0.015, 0.04)):
        return all(abs(found[k] - expected[k]) < room for k, room in zip(found, tolerance, strict=True))

    said = f"For one setting you find {found[1]:.1%}, for twenty {found[20]:.0%}. "
    expect(0 <= min(found.values()) and max(found.values()) <= 1, "Return a share, from 0 to 1.")
    if like(right):
        return (
            f"{said}By theory {right[1]:.1%} and {right[20]:.0%}: who tries twenty settings finds something in nothing."
        )
    normal = {k: _alarms(k, seeds, 1.96) for k in found}
    both_sides = {k: 1 - 0.95**k for k in found}
    of_one = {k: _alarms(k, seeds, t * seeds**0.5) for k in found}
    biased = {k: _alarms(k, seeds, t, (seeds / (seeds - 1)) ** 0.5) for k in found}
    expect(
        not like(of_one, (0.005, 0.03)),
        said
        + "Too seldom. A mean of n numbers scatters less than one of them: the interval ends at t times std / sqrt(n).",
    )
    expect(abs(found[20] - found[1]) > 0.05, said + "More settings, more chances: does each have numbers of its own?")
    expect(
        not like(both_sides),
        said + "You count intervals below 0 as well. Nobody reports those as a success.",
    )
    expect(
        not like(normal, (0.02, 0.05)),
        said + "1.96 is for many seeds. With five, Student's quantile is "
        f"{t:.2f}: `scipy.stats.t.ppf(0.975, seeds - 1)`.",
    )
    expect(
        not like(biased, (0.015, 0.05)),
        said + "Nearly. The standard deviation of a few numbers needs `ddof=1`, or it is too small.",
    )
    raise NotYet(
        said
        + "Of one setting, an interval of 95 % is wholly above 0 in 2.5 % of cases; of twenty, at least one is, in "
        "many more. Take some thousand experiments."
    )


@exercise("10.3")
def tight_pair(u, v, label):
    u, v = np.asarray(u, float), np.asarray(v, float)
    expect(
        u.shape == v.shape == (3,), f"u and v should be three logits each; their shapes are {u.shape} and {v.shape}."
    )
    expect(
        np.isfinite(u).all() and np.isfinite(v).all(), "Give finite logits: a very negative one does as well as -inf."
    )
    expect(label in (0, 1, 2), f"The label is {label!r}; it should be 0, 1 or 2.")
    apart = np.linalg.norm(u - v)
    expect(apart >= 0.1 - 1e-9, f"The two are only {apart:.2g} apart; make it at least 0.1.")
    one, two = _losses(np.stack([u, v]), np.full(2, label))
    slope, (p, q) = abs(one - two) / apart, softmax(np.stack([u, v]), axis=1)
    third = min((p + q) / 2)
    words = f"The slope is {slope:.3f}. "
    if slope <= 0.49 and third > 0.02:
        words += f"The least likely class still has a probability of {third:.2f}; at the bound it has none."
    elif slope <= 0.49 and apart > 0.5:
        words += "The pair is so far apart that the loss is flat along most of the way; come closer to the tie."
    elif slope <= 0.49:
        words += (
            "Two classes should be at a tie between u and v, one of them the label, and the step should go across it."
        )
    expect(slope > 0.49, words)
    return f"The slope is {slope:.4f}: the constant 1/2 cannot be improved, for three classes either."


@exercise("10.4")
def same_cloud(source, target, labels):
    source, target, labels = np.asarray(source, float), np.asarray(target, float), np.asarray(labels)
    expect(
        source.ndim == 2 and source.shape == target.shape and labels.shape == source.shape[:1],
        f"The shapes are {source.shape}, {target.shape}, {labels.shape}; they should be (N, K), (N, K), (N,).",
    )
    expect(
        np.issubdtype(labels.dtype, np.integer) and source.shape[1] >= 2,
        "Labels are whole numbers; there are 2 or more.",
    )
    classes = source.shape[1]
    expect(
        labels.size > 0 and labels.min() >= 0 and labels.max() < classes, f"Labels run from 0 to {classes - 1} here."
    )
    counts = np.bincount(labels, minlength=classes)
    expect(
        len(set(counts)) == 1, f"The classes have {', '.join(map(str, counts))} examples: take equally many of each."
    )
    distances = np.linalg.norm(source[:, None] - target[None], axis=2)
    apart = distances[linear_sum_assignment(distances)].mean()
    expect(apart < 1e-6, f"W1 of the two clouds is {apart:.2g}: target must have the rows of source, in another order.")
    right = [float((logits.argmax(1) == labels).mean()) for logits in (source, target)]
    expect(
        np.isclose(*right),
        f"The accuracies are {right[0]:.0%} and {right[1]:.0%}: exchange so that they stay the same.",
    )
    gap = _losses(target, labels).mean() - _losses(source, labels).mean()
    expect(gap >= 0.5, f"The target risk is larger by {gap:.2f}: find 0.5. Accuracy counts answers, not confidence.")
    return f"The risk rises by {gap:.2f}, and neither the clouds' distance nor the accuracy sees it."
