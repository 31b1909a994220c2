"""Checkers of notebook 06, depth and the spectrum."""

import numpy as np

from notebooks.exercises import NotYet, call, close, exercise
from notebooks.exercises import expect as _expect


def expect(condition, words: str):
    """`expect`, for NumPy's truth values as well."""
    _expect(bool(condition), words)


def _step(s, w_std, b_std):
    """S_{h-1} -> (S_h, D_h) for ReLU."""
    sizes = np.sqrt(np.outer(np.diag(s), np.diag(s)))
    phi = np.arccos(np.clip(s / sizes, -1, 1))
    activations = sizes * (np.sin(phi) + (np.pi - phi) * np.cos(phi)) / (2 * np.pi)
    return w_std**2 * activations + b_std**2, w_std**2 * (np.pi - phi) / (2 * np.pi)


def _kernels(x, depth, w_std, b_std):
    """Theta at depth 1 ... depth."""
    s = w_std**2 * x @ x.T / x.shape[1] + b_std**2
    s = (s + s.T) / 2
    found = [s]
    for _ in range(depth - 1):
        s, d = _step(s, w_std, b_std)
        found.append(s + d * found[-1])
    return found


def _relative(kernel):
    """lambda_min over the mean eigenvalue."""
    return np.linalg.eigvalsh(kernel)[0] * len(kernel) / np.trace(kernel)


@exercise("06.1")
def one_layer_more(answer):
    x = np.random.default_rng(1).normal(size=(5, 3))
    for w_std, b_std in ((1.3, 0.4), (2**0.5, 0.0)):
        s = w_std**2 * x @ x.T / 3 + b_std**2
        s_next, d = _step(s, w_std, b_std)
        s_after, d_after = _step(s_next, w_std, b_std)
        before = s_next + d * s  # depth 2, so that S and Theta differ
        found = call(answer, s_next, before, w_std, b_std, name="one_layer_more")
        expect(
            isinstance(found, (tuple, list)) and len(found) == 2,
            "Return a pair: the new S, and the new Theta.",
        )
        hint = "It is what `relu_layer` gives first."
        close(found[0], s_after, "S of the new layer", hint=hint)
        theta = np.asarray(found[1], float)
        for wrong, words in (
            (s_next + d_after * before, "The new layer sees the NEW covariance: add S_h, not S_{h-1}."),
            (d_after * before, "The new layer is trained, too: where is its own term?"),
            (s_after + before, "What lies below reaches the output through the new layer: where is D_h?"),
            (s_after + d_after / w_std**2 * before, "D_h holds W_std^2, too: the derivative passes the weights."),
        ):
            expect(theta.shape != wrong.shape or not np.allclose(theta, wrong), words)
        close(
            theta, s_after + d_after * before, "Theta of the deeper network", hint="Entry by entry: S_h + D_h Theta_h."
        )
    return "One product and one sum a layer: that is the whole recursion."


@exercise("06.2")
def critical_w_std(answer):
    slopes = np.array([0.0, 0.1, 0.5, 1.0])
    right = np.sqrt(2 / (1 + slopes**2))
    found = np.array([float(call(answer, s, name="critical_w_std")) for s in slopes])
    for wrong, words in (
        (right**2, "That is the variance W_std^2. Take the square root."),
        (np.full(4, 2**0.5), "That is right for the ReLU (s = 0) only. What does the negative half contribute?"),
        (
            np.sqrt(2 / (1 + slopes)),
            "The negative half contributes E[(s u)^2; u < 0] = s^2 q / 2. Your s is not squared.",
        ),
        (2**0.5 / (1 + slopes), "Add the two halves' mean squares, not their roots."),
    ):
        expect(not np.allclose(found, wrong), words)
    expect(
        abs(found[3] - 1) < 1e-6,
        f"For s = 1 the network is linear and E[sigma^2] = q, so W_std should be 1; yours is {found[3]:.4g}.",
    )
    close(found, right, "W_std at s = 0, 0.1, 0.5 and 1", hint="Ask for W_std^2 E[sigma(u)^2] = q.")
    return "At these weights the signal keeps its size forward, and its derivative backward."


@exercise("06.3")
def smallest(answer):
    angles = np.array([0.0, 0.3, 1.0, 1.6, 2.2, 2.8, np.pi])
    corr = np.cos(angles)
    activations = corr + (np.sin(angles) - angles * corr) / np.pi
    t = activations + (1 - angles / np.pi) * corr
    found = np.array([float(call(answer, phi, name="smallest")) for phi in angles])
    for wrong, words in (
        (2 - t, "For large angles the entry off the diagonal is negative. Which of a + t and a - t is smaller then?"),
        (1 - activations, "That is the NNGP kernel S_1 alone: training the first layer adds D_1 S_0."),
        (1 - np.abs(corr), "That is depth 1."),
        (
            t,
            "That is the entry off the diagonal. What are the eigenvalues of a 2 x 2 matrix with equal diagonal entries?",
        ),
        (2 + t, "That is an eigenvalue, though mostly the larger one."),
        (1 - np.abs(t), "What is on the diagonal? Both terms of depth 2 are 1 there."),
    ):
        expect(not np.allclose(found, wrong, atol=1e-7), words)
    close(
        found,
        2 - np.abs(t),
        "lambda_min at angles from 0 to pi",
        atol=1e-7,
        hint="Off the diagonal: R(cos phi) + D_1 cos phi.",
    )
    return "For small angles it is phi / pi: a kink, where depth 1 has only phi^2 / 2."


@exercise("06.4")
def scale_down_shape_up(w_std, b_std):
    try:
        w_std, b_std = float(w_std), float(b_std)
    except (TypeError, ValueError):
        raise NotYet("Give two numbers, W_std and b_std.") from None
    expect(w_std > 0 and b_std >= 0, "W_std has to be positive, and b_std at least 0.")
    expect(w_std > 1e-3, "So small weights drown in rounding: take W_std above 0.001.")
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(8, 10))
        x *= np.sqrt(10) / np.linalg.norm(x, axis=1, keepdims=True)
        kernels = _kernels(x, 9, w_std, b_std)[1:]
        least, shape = (np.array([f(k) for k in kernels]) for f in (lambda k: np.linalg.eigvalsh(k)[0], _relative))
        up = np.flatnonzero(np.diff(least) >= 0)
        expect(
            not len(up),
            f"lambda_min still rises from depth {up[0] + 2 if len(up) else 0} to the next. Make the scale shrink faster.",
        )
        down = np.flatnonzero(np.diff(shape) <= 0)
        expect(
            not len(down),
            f"lambda_min falls, but lambda_min / mean falls, too, from depth {down[0] + 2 if len(down) else 0} to the next: "
            "the biases pull the inputs together.",
        )
    grown = shape[-1] / shape[0]
    return (
        f"lambda_min shrinks to {least[-1] / least[0]:.1g} of itself, while lambda_min / mean grows {grown:.2g} times."
    )


@exercise("06.5")
def still_zero(answer):
    x = np.asarray(answer, float)
    expect(x.shape == (4, 3), f"Give four inputs in three dimensions, an array of shape (4, 3); yours is {x.shape}.")
    expect(np.isfinite(x).all(), "All entries should be finite.")
    sizes = np.linalg.norm(x, axis=1)
    expect(sizes.min() > 1e-3 * max(sizes.max(), 1e-300), "No input may be zero (or nearly): that would be too easy.")
    gaps = np.linalg.norm(x[:, None] - x, axis=2) / sizes.max()
    expect(gaps[np.triu_indices(4, 1)].min() > 1e-2, "Two of your inputs are equal: that would be too easy.")
    relative = [_relative(kernel) for kernel in _kernels(x, 6, 2**0.5, 0.0)]
    first = next((depth for depth, value in enumerate(relative, start=1) if value > 1e-7), None)
    expect(
        first is None,
        f"At depth {first} lambda_min is {relative[(first or 1) - 1]:.2g} of the mean eigenvalue. "
        "Look for a relation between two inputs that no layer can break.",
    )
    biased = _relative(_kernels(x, 3, 2**0.5, 0.1**0.5)[-1])
    return (
        "A positive multiple of an input is no new input for a ReLU network without biases. With the authors' biases, "
        f"lambda_min / mean of your inputs at depth 3 is {biased:.2g}."
    )
