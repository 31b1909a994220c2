"""Checkers of notebook 01, the NTK from scratch."""

import numpy as np

from notebooks.exercises import call, close, exercise, expect


@exercise("01.1")
def one_step(answer):
    rng = np.random.default_rng(1)
    features, theta, y, eta = rng.normal(size=(5, 8)), rng.normal(size=8), rng.normal(size=5), 0.3
    r = features @ theta - y
    stepped = features @ (theta - eta / 5 * features.T @ r) - y
    kernel = features @ features.T
    found = np.asarray(call(answer, kernel, r, eta, name="one_step"), float)

    def is_(wrong):
        return found.shape == r.shape and np.allclose(found, wrong)

    expect(not is_(r - eta * kernel @ r), "The loss is a mean over the examples: is N there?")
    expect(not is_(stepped - r), "That is the change of the residuals. The residuals after the step are asked for.")
    expect(not is_(2 * r - stepped), "Gradient descent goes downhill: look at the sign.")
    close(found, stepped, "the residual after the step", hint="Compare with step 3 above.")
    return "The parameters moved, and you followed the outputs without looking at them."


@exercise("01.2")
def ntk_in_front(answer, directions):
    rng = np.random.default_rng(2)
    theta = {"a": rng.normal(size=7), "w": rng.normal(size=(7, 3))}
    A, x1, x2 = rng.normal(size=(3, 3)), rng.normal(size=(4, 3)), rng.normal(size=(5, 3))

    def on(x, A=A):  # a_k of the units that are on at s = A x, (N, 7)
        return (x @ A.T @ theta["w"].T > 0) * theta["a"]

    def frozen(A=A):  # products of the frozen network's slopes d f / d s
        return (on(x1, A) @ theta["w"]) @ (on(x2, A) @ theta["w"]).T / 7

    found = np.asarray(call(answer, A, theta, x1, x2, name="ntk_in_front"), float)
    right, inputs = (x1 @ x2.T) * frozen(), x1 @ x2.T
    single_units = inputs * (on(x1) * (theta["w"] ** 2).sum(1) @ on(x2).T) / 7
    of_hidden = ((x1 @ A.T) @ (x2 @ A.T).T) * (on(x1) @ on(x2).T) / 7
    wrong = {
        "The network sees A x, and not x: which of its units are on?": inputs * frozen(np.eye(3)),
        "For inputs in rows, A x is x @ A.T.": inputs * frozen(A.T),
        "The network has a factor of 1 / sqrt(m): is it there, once for x and once for x'?": 7 * right,
        "Those are the frozen network's slopes. What does the derivative with respect to A put beside them?": frozen(),
        "Each entry of A acts on all units at once, so products of different units belong in it too.": single_units,
        "That is the kernel of the w's, and they are frozen. Only A is trained.": of_hidden,
    }
    for words, kernel in wrong.items():
        expect(found.shape != right.shape or not np.allclose(found, kernel), words)
    close(found, right, "the kernel", hint="Only derivatives with respect to A belong in it.")
    expect(np.ndim(directions) == 0, "The kernel is right. `directions` should be one number.")
    number = float(directions)
    expect(number != 16, "The kernel is right. 16 is its size: eigenvalues that are zero up to rounding do not count.")
    expect(
        number == 4,
        f"The kernel is right. But {number:g} is not the number of directions on our circle: what is its rank there?",
    )
    return "Four trained numbers move the outputs in four directions, however wide the frozen network is."


@exercise("01.3")
def width_for(answer):
    rng = np.random.default_rng(3)
    for m, n, d, error in ((4000, 6, 2, 0.01), (3000, 5, 4, 0.03)):
        theta = {"a": rng.normal(size=m), "w": rng.normal(size=(m, d))}
        x = rng.normal(size=(n, d))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        u = x @ theta["w"].T
        on, hidden = u > 0, np.maximum(u, 0)
        units = np.einsum("ik,jk->kij", hidden, hidden)
        units = units + (x @ x.T) * np.einsum("ik,jk,k->kij", on, on, theta["a"] ** 2)
        spread, size = units.var(axis=0).sum() ** 0.5, np.linalg.norm(units.mean(axis=0))
        right = (spread / (error * size)) ** 2
        found = call(answer, error, theta, x, name="width_for")
        expect(np.ndim(found) == 0, "Return one number, the width.")
        found = float(found)
        case = f"For an error of {error:.0%} your width is {found:.3g}."

        def is_(wrong, found=found):
            return wrong / 1.2 < found < 1.2 * wrong

        expect(not is_(right**0.5), f"{case} The error falls like 1 / sqrt(m): a tenth of it needs a hundred times m.")
        expect(
            not is_((spread / error) ** 2),
            f"{case} The error is relative: divide the spread by the size of the kernel.",
        )
        expect(
            not is_(right / m) and not is_(right / m**2),
            f"{case} That divides by the width of the network at hand. The spread of a SINGLE unit's contribution is needed.",
        )
        expect(not is_(right * m), f"{case} Theta is the mean of the units' contributions, not their sum.")
        expect(
            not is_(right * error**2),
            f"{case} That is the squared error of a network with one unit; with m units it is m times smaller.",
        )
        expect(
            right / 1.5 < found < 1.5 * right,
            f"{case} It should be near {right:.3g}. How much do the contributions of single units scatter around their mean?",
        )
    return "One network knows how far it is from the limit: a tenth of the error costs a hundred times the width."
