"""Checkers of notebook 00, the start."""

import numpy as np

from notebooks.exercises import call, close, exercise, expect


@exercise("00.1")
def images_per_class(answer):
    expect(float(answer) == int(answer), "An image is in or out: give a whole number.")
    expect(answer > 0, "One image per class can be fitted; how many more?")
    expect(
        answer != 38, "38 images fit in all, since each has ten outputs; how many is that for each of the ten classes?"
    )
    expect(answer != 384, "Each of the N images has ten outputs, and all of them must be fitted.")
    expect(
        answer * 100 <= 384,
        f"With {answer} images per class there are {100 * answer} outputs, but only 384 prompt pixels.",
    )
    expect((answer + 1) * 100 > 384, "That many can be fitted, but one more a class can, too.")
    return "With one image per class more, some labels are out of reach, to first order."


@exercise("00.2")
def largest_step(answer):
    values = np.array([0.3, 7.0, 2.0])
    found = call(answer, values, 5, name="largest_step")
    expect(not np.isclose(found, 5 / 7), "At that step the top mode is gone in one step. It may be twice as large.")
    expect(not np.isclose(found, 2 / 7), "The loss is a mean over the examples: is N there?")
    close(found, 10 / 7, "the largest step for eigenvalues 0.3, 7, 2 and N = 5")
    return "The largest eigenvalue sets the pace."


@exercise("00.3")
def loss_after(answer):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 9))
    theta, r = rows @ rows.T, rng.normal(size=6)
    for steps in (0, 1, 7):
        walked = r.copy()
        for _ in range(steps):
            walked = walked - 0.05 / 3 * theta @ walked
        found = call(answer, theta, r, 0.05, 3, steps, name="loss_after")
        close(
            found,
            walked @ walked / 6,
            f"the loss after {steps} steps",
            hint="At step 0 it is the sum of squares over 2 N.",
        )
    return "You predicted training without training."
