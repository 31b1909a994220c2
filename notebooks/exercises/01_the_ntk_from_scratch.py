"""Checkers of notebook 01, the NTK from scratch."""

import numpy as np

from notebooks.exercises import call, close, exercise, expect


@exercise("01.1")
def one_step(answer):
    rng = np.random.default_rng(1)
    features, theta, y, eta = rng.normal(size=(5, 8)), rng.normal(size=8), rng.normal(size=5), 0.3
    r = features @ theta - y
    stepped = features @ (theta - eta / 5 * features.T @ r) - y
    found = call(answer, features @ features.T, r, eta, name="one_step")
    summed = r - eta * features @ features.T @ r
    expect(
        not np.array_equal(np.round(found, 9), np.round(summed, 9)), "The loss is a mean over the examples: is N there?"
    )
    close(found, stepped, "the residual after the step", hint="Compare with step 3 above.")
    return "The parameters moved, and you followed the outputs without looking at them."


@exercise("01.2")
def ntk_hidden_only(answer):
    rng = np.random.default_rng(2)
    theta = {"a": rng.normal(size=7), "w": rng.normal(size=(7, 3))}
    x1, x2 = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))

    def rows(x):  # d f / d w, (N, 7 * 3)
        on = (x @ theta["w"].T > 0) * theta["a"] / 7**0.5
        return (on[:, :, None] * x[:, None, :]).reshape(len(x), -1)

    found = call(answer, theta, x1, x2, name="ntk_hidden_only")
    close(found, rows(x1) @ rows(x2).T, "the kernel", hint="Only the derivatives with respect to the w's belong in it.")
    return "Only the trained parameters' products are summed."


@exercise("01.3")
def width_for(answer):
    rng, widths = np.random.default_rng(3), np.array([16, 64, 256, 1024])
    for c, error in ((0.9, 0.01), (2.0, 0.03)):
        off = c / np.sqrt(widths)[:, None] * rng.uniform(0.9, 1.1, size=(4, 10))
        found, right = float(call(answer, error, widths, off, name="width_for")), (c / error) ** 2
        expect(
            right / 1.5 < found < 1.5 * right,
            f"For errors that fall as {c:g} / sqrt(width), an error of {error:.0%} needs a width near {right:.0f}; "
            f"yours gives {found:.0f}.",
        )
    return "A tenth of the error costs a hundred times the width."
