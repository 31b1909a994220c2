"""Checkers of notebook 00, the start."""

import numpy as np

from notebooks.exercises import call, close, exercise, expect


@exercise("00.1")
def fc_block(answer):
    rng = np.random.default_rng(0)
    x_i, x_j, g_i, g_j = rng.normal(size=6), rng.normal(size=6), rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    found = np.asarray(call(answer, x_i, x_j, g_i, g_j, name="fc_block"), float)
    expect(found.shape == (3, 3), f"The block should be c_T x c_T, here (3, 3); yours has the shape {found.shape}.")
    right = (x_i @ x_j + 1) * g_i @ g_j.T
    expect(not np.allclose(found, (x_i @ x_j) * g_i @ g_j.T), "The layer's constant c is trained too: where is its 1?")
    expect(
        not np.allclose(found, right.T), "Rows belong to image i and columns to image j; yours are the other way round."
    )
    close(found, right, "the block of two random images")
    return "Two likenesses multiplied: that of the images, and that of the source's gradients at them."


@exercise("00.2")
def loss_left(answer):
    rng = np.random.default_rng(1)
    rows, r, n = rng.normal(size=(6, 3)), rng.normal(size=6), 3
    theta = rows @ rows.T  # of rank 3
    values, vectors = np.linalg.eigh(theta)
    parts = (vectors.T @ r) ** 2
    found = float(call(answer, theta, r, n, name="loss_left"))
    right = parts[:3].sum() / (2 * n)
    expect(
        not np.isclose(found, parts[3:].sum() / (2 * n)),
        "That is the part that is learned. What is left is the other one.",
    )
    expect(not np.isclose(found, right * 2 * n), "The loss is half of a mean over the examples: is 1/(2n) there?")
    expect(not np.isclose(found, right * 2), "The loss is half of a mean: divide by 2n, not by n.")
    in_rows = (vectors @ r) ** 2
    expect(not np.isclose(found, in_rows[:3].sum() / (2 * n)), "Eigenvectors are the columns: is a transpose missing?")
    expect(
        not np.isclose(found, parts[values == 0].sum() / (2 * n)),
        "No computed eigenvalue is exactly 0: rounding leaves them near 1e-16, so compare with a small threshold.",
    )
    expect(not np.isclose(found, r @ r / (2 * n)), "That is the loss before training; some of it can be learned.")
    close(found, right, "What is left of a kernel of rank 3 with 6 outputs")
    full = rows @ rows.T + np.eye(6)
    close(float(call(answer, full, r, n, name="loss_left")), 0.0, "What is left where every eigenvalue is positive")
    return "That is the floor of the predicted learning curve, known before the first step."


@exercise("00.3")
def loss_after(answer):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 9))
    theta, r = rows @ rows.T, rng.normal(size=6)
    values, vectors = np.linalg.eigh(theta)
    parts = (vectors.T @ r) ** 2 / 6

    def like(found, factors):
        return np.isclose(found, factors @ parts)

    for steps in (0, 1, 7):
        walked = r.copy()
        for _ in range(steps):
            walked = walked - 0.05 / 3 * theta @ walked
        found = call(answer, theta, r, 0.05, 3, steps, name="loss_after")
        if steps:
            power = (1 - 0.05 / 3 * values) ** steps
            expect(
                not like(found, power), "The residual shrinks by the power t; the loss is its square: which power then?"
            )
            expect(
                not like(found, (1 - 0.05 * values) ** (2 * steps)),
                "A step multiplies by 1 - eta lambda / N: where is N?",
            )
            expect(
                not like(found, np.exp(-2 * 0.05 / 3 * values * steps)), "That is gradient flow; here steps are finite."
            )
        close(
            found,
            walked @ walked / 6,
            f"The loss after {steps} step{'s' * (steps != 1)}",
            hint="" if steps else "Before the first step it is the sum of squares over 2 N.",
        )
    return "You predicted training without training."
