"""Checkers of notebook 02, training in the eigenbasis."""

import math

import numpy as np

from notebooks.exercises import NotYet, call, exercise, expect

STEPS, SHARE, LEFT = 100, 0.5, 0.01  # of exercise 02.3
WEIGHTS = np.array([0.6, 0.3, 0.1, 0.0, 0.0])  # share of the labels along five eigenvectors


@exercise("02.1")
def steps_to_a_thousandth(answer):
    for ratio, share in ((0.1, 0.5), (0.01, 0.5), (0.02, 0.25), (1.0, 0.9), (0.9, 0.95)):
        factor = abs(1 - 2 * share * ratio)
        right = math.ceil(math.log(1e-3) / math.log(factor))
        case = f"For ratio={ratio:g} and share={share:g}"
        try:
            found = float(call(answer, ratio, share, name="steps"))
        except ValueError:
            raise NotYet(
                f"{case} a logarithm fails: the factor of a step is negative there. Its size counts."
            ) from None
        negative = 2 * share * ratio > 1
        expect(math.isfinite(found) or negative, f"{case} your number of steps is not finite.")
        if not math.isfinite(found) or (negative and found <= 0):
            raise NotYet(f"{case} the factor of a step is negative, and the mode changes its sign. Its size counts.")
        wrong = {
            math.ceil(right / 2): "That is for the loss. A mode enters the loss squared; we ask for the mode itself.",
            math.ceil(
                math.log(1e-3) / math.log(abs(1 - share * ratio))
            ): "The limit is 2 N / lambda_max: is the 2 there?",
            math.ceil(
                math.log(1e3) / (2 * share * ratio)
            ): "That is the approximation for small steps: use the factor itself.",
        }
        if found != right and math.ceil(found) in wrong:
            raise NotYet(f"{case} you give {found:g}. {wrong[math.ceil(found)]}")
        expect(found == int(found), f"{case} you give {found:g}: the first WHOLE number of steps is asked for.")
        expect(
            found == right,
            f"{case} you give {found:g}. After how many factors is |1 - eta lambda / N|^t at most 1/1000?",
        )
    return "Close to the limit even the mode of the largest eigenvalue is slow, because it overshoots in every step."


@exercise("02.2")
def extreme_labels(answer):
    rng, n = np.random.default_rng(22), 6
    basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
    values = np.array([0.5, 0.8, 1.5, 2.0, 3.0, 4.0])
    kernel = basis * values @ basis.T
    for eta in (0.4 * 2 * n / 4, 0.5 * n / 4, 0.99 * 2 * n / 4):
        step = np.eye(n) - eta / n * kernel
        found = call(answer, kernel, eta, name="extreme_labels")
        expect(isinstance(found, tuple | list) and len(found) == 2, "Return two label vectors: (y_fast, y_slow).")
        fast, slow = (np.asarray(y, float) for y in found)
        expect(fast.shape == slow.shape == (n,), f"A label vector has shape {(n,)}, one label an example.")
        sizes = np.linalg.norm(fast), np.linalg.norm(slow)
        expect(np.allclose(sizes, 1), f"Both should have length 1; yours have {sizes[0]:.3g} and {sizes[1]:.3g}.")
        left = [np.linalg.norm(step @ y) for y in (fast, slow)]
        least, most = np.sort(np.abs(1 - eta / n * values))[[0, -1]]
        expect(not np.allclose(left, [most, least]), "They are the wrong way round.")
        size = f"At a step size of {eta * 4 / (2 * n):.2f} of the stability limit"
        if eta > n / 4:
            expect(
                bool(np.isclose(left[1], most) and not np.isclose(abs(basis[:, -1] @ fast), 1)),
                f"{size} the mode of the largest eigenvalue overshoots, so the order of the eigenvalues is not the order of "
                "the speeds: compare the sizes of the factors |1 - eta lambda / N|.",
            )
        expect(
            bool(np.isclose(left[0], least) and np.isclose(left[1], most)),
            f"{size} one step leaves {left[0]:.3f} of your fast and {left[1]:.3f} of your slow vector; {least:.3f} and "
            f"{most:.3f} are possible. Eigenvectors are columns: are yours?",
        )
    return "The same kernel is the best and the worst there is: it depends on the labels, and on the step size."


@exercise("02.3")
def counterexample(first, second):
    kernels = [np.asarray(values, float) for values in (first, second)]
    for name, values in zip(("K1", "K2"), kernels, strict=True):
        expect(values.shape == (5,), f"{name} should hold five eigenvalues, one for each label weight.")
        expect(bool(np.isfinite(values).all() and (values > 0).all()), f"{name}: all eigenvalues should be positive.")
    expect(bool(kernels[0].min() > kernels[1].min()), "K1 should have the larger lambda_min.")
    conditions = [float(values.min() / values.max()) for values in kernels]
    expect(
        conditions[0] > conditions[1] * (1 + 1e-9),
        f"K1 should have the larger lambda_min / lambda_max too; yours have {conditions[0]:.3g} and {conditions[1]:.3g}. A "
        "constant in front of a kernel changes nothing.",
    )
    left = [float(WEIGHTS @ (1 - 2 * SHARE * values / values.max()) ** (2 * STEPS)) for values in kernels]
    said = f"After {STEPS} steps {left[0]:.2g} of the loss is left with K1 and {left[1]:.2g} with K2"
    expect(left[0] >= LEFT, f"{said}: K1 is too fast, at least {LEFT:.0%} should be left.")
    expect(
        left[1] <= left[0] / 10,
        f"{said}: with K2 a tenth of that of K1 or less should be left. Which eigenvalues can be tiny without harm?",
    )
    return f"{said}, although K1 has the larger lambda_min and the better condition."


@exercise("02.4")
def best_step(answer):
    rng, n = np.random.default_rng(24), 20
    values = n / np.arange(1, n + 1) ** 2.0
    signals = (np.r_[5.0, 2.0, 0.5, np.zeros(n - 3)], rng.normal(size=n) * np.arange(1, n + 1) ** -1.0)
    for signal, variance in ((signals[0], 0.2), (signals[1], 0.05), (signals[0], 0.0), (signals[1], 50.0)):
        left = (1 - 0.9 * values / n) ** np.arange(10_001)[:, None]
        error = (left**2 * signal**2 + (1 - left) ** 2 * variance).sum(1)
        found = call(answer, values, signal, variance, 0.9, n, name="best_step")
        expect(np.ndim(found) == 0 and float(found) == int(found), "Return one whole number of steps.")
        expect(0 <= int(found) <= 10_000, f"Return a number of steps from 0 to 10,000; yours is {found}.")
        if error[int(found)] <= error.min() + 1e-9 * error[0]:
            continue
        case = f"With a noise variance of {variance:g} you stop after {int(found)} steps"
        expect(
            int(found) < 10_000 or variance == 0,
            f"{case}: that fits the noise too. The noise in mode k is FITTED by the share 1 - (1 - eta lambda_k / N)^t of it.",
        )
        raise NotYet(
            f"{case}, where the expected loss is {error[int(found)] / max(error.min(), 1e-300):.3g} times the least. In mode k "
            "the signal that is still missing and the noise that is already fitted are independent: their squares add."
        )
    return "The signal is in the large eigenvalues and the noise is everywhere, so there is a best time to stop."
