"""Checkers of notebook 03, what reprogramming is."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment

from mrntk.model.input_maps import VisualPrompt, frame_mask, window
from mrntk.model.output_maps import frequency_mapping
from notebooks.exercises import NotYet, call, close, exercise, expect


def _trained_first_layer(images, seed):
    """(W_1 before, W_1 after) some steps of gradient descent of a small smooth network on random labels."""
    rng, z = np.random.default_rng(seed), images.reshape(len(images), -1)
    first, last = rng.normal(size=(5, z.shape[1])), rng.normal(size=(3, 5))
    labels, before = np.eye(3)[rng.integers(3, size=len(z))], first.copy()
    for _ in range(5):
        hidden = np.tanh(z @ first.T)
        error = hidden @ last.T - labels
        back = (error @ last) * (1 - hidden**2)  # e_i, (N, 5)
        first, last = first - 0.01 * back.T @ z, last - 0.01 * error.T @ hidden
    return before, first


def _training_images(rng, shape):
    """Images, some of negative values, with pixels that are always 0, constant, of mean 0, or on in one image alone."""
    images = rng.normal(size=(6, *shape))
    flat = images.reshape(6, -1)
    flat[:, ::3] = 0
    flat[:, 1::7] = 0.4  # always on
    flat[:, 2::7] -= flat[:, 2::7].mean(0)
    flat[:, 2::7] = np.round(flat[:, 2::7] * 8) / 8
    flat[-1, 2::7] = -flat[:-1, 2::7].sum(0)  # exactly of mean 0
    flat[:, 4::9] = 0
    flat[2, 4::9] = 1  # on once
    flat[:, 6::11] = -np.abs(flat[:, 6::11])  # never above 0, and not black
    return images


@exercise("03.1")
def still_random(answer):
    rng = np.random.default_rng(1)
    for shape, inner in (((1, 8, 8), 4), ((2, 9, 9), 5)):
        images, mask = _training_images(rng, shape), frame_mask(shape, (inner, inner))
        before, after = _trained_first_layer(images, seed=inner)
        right = mask & (before == after).all(0).reshape(shape)
        found = np.asarray(call(answer, images.copy(), mask.copy(), name="still_random"))
        expect(found.shape == shape, f"The result should have the mask's shape {shape}; yours has {found.shape}.")
        expect(found.dtype == bool, "Return a boolean array, True where the weights are as at the start.")
        if np.array_equal(found, right):
            continue
        expect(
            not np.array_equal(found & mask, right) or not (found & ~mask).any(),
            "There are pixels of the window among yours: a prompt trains its frame alone.",
        )
        expect(
            not np.array_equal(found, mask & ~right), "Those are the pixels whose weights did move; take the others."
        )
        wrong, missed = found & ~right & mask, right & ~found
        never, values = (images == 0).all(0), images[:, wrong] if wrong.any() else np.ones((1, 1))
        expect(
            not (wrong & (images <= 0).all(0)).any() or (np.ptp(images, axis=0)[wrong] == 0).all(),
            "One of your pixels is never above 0, but below it in some images: that is not black, and has a gradient.",
        )
        expect(
            not (wrong & ~never & (np.ptp(images, axis=0) == 0)).any(),
            "One of your pixels is constant, but not 0. Its gradient is the sum of the e_i times that constant.",
        )
        expect(
            not (np.abs(values.mean(0)) < 1e-12).any(),
            "One of your pixels has the mean 0 and is not always 0. The e_i differ, so the sum of e_i z_i need not vanish.",
        )
        expect(
            not (wrong & (images == 0).any(0)).any(), "One of your pixels is 0 in some images, and on in at least one."
        )
        raise NotYet(
            f"In a network that was trained on the checker's images, {right.sum()} pixels of the frame kept their start. You "
            f"took {wrong.sum()} others for such, and missed {missed.sum()}."
        )
    return (
        "Checked by training a network: these weights, and no others of the frame, are bit by bit as they were drawn."
    )


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
            np.asarray(call(answer, x.copy(), delta.copy(), mask.copy(), name="prompt_by_hand"), float),
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


UNSEEN = np.array([[5, 4], [4, 0]])  # the pair that is left was never counted


def _chosen(matrix):
    return np.argmax(matrix, axis=1)


@exercise("03.3")
def frequency(answer):
    rng = np.random.default_rng(3)
    for counts in (COUNTS, COUNTS[::-1] + 1, UNSEEN):
        num_target, num_source = counts.shape
        labels, predicted = (np.repeat(part.ravel(), counts.ravel()) for part in np.indices(counts.shape))
        order = rng.permutation(len(labels))
        labels, predicted = labels[order], predicted[order]
        found = np.asarray(call(answer, predicted, labels, num_source, num_target, name="frequency_by_hand"), float)
        turned = found.shape == counts.shape[::-1] != counts.shape
        expect(not turned, "b maps source scores to target scores: a row for each target class.")
        expect(
            found.shape == counts.shape,
            f"b should be a c_T x c_S matrix, here {num_target} x {num_source}; yours has shape {found.shape}.",
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


def _matrices(a, b):
    """A and B as symmetric positive semidefinite matrices with A - B positive semidefinite."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    expect(
        a.ndim == 2 and a.shape == b.shape and a.shape[0] == a.shape[1],
        f"A and B should be square and of one size; yours have the shapes {a.shape} and {b.shape}.",
    )
    scale = max(np.abs(a).max(), np.abs(b).max(), 1e-300)
    for name, matrix in (("A", a), ("B", b)):
        expect(bool(np.allclose(matrix, matrix.T)), f"{name} is not symmetric.")
        least = np.linalg.eigvalsh(matrix)[0]
        expect(least > -1e-9 * scale, f"{name} has the eigenvalue {least:.3g}: it is not positive semidefinite.")
    ends = np.linalg.eigvalsh(a - b)[[0, -1]]
    expect(
        ends[1] > 1e-9 * scale or ends[0] > -1e-9 * scale,
        "A - B has no positive eigenvalue: A is the larger one; you gave them the other way round.",
    )
    expect(ends[0] > -1e-9 * scale, f"A - B has the eigenvalue {ends[0]:.3g}: A is not the larger kernel.")
    return a, b


def _left(kernel, r, tau):
    """exp(-tau kernel) r."""
    values, vectors = np.linalg.eigh(kernel)
    return vectors @ (np.exp(-tau * values) * (vectors.T @ r))


@exercise("03.4")
def larger_rest(a, b, r, tau):
    a, b = _matrices(a, b)
    r, tau = np.asarray(r, float).ravel(), float(tau)
    expect(len(r) == len(a), f"r has {len(r)} entries; give {len(a)}, one for each row of A.")
    expect(
        bool(np.linalg.norm(r) > 0) and np.isfinite(tau) and tau > 0,
        "Give a residual that is not 0, and a time above 0.",
    )
    commute = np.abs(a @ b - b @ a).max() <= 1e-9 * max(np.abs(a @ b).max(), 1e-300)
    expect(
        not commute,
        "A and B have common eigenvectors, and along each of them A is at least as fast: like that it cannot fall behind.",
    )
    rest_a, rest_b = _left(a, r, tau), _left(b, r, tau)
    loss_a, loss_b, start = rest_a @ rest_a, rest_b @ rest_b, r @ r
    expect(loss_a > 1e-24 * start, f"At time {tau:g} nothing is left by A, to rounding: give it less time.")
    slow = np.linalg.eigh(a)
    along = (slow[1][:, 0] @ r) ** 2 / start
    expect(
        loss_a >= 2 * loss_b,
        f"At time {tau:g} A has left {loss_a / start:.3g} of the loss and B {loss_b / start:.3g}. A's slowest eigenvalue is "
        f"{slow[0][0]:.3g}, and {along:.0%} of r's square lies along its eigenvector: is there something that B learns faster?",
    )
    return (
        f"At the start A's loss falls {(r @ a @ r) / max(r @ b @ r, 1e-300):.3g} times as fast as B's, and at time {tau:g} it is "
        f"{loss_a / max(loss_b, 1e-300):.3g} times as large."
    )


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
    other, shifted, bright, dark, one, zero = P.copy(), *(c.copy() for _ in range(5))
    other[3, 5] += 0.5
    shifted[np.flatnonzero(~mask)[2]] = 0.3
    bright[np.flatnonzero(mask)[1]] = 1.2
    dark[np.flatnonzero(mask)[4]] = -0.1
    one[np.flatnonzero(mask)[2]] = 1
    zero[np.flatnonzero(mask)[3]] = 0
    cases = (
        (other, c, "W differs from P in one entry, so the two differ for some x"),
        (P, shifted, "c is not zero inside the window, where a prompt adds nothing"),
        (P, bright, "c exceeds 1 on the frame, which no logistic function reaches"),
        (P, dark, "c is negative on the frame, which no logistic function reaches"),
        (P, one, "c is exactly 1 in one place of the frame, which the logistic function never reaches"),
        (P, zero, "c is exactly 0 in one place of the frame, which the logistic function never reaches"),
    )
    for W, constant, why in cases:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = _expanding(answer, W.copy(), constant.copy(), P, mask)
        expect(
            isinstance(found, str) and found.strip().lower() == "impossible",
            f"There is a layer that you take for a prompt: {why}.",
        )
    return "Every prompt is a layer, and you told the few layers that are prompts from all others."
