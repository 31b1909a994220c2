"""Checkers of notebook 09, time series and a bound on the target risk."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from notebooks.exercises import NotYet, call, close, exercise


def expect(condition, words: str):
    """`NotYet` with these words unless the condition, a truth value of Python's or NumPy's, holds."""
    if not condition:
        raise NotYet(words)


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """||softmax(z) - e_y||_2 of every example."""
    return np.linalg.norm(softmax(logits, axis=1) - np.eye(logits.shape[1])[labels], axis=1)


@exercise("09.1")
def distance(answer):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=40), rng.normal(size=40) * 2
    found, sorted_apart = call(answer, a.copy(), b.copy(), name="distance"), np.abs(np.sort(a) - np.sort(b))
    expect(
        not np.allclose(found, np.abs(a - b).mean()), "You pair them in the order in which they come. Is it the best?"
    )
    expect(not np.allclose(found, abs(a.mean() - b.mean())), "The difference of the means is a lower bound only.")
    expect(not np.allclose(found, sorted_apart.sum()), "That is the sum over the pairs; W1 is their mean.")
    expect(
        not np.allclose(found, np.mean(sorted_apart**2) ** 0.5),
        "Those are squared distances, which make W2; W1 takes the distances themselves.",
    )
    close(found, sorted_apart.mean(), "the distance")
    close(answer(a.copy(), a[::-1].copy()), 0, "the distance of a sample from itself, in another order,")
    return "Sorting solves the assignment problem in one dimension."


@exercise("09.2")
def largest_per_class(answer):
    for length, window, classes in ((1024, 731, 2), (1024, 731, 10), (1024, 1000, 6), (512, 300, 4)):
        found, margin = call(answer, length, window, classes, name="largest_per_class"), length - window
        right, told = margin // classes**2, f"For {length} samples, a window of {window} and {classes} classes"
        expect(np.ndim(found) == 0, f"{told}: give one number, not an array of shape {np.shape(found)}.")
        expect(
            found != margin // classes,
            f"{told} you count N c_T as if there were one example of every class in N: N itself is per class times c_T.",
        )
        expect(found != margin, f"{told} that is the number of trained values; how many outputs does an example have?")
        expect(found != window // classes**2, f"{told}: which part of the input is trained, the window or the margin?")
        expect(
            found == int(found),
            f"{told} that is {found:.3g} examples: round it to whole examples, so that the law still holds.",
        )
        expect(found == right, f"{told} it is not {found:.0f}. Put your number into N c_T <= m, and one more as well.")
    return "The square of the number of classes is what fills a prompt."


@exercise("09.3")
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


@exercise("09.4")
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
