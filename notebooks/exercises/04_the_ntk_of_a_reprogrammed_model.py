"""Checkers of notebook 04, the NTK of a reprogrammed model."""

import numpy as np

from mrntk.model.input_maps import BIAS_STD, frame_mask, window
from mrntk.ntk.plain import resize_matrix, scores_and_jacobian
from mrntk.spectrum import spectrum
from notebooks.exercises import NotYet, call, close, exercise, expect


@exercise("04.1")
def most_examples(answer):
    for case in ((32, 28, 3, 10), (112, 86, 3, 10), (28, 20, 1, 10), (32, 28, 3, 7), (28, 27, 1, 60)):
        side, inner, channels, classes = case
        entries = channels * (side**2 - inner**2)
        found, where = call(answer, *case, name="most_examples"), f"side={side}, inner={inner}, {channels} channel(s)"
        expect(
            found != entries, f"{where}: {entries} is the number of entries. Every example brings {classes} outputs."
        )
        expect(
            channels == 1 or found != (side**2 - inner**2) // classes,
            f"{where}: the frame is trained in every channel.",
        )
        expect(found == int(found), f"{where}: give a whole number of examples, rounded down.")
        expect(
            found == entries // classes,
            f"{where}, {classes} classes: {found} is not right. How many entries does the frame have, and how many outputs "
            "does an example have?",
        )
    return "Past that number some labels cannot be fitted to first order, however long one trains."


def _network(rng, d, c):
    """A smooth source of d inputs and c outputs, and its Jacobian."""
    first, last = rng.normal(size=(9, d)) / d**0.5, rng.normal(size=(c, 9))
    return lambda s: last @ np.tanh(first @ s), lambda s: (last * (1 - np.tanh(first @ s) ** 2)) @ first


def _gram(gradients):
    """(N, c, P) gradients to the kernel (N, c, N, c)."""
    return np.einsum("ikp,jlp->ikjl", gradients, gradients)


def _numerical(f, theta, h=1e-6):
    """df/dtheta by central differences, (outputs, P)."""
    return np.stack([(f(theta + h * e) - f(theta - h * e)) / (2 * h) for e in np.eye(len(theta))], axis=1)


@exercise("04.2")
def scaled(answer):
    rng = np.random.default_rng(4)
    source, jacobian = _network(rng, 6, 2)
    z, s = np.pad(rng.normal(size=(4, 3)), ((0, 0), (1, 2))), rng.uniform(0.5, 2, size=6)
    g = np.stack([jacobian(one * s) for one in z])
    truth = _gram(np.stack([_numerical(lambda theta, one=one: source(one * theta), s) for one in z]))
    found = np.asarray(call(answer, g, z, s, name="kernel_of_scaling"), float)
    if found.shape == truth.shape:
        expect(not np.allclose(found, _gram(g)), "That is the watermark's kernel. What is d a_p / d gamma_p here?")
        whole = np.einsum("ip,jp->ij", z, z)[:, None, :, None] * _gram(g)
        expect(
            not np.allclose(found, whole),
            "You took z . z' out of the sum. In FC every entry of a has its own copy of all of x; here a_p has z_p alone.",
        )
        expect(
            not np.allclose(found, _gram(g * s)),
            "d a_p / d gamma_p is not gamma_p: a_p = z_p gamma_p is linear in gamma_p; what is left?",
        )
        expect(
            not np.allclose(found, _gram(g * (z * s)[:, None])),
            "Nearly: you used a(x) = z * gamma where its derivative with respect to gamma belongs.",
        )
    close(found, truth, "the kernel", rtol=1e-4, atol=1e-6, hint="Theta_A(x, x') is diagonal: write down its entry p.")
    return "Checked against finite differences. Where an image is black, z_p = 0, the scale has nothing to multiply."


def _pair(pair, name):
    """Two positive semidefinite matrices of the same size, (A, B, lambda_min[A o B], the bound)."""
    expect(isinstance(pair, tuple | list) and len(pair) == 2, f"{name} should be a pair (A, B) of matrices.")
    a, b = (np.asarray(one, float) for one in pair)
    expect(
        a.ndim == 2 and a.shape == b.shape and a.shape[0] == a.shape[1] >= 2,
        f"{name}: A and B should be square, of the same size, at least 2 x 2.",
    )
    for letter, matrix in (("A", a), ("B", b)):
        expect(bool(np.allclose(matrix, matrix.T)), f"{name}: {letter} is not symmetric.")
        least = float(np.linalg.eigvalsh(matrix)[0])
        expect(
            least > -1e-10, f"{name}: {letter} is not positive semidefinite, its smallest eigenvalue is {least:.3g}."
        )
    least = float(np.linalg.eigvalsh(a)[0])
    expect(least > 1e-8, f"{name}: lambda_min[A] is {least:.2g}; it should be above 0, or the bound says nothing.")
    return a, b, float(np.linalg.eigvalsh(a * b)[0]), float(least * np.diag(b).min())


@exercise("04.3")
def hadamard(loose, tight):
    _, _, truth, bound = _pair(loose, "loose")
    expect(
        truth >= 5 * bound,
        f"loose: lambda_min[A o B] = {truth:.3g} is {truth / max(bound, 1e-300):.3g} times the bound {bound:.3g}; make it 5 "
        "times at least. The bound uses lambda_min[A]; what does B have to do to A's off-diagonal entries?",
    )
    factor = truth / max(bound, 1e-300)
    a, b, truth, bound = _pair(tight, "tight")
    for letter, matrix in (("A", a), ("B", b)):
        off = np.abs(matrix - np.diag(np.diag(matrix))).max()
        expect(
            bool(off > 1e-6 * np.abs(matrix).max()), f"tight: {letter} is diagonal; find a pair in which neither is."
        )
    expect(
        bound > 0 and truth <= bound * (1 + 1e-6),
        f"tight: lambda_min[A o B] = {truth:.6g}, and the bound is {bound:.6g}: not equal. Which B leaves A as it is?",
    )
    return f"The bound is off by a factor of {factor:.3g} in one, and attained in the other."


def _prompt_rank(rng, depth, width, inner, examples, *, side, classes):
    """The rank of Theta_T for a visual prompt before a random DNN, on random 4 x 4 images."""
    sizes = [side**2] + [width] * (depth - 1) + [classes]
    weights = [
        (rng.normal(size=(n, m)) * (2 / m) ** 0.5, rng.normal(size=n) * BIAS_STD)
        for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    resize, shape = resize_matrix(4, inner), (1, side, side)
    s = np.full((examples, *shape), 0.5)
    s[(slice(None), *window(shape, (inner, inner)))] = resize @ rng.uniform(size=(examples, 1, 4, 4)) @ resize.T
    v = scores_and_jacobian(weights, s)[1][:, :, frame_mask(shape, (inner, inner)).ravel()] / 4
    rows = v.reshape(examples * classes, -1)
    return spectrum(rows @ rows.T).rank


@exercise("04.4")
def not_sufficient(depth, width, inner, examples):
    side, classes = 8, 3
    for name, value, most in (
        ("depth", depth, 6),
        ("width", width, 512),
        ("inner", inner, side - 1),
        ("N", examples, 60),
    ):
        expect(isinstance(value, int | np.integer) and 1 <= value <= most, f"{name}={value}: give 1 to {most}.")
    entries, outputs = side**2 - inner**2, examples * classes
    expect(
        outputs <= entries,
        f"N c = {outputs} exceeds the {entries} entries: there the law itself says that the kernel is singular.",
    )
    ranks = [
        _prompt_rank(np.random.default_rng(seed), depth, width, inner, examples, side=side, classes=classes)
        for seed in range(3)
    ]
    if max(ranks) == outputs:
        raise NotYet(
            f"N c = {outputs} is at most the {entries} entries, but over three seeds the rank is {ranks}: Theta_T is positive "
            "definite in at least one. Through how many units does the gradient have to pass?"
        )
    return f"N c = {outputs} outputs, {entries} entries, and yet the rank is {ranks} over three seeds."


@exercise("04.5")
def low_rank(answer):
    rng = np.random.default_rng(5)
    n, d_t, d_s, r, c = 4, 5, 6, 2, 2
    source, jacobian = _network(rng, d_s, c)
    x, up, down = rng.normal(size=(n, d_t)), rng.normal(size=(d_s, r)), rng.normal(size=(r, d_t))

    def f(theta, one):
        return source(theta[: d_s * r].reshape(d_s, r) @ (theta[d_s * r :].reshape(r, d_t) @ one))

    theta = np.concatenate([up.ravel(), down.ravel()])
    rows = np.stack([_numerical(lambda theta, one=one: f(theta, one), theta) for one in x])
    g = np.stack([jacobian(up @ down @ one) for one in x])
    found = np.asarray(call(answer, g, x, up, down, name="kernel_of_low_rank"), float)
    of_up, of_down = _gram(rows[:, :, : d_s * r]), _gram(rows[:, :, d_s * r :])
    if found.shape == of_up.shape:
        expect(not np.allclose(found, of_up, rtol=1e-4), "That is U's term. V is trained as well: add its own.")
        expect(not np.allclose(found, of_down, rtol=1e-4), "That is V's term. U is trained as well: add its own.")
        as_fc = np.einsum("ip,jp->ij", x, x)[:, None, :, None] * _gram(g)
        expect(
            not np.allclose(found, as_fc),
            "That is the kernel of a full W = U V. Here only U and V can move, not every W.",
        )
    close(
        found, of_up + of_down, "the kernel", rtol=1e-4, atol=1e-6,
        hint="Two groups of parameters: differentiate with respect to U while V stands still, then the other way round.",
    )  # fmt: skip
    return "Checked against finite differences: the sum over the two groups of parameters."
