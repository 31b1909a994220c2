"""Checkers of notebook 03, what reprogramming is."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment

from mrntk.model.input_maps import VisualPrompt, frame_mask, window
from mrntk.model.output_maps import frequency_mapping
from notebooks.exercises import NotYet, call, close, exercise, expect


@exercise("03.1")
def frame_entries(answer):
    for side, inner, channels in ((10, 7, 2), (32, 28, 3), (29, 4, 1)):
        found = float(call(answer, side, inner, channels, name="frame_entries"))
        right = int(frame_mask((channels, side, side), (inner, inner)).sum())
        where = f"For side {side}, inner {inner} and {channels} channels"
        expect(
            found != channels * (side - inner) ** 2, f"{where}: the frame is no small square of side (side - inner)."
        )
        expect(found != channels * inner**2, f"{where}: you counted the window. What is trained lies around it.")
        expect(channels == 1 or found != right / channels, f"{where}: every channel has a frame of its own.")
        expect(found == right, f"{where} a mask has {right} entries; yours gives {found:g}.")
    return "Canvas less window, in every channel."


def _prompt(x, delta, mask):
    a = VisualPrompt(mask.shape, x.shape[1:], mask=mask)
    return np.asarray(eqx.tree_at(lambda a: a.delta, a, jnp.asarray(delta, jnp.float32))(jnp.asarray(x, jnp.float32)))


@exercise("03.2")
def prompt(answer):
    rng = np.random.default_rng(2)
    over_all = rng.uniform(size=(1, 7, 7)) < 0.5  # also over the image
    cases = ((frame_mask((2, 9, 9), (5, 5)), 5), (frame_mask((1, 8, 8), (5, 5)), 5), (over_all, 3))
    for mask, inner in cases:
        x, delta = rng.uniform(0.5, 1, size=(len(mask), inner, inner)), rng.normal(size=mask.sum())
        found, right = (
            np.asarray(call(answer, x.copy(), delta.copy(), mask.copy(), name="prompt"), float),
            _prompt(x, delta, mask),
        )
        if found.shape == right.shape:
            canvas = np.zeros(mask.shape)
            canvas[window(mask.shape, (inner, inner))] = x
            raw, replaced, corner = canvas.copy(), canvas.copy(), np.zeros(mask.shape)
            raw[mask] += delta
            replaced[mask] = 1 / (1 + np.exp(-delta))
            corner[:, :inner, :inner] = x
            corner[mask] += 1 / (1 + np.exp(-delta))
            expect(
                not np.allclose(found, raw),
                "delta itself is not what is added: it goes through the logistic function first.",
            )
            if not np.allclose(replaced, right):
                expect(
                    not np.allclose(found, replaced, atol=1e-5),
                    "The prompt is added, not put in the image's place: a mask may lie over the image.",
                )
            expect(not np.allclose(found, corner), "The window is centred: it starts at (side - inner) // 2.")
        close(found, right, "a(x)", atol=1e-5, hint="Canvas of zeros, image in the centre, then add under the mask.")
    return "The same image as `VisualPrompt` makes, pixel by pixel, for three masks."


COUNTS = np.array(
    [[20, 18, 3, 1], [19, 5, 4, 2], [6, 17, 7, 8]]
)  # row by row, by totals and greedily give three answers


def _chosen(matrix):
    return np.argmax(matrix, axis=1)


@exercise("03.3")
def frequency(answer):
    rng = np.random.default_rng(3)
    for counts in (COUNTS, COUNTS[::-1] + 1):
        num_target, num_source = counts.shape
        labels, predicted = (np.repeat(part.ravel(), counts.ravel()) for part in np.indices(counts.shape))
        order = rng.permutation(len(labels))
        labels, predicted = labels[order], predicted[order]
        found = np.asarray(call(answer, predicted, labels, num_source, num_target, name="frequency"), float)
        expect(found.shape != counts.shape[::-1], "b maps source scores to target scores: a row for each target class.")
        expect(
            found.shape == counts.shape, f"b should be a c_T x c_S matrix, here 3 x 4; yours has shape {found.shape}."
        )
        expect(
            set(np.unique(found)) <= {0.0, 1.0} and bool((found.sum(1) == 1).all()),
            "Every row of b holds a single 1, at the source class that its target class reads, and zeros.",
        )
        expect(
            bool(found.sum(0).max() <= 1),
            "Two target classes read the same source class: once taken, it is no longer free.",
        )
        chosen, rows = _chosen(found), np.arange(num_target)
        right = _chosen(np.asarray(frequency_mapping(np.eye(num_source)[predicted], labels, num_target).matrix))
        if not np.array_equal(chosen, right):
            best = linear_sum_assignment(counts, maximize=True)[1]
            in_turn = _in_turn(counts)
            if np.array_equal(chosen, best):
                raise NotYet(
                    "That has the largest total of all mappings, which is more than the frequency mapping asks: it takes the "
                    "largest count first, even if that costs more later."
                )
            if np.array_equal(chosen, in_turn):
                raise NotYet("Not target class by target class: the largest count of the whole table goes first.")
            got = ", ".join(map(str, counts[rows, chosen]))
            raise NotYet(
                f"For the counts {counts.tolist()} your pairs have the counts {got}: look for the largest free one."
            )
    return "Largest count first, then its row and its column are closed."


def _in_turn(counts):
    free = counts.astype(float)
    chosen = []
    for row in range(len(counts)):
        chosen.append(int(free[row].argmax()))
        free[:, chosen[-1]] = -1
    return np.array(chosen)


def _entries(side, share, channels):
    return channels * (side**2 - round(share * side) ** 2)


@exercise("03.4")
def smallest_side(answer):
    for examples, classes, channels, share in (
        (100, 10, 1, 5 / 7),
        (100, 10, 3, 5 / 7),
        (40, 7, 1, 0.9),
        (500, 10, 3, 0.5),
    ):
        found = call(answer, examples, classes, channels, share, name="smallest_side")
        expect(float(found) == int(found), f"A side is a whole number of pixels; yours is {found}.")
        found = int(found)
        needed = examples * classes
        where = f"For {examples} examples, {classes} classes, {channels} channel(s) and share {share:.2g}"
        right = next(side for side in range(1, 10_000) if _entries(side, share, channels) >= needed)
        only_examples = next(side for side in range(1, 10_000) if _entries(side, share, channels) >= examples)
        expect(
            found != only_examples, f"{where}: each example has {classes} outputs, and each output needs a direction."
        )
        expect(
            found >= 1 and _entries(found, share, channels) >= needed,
            f"{where} the side {found} has too few frame entries.",
        )
        expect(found == right, f"{where} the side {found} is enough, but a smaller one is too.")
    return "The frame's entries grow with the square of the side, so ten times the outputs ask for about three times the side."


def _expanding(answer, W, c, P, mask):
    found = answer(W, c, P, mask)
    if found is None or found is ...:
        raise NotYet('delta_of returned nothing: return delta, or the word "impossible".')
    return found


@exercise("03.5")
def delta_of(answer):
    if not callable(answer):
        raise NotYet(f"delta_of should be a function, and is a {type(answer).__name__}.")
    rng = np.random.default_rng(5)
    mask = frame_mask((1, 6, 6), (4, 4)).ravel()
    P = np.zeros((36, 16))
    P[~mask] = np.eye(16)
    delta = rng.normal(size=mask.sum())
    c = np.zeros(36)
    c[mask] = 1 / (1 + np.exp(-delta))
    found = _expanding(answer, P.copy(), c.copy(), P, mask)
    expect(
        not isinstance(found, str),
        "The layer W = P with a c of logistic values on the frame is a prompt, but you say it is none.",
    )
    close(found, delta, "delta", rtol=1e-4, hint="Which delta has the logistic function c?")
    other, shifted, bright, dark = P.copy(), c.copy(), c.copy(), c.copy()
    other[3, 5] += 0.5
    shifted[np.flatnonzero(~mask)[2]] = 0.3
    bright[np.flatnonzero(mask)[1]] = 1.2
    dark[np.flatnonzero(mask)[4]] = -0.1
    cases = (
        (other, c, "W differs from P in one entry, so the two differ for some x"),
        (P, shifted, "c is not zero inside the window, where a prompt adds nothing"),
        (P, bright, "c exceeds 1 on the frame, which no logistic function reaches"),
        (P, dark, "c is negative on the frame, which no logistic function reaches"),
    )
    for W, constant, why in cases:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = _expanding(answer, W.copy(), constant.copy(), P, mask)
        expect(
            isinstance(found, str) and found.strip().lower() == "impossible",
            f"There is a layer that you take for a prompt: {why}.",
        )
    return "Every prompt is a layer, and you told the few layers that are prompts from all others."
