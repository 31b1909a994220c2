"""The checkers of notebook 01: right answers other than the printed ones pass, typical mistakes get words that help."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from notebooks.exercises import check


def says(number, *answers):
    result = check(number, *answers)
    assert not result
    return result.words


def test_one_step_by_the_matrix_of_a_step():
    assert check("01.1", lambda K, r, eta: (np.eye(len(r)) - eta / len(r) * K).dot(r))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda K, r, eta: r - eta * K @ r, "is N there"),
        (lambda K, r, eta: -eta / len(r) * K @ r, "change of the residuals"),
        (lambda K, r, eta: r + eta / len(r) * K @ r, "sign"),
        (lambda K, r, eta: r - eta / len(r) * r, "step 3"),
        (lambda K, r, eta: K, "shape"),
        (lambda K, r, eta: ..., "returned nothing"),
    ],
)
def test_wrong_steps(wrong, words):
    assert words in says("01.1", wrong)


def by_differentiation(A, theta, x1, x2):
    def outputs(A, x):
        return jax.nn.relu(x @ A.T @ theta["w"].T) @ theta["a"] / len(theta["a"]) ** 0.5

    with jax.enable_x64(True):
        rows = [jax.jacobian(outputs)(jnp.asarray(A), x) for x in (x1, x2)]
        return np.einsum("ipq,jpq->ij", *rows)


def slopes(A, theta, x):
    return (x @ A.T @ theta["w"].T > 0) * theta["a"] @ theta["w"] / len(theta["a"]) ** 0.5


def in_front(A, theta, x1, x2):
    return (x1 @ x2.T) * (slopes(A, theta, x1) @ slopes(A, theta, x2).T)


def units(A, theta, x):
    return (x @ A.T @ theta["w"].T > 0) * theta["a"] / len(theta["a"]) ** 0.5


def test_the_layer_in_front_by_differentiation():
    assert check("01.2", by_differentiation, np.int64(4))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda A, p, x, z: in_front(np.eye(len(A)), p, x, z), "sees A x"),
        (lambda A, p, x, z: in_front(A.T, p, x, z), "x @ A.T"),
        (lambda A, p, x, z: in_front(A, p, x, z) * len(p["a"]), "1 / sqrt(m)"),
        (lambda A, p, x, z: slopes(A, p, x) @ slopes(A, p, z).T, "put beside them"),
        (
            lambda A, p, x, z: (x @ z.T) * (units(A, p, x) * (p["w"] ** 2).sum(1) @ units(A, p, z).T),
            "different units",
        ),
        (lambda A, p, x, z: (x @ A.T @ A @ z.T) * (units(A, p, x) @ units(A, p, z).T), "they are frozen"),
        (lambda A, p, x, z: in_front(A, p, x, z).T, "shape"),
        (lambda A, p, x, z: in_front(A, p, x, z) + 1, "off by"),
    ],
)
def test_wrong_kernels_of_the_layer_in_front(wrong, words):
    assert words in says("01.2", wrong, 4)


def test_wrong_numbers_of_directions():
    assert "up to rounding" in says("01.2", in_front, 16)
    assert "rank" in says("01.2", in_front, 2)
    assert "one number" in says("01.2", in_front, [4, 4])


def per_unit(theta, x):
    u = x @ theta["w"].T
    return [
        np.outer(np.maximum(one, 0), np.maximum(one, 0)) + a**2 * (x @ x.T) * np.outer(one > 0, one > 0)
        for one, a in zip(u.T, theta["a"], strict=True)
    ]


def by_halves(error, theta, x):
    """From the differences between the kernels of pieces of the network: the same scatter, seen in another way."""
    pieces = np.array(per_unit(theta, x)).reshape(100, -1, len(x), len(x)).mean(1)
    return pieces.var(0, ddof=1).sum() * len(theta["a"]) / 100 / (error * np.linalg.norm(pieces.mean(0))) ** 2


def test_width_by_the_scatter_of_pieces():
    assert check("01.3", by_halves)


def spread(theta, x):
    found = np.array(per_unit(theta, x))
    return found.var(0).sum() ** 0.5, np.linalg.norm(found.mean(0)), len(found)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda s, size, m, e: s / (e * size), "1 / sqrt(m)"),
        (lambda s, size, m, e: (s / e) ** 2, "relative"),
        (lambda s, size, m, e: (s / (e * size)) ** 2 / m, "SINGLE"),
        (lambda s, size, m, e: (s / (e * size)) ** 2 * m, "not their sum"),
        (lambda s, size, m, e: (s / size) ** 2, "with one unit"),
        (lambda s, size, m, e: 3 * (s / (e * size)) ** 2, "scatter around their mean"),
        (lambda s, size, m, e: np.ones(3), "one number"),
    ],
)
def test_wrong_widths(wrong, words):
    assert words in says("01.3", lambda error, theta, x: wrong(*spread(theta, x), error))
