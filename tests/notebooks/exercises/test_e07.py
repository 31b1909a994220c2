"""The checkers of notebook 07 accept what is right in another form, and refuse typical mistakes with words that help."""

import jax
import jax.numpy as jnp
import numpy as np

from notebooks.exercises import check, checkers

toy_error, both_trained = checkers("07").toy_error, checkers("07").both_trained


def refused(number, *answers, words):
    result = check(number, *answers)
    assert not result and words in result.words, result.words


def lazy(error):
    def lazy_error(f, theta0, y, eta, steps):
        return error(f, theta0, *both_trained(f, theta0, y, eta, steps))

    return lazy_error


def by_hand(f, theta0, y, eta, steps, *, anew=False, scale=1.0):
    """With a gradient of the loss, and the linearised model by its residual alone."""

    def loss(theta):
        return scale * jnp.sum((f(theta) - y) ** 2) / (2 * len(y))

    theta, residual, j = theta0, f(theta0) - y, jax.jacfwd(f)(theta0)
    for _ in range(steps):
        if anew:
            j = jax.jacfwd(f)(theta)
            residual = f(theta) - y
        theta = theta - eta * jax.grad(loss)(theta)
        residual = residual - scale * eta / len(y) * j @ j.T @ residual
    if anew:
        residual = f(theta) - y
    return np.sqrt(np.sum((f(theta) - y - residual) ** 2) / np.sum((f(theta) - f(theta0)) ** 2))


def test_lazy_error():
    norm = jnp.linalg.norm
    assert check("07.1", by_hand)
    assert check("07.1", lazy(lambda f, t0, t, lin, f_lin: norm(f(t) - f_lin(lin)) / norm(f(t) - f(t0))))
    mistakes = {
        "a training of its own": lambda f, t0, t, lin, f_lin: norm(f(t) - f_lin(t)) / norm(f(t) - f(t0)),
        "asked the real f": lambda f, t0, t, lin, f_lin: norm(f(t) - f(lin)) / norm(f(t) - f(t0)),
        "have MOVED": lambda f, t0, t, lin, f_lin: norm(f(t) - f_lin(lin)) / norm(f(t)),
        "not of the linearised": lambda f, t0, t, lin, f_lin: norm(f(t) - f_lin(lin)) / norm(f_lin(lin) - f(t0)),
        "root": lambda f, t0, t, lin, f_lin: (norm(f(t) - f_lin(lin)) / norm(f(t) - f(t0))) ** 2,
        "is right": lambda f, t0, t, lin, f_lin: 3 * norm(f(t) - f_lin(lin)) / norm(f(t) - f(t0)),
        "one number": lambda f, t0, t, lin, f_lin: f(t) - f_lin(lin),
        "so the error is 0": lambda f, t0, t, lin, f_lin: norm(f(t)),
    }
    for words, error in mistakes.items():
        refused("07.1", lazy(error), words=words)


def test_lazy_error_of_another_training():
    refused("07.1", lambda *case: by_hand(*case, anew=True), words="anew at every step")
    refused("07.1", lambda *case: by_hand(*case, scale=4), words="divide by N")
    refused("07.1", lambda *case: by_hand(*case, scale=2), words="doubled")

    def over_the_whole_way(f, theta0, y, eta, steps):
        theta, linear, f_lin = both_trained(f, theta0, y, eta, steps)
        return jnp.linalg.norm(f(theta) - f_lin(linear)) / jnp.linalg.norm(f(theta0) - y)

    def along_the_real_residual(f, theta0, y, eta, steps):
        theta, moved, j = theta0, 0 * theta0, jax.jacfwd(f)(theta0)
        for _ in range(steps):
            moved = moved - eta / len(y) * j.T @ (f(theta) - y)
            theta = theta - eta / len(y) * jax.jacfwd(f)(theta).T @ (f(theta) - y)
        return jnp.linalg.norm(f(theta) - f(theta0) - j @ moved) / jnp.linalg.norm(f(theta) - f(theta0))

    refused("07.1", over_the_whole_way, words="they had to go")
    refused("07.1", along_the_real_residual, words="of the REAL one")


def first(decay, share=0.1):
    def steps_to_tenth(values, modes, eta, n):
        t = 0
        while (decay(t, values, eta, n) * modes**2).sum() > share * (modes**2).sum():
            t += 1
        return t

    return steps_to_tenth


def test_steps_to_tenth():
    right = first(lambda t, values, eta, n: (1 - eta * values / n) ** (2 * t))
    assert check("07.2", right)
    refused("07.2", first(lambda t, v, eta, n: np.abs(1 - eta * v / n) ** t), words="squared")
    refused("07.2", first(lambda t, v, eta, n: np.exp(-2 * t * eta * v / n)), words="gradient flow")
    refused("07.2", lambda *case: right(*case) + 1, words="FIRST")
    refused("07.2", lambda *case: 1000, words="is right")
    refused("07.2", 12, words="should be a function")


def test_steps_to_tenth_without_n():
    def without_n(values, modes, eta, n):
        for t in range(100_000):
            if ((1 - eta * values) ** (2 * t) * modes**2).sum() <= 0.1 * (modes**2).sum():
                return t
        return -1

    refused("07.2", without_n, words="mean over N")


def test_toy_error_falls_like_one_over_alpha():
    for bend in (1.0, 4.0):
        np.testing.assert_allclose(toy_error(100.0, bend) * 100, toy_error(400.0, bend) * 400, rtol=0.05)


def test_alpha_for():
    def by_the_law(error_of, tolerance):
        alpha = 30.0
        for _ in range(3):
            alpha *= error_of(alpha) / (0.75 * tolerance)
        return alpha

    def by_the_square(error_of, tolerance):
        return 10 * (error_of(10) / tolerance) ** 0.5

    def search(error_of, tolerance):
        alpha = 1.0
        while error_of(alpha) > tolerance:
            alpha *= 1.2
        return alpha

    assert check("07.3", by_the_law)
    refused("07.3", by_the_square, words="above the")
    refused("07.3", search, words="more than 3 times")
    refused("07.3", lambda *_: 1e4, words="far more than needed")
    refused("07.3", lambda *_: -1, words="positive")
