"""Checkers of notebook 07, does the theory predict."""

import jax
import jax.numpy as jnp
import numpy as np

from notebooks.exercises import NotYet, call, exercise, expect


def toy_models() -> list[tuple]:
    """(f, theta0, y) of exercise 07.1: one model that is linear in theta, and two that are curved."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    theta, y = jnp.array(rng.normal(size=3)), jnp.array(rng.normal(size=4))
    linear, curved, wavy = lambda t: a @ t + 1.0, lambda t: a @ t + 0.4 * (b @ t) ** 2, lambda t: jnp.tanh(a @ t)
    return [(linear, theta, y), (curved, 0.3 * theta, y), (wavy, theta, 0.3 * y)]


def both_trained(f, theta, y, eta, steps):
    """(theta of real gradient descent, theta of that of the linearised model, f_lin), all from the start theta."""
    slope = jax.jit(jax.jacobian(f))
    start, jacobian = theta, slope(theta)
    real = linear = theta

    def f_lin(theta):
        return f(start) + jacobian @ (theta - start)

    for _ in range(steps):
        real = real - eta / len(y) * slope(real).T @ (f(real) - y)
        linear = linear - eta / len(y) * jacobian.T @ (f_lin(linear) - y)
    return real, linear, f_lin


def share(a, b, whole) -> float:
    """||a - b|| / ||whole||."""
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(whole))


@exercise("07.1")
def lazy_error(answer):
    for number, (f, theta, y) in enumerate(toy_models()):
        eta, steps = 0.05, 12
        found = np.asarray(call(answer, f, theta, y, eta, steps, name="lazy_error"), float)
        expect(found.shape == (), f"`lazy_error` should return one number; yours has the shape {found.shape}.")
        real, linear, f_lin = both_trained(f, theta, y, eta, steps)
        way = f(real) - f(theta)
        right = share(f(real), f_lin(linear), way)
        if number == 0:
            expect(
                found < 1e-3,
                f"For a model that is linear in theta the two trainings are the same, so the error is 0; yours is "
                f"{found:.2g}. Does the linearised model take the same steps, and from the same start?",
            )
            continue
        if np.isclose(found, right, rtol=1e-3):
            continue

        def like(value, found=found):
            return np.isclose(found, value, rtol=1e-3)

        expect(
            found > 1e-3,
            "For a curved model yours finds no error. J belongs to the linearised model for the whole training: is it "
            "still that of `theta0`, or taken anew at every step?",
        )
        expect(
            not like(share(f(real), f_lin(real), way)),
            "You put the linearised model at the parameters of the REAL training. It has a training of its own.",
        )
        expect(
            not like(share(f(real), f(linear), way)),
            "You trained the linearised model, and then asked the real f for its outputs. Take f(theta0) + J (theta - theta0).",
        )
        expect(
            not like(share(f(real), f_lin(linear), f(real))), "Divide by how far the outputs have MOVED, f - f(theta0)."
        )
        expect(
            not like(share(f(real), f_lin(linear), f_lin(linear) - f(theta))),
            "The way in the denominator is that of the real outputs, not of the linearised ones.",
        )
        expect(not like(right**2), "These are norms, not their squares: is a root missing?")
        expect(
            not like(share(f(real), f_lin(linear), f(theta) - y)),
            "Divide by how far the outputs have moved, not by how far they had to go.",
        )
        at, moved, jacobian = theta, jnp.zeros_like(theta), jax.jacobian(f)(theta)
        for _ in range(steps):
            moved = moved - eta / len(y) * jacobian.T @ (f(at) - y)
            at = at - eta / len(y) * jax.jacobian(f)(at).T @ (f(at) - y)
        expect(
            not like(share(f(real), f(theta) + jacobian @ moved, way)),
            "Your linearised model steps along the residual of the REAL one. It has its own: f(theta0) + J moved - y.",
        )
        for factor, words in (
            (len(y), "a mean over N examples: divide by N"),
            (2, "half of a mean: your step is doubled"),
        ):
            real, linear, f_lin = both_trained(f, theta, y, factor * eta, steps)
            expect(
                not like(share(f(real), f_lin(linear), f(real) - f(theta))),
                f"Your gradient is {factor} times too large. The loss is {words}.",
            )
        raise NotYet(f"For a curved model you find {found:.4g}, and {right:.4g} is right.")
    return f"It is 0 where the model is linear; where it is curved, a moderate step already leaves an error of {right:.0%}."


@exercise("07.2")
def steps_to_tenth(answer):
    rng = np.random.default_rng(1)
    cases = [
        (np.array([2.0]), np.array([1.5]), 0.5, 2),
        (np.array([0.5, 3.0, 40.0]), np.array([0.2, 1.0, 2.0]), 0.3, 8),
        (rng.uniform(0.1, 5, size=12), rng.normal(size=12), 0.6, 4),
    ]
    for values, modes, eta, n in cases:
        found = call(answer, values, modes, eta, n, name="steps_to_tenth")
        x = eta * values / n
        right, unsquared, without_n = (_first(*case, modes) for case in ((x, 2), (x, 1), (eta * values, 2)))
        if found == right:
            continue
        expect(found != unsquared, "The loss is quadratic in the residual: is each mode's factor squared?")
        expect(found != without_n, "The loss is a mean over N examples: is N in the factor of each mode?")
        expect(
            abs(found - right) > 1,
            "That is one step beside it: the FIRST number of steps at which it is reached, when every step of finite size "
            "shrinks a mode by 1 - eta lambda / N. (An exponential would be gradient flow.)",
        )
        raise NotYet(f"For eigenvalues {np.round(values, 2)} your function gives {found}; {right} is right.")
    return "You told the time before anything was trained."


def _first(x, power, modes, share=0.1):
    """The first t at which sum |1 - x|^(power t) modes^2 is at most that share of its start; -1 if not below 1000."""
    with np.errstate(over="ignore"):  # a mode may grow
        weights = np.abs(1 - x) ** (power * np.arange(1000)[:, None]) @ modes**2
    reached = np.flatnonzero(weights <= share * weights[0])
    return int(reached[0]) if len(reached) else -1


CALLS = 3


def toy_error(alpha: float, bend: float, *, eta: float = 0.1, steps: int = 20) -> float:
    """Relative error of the linearised output of f = theta + bend theta^2 / 2, scaled by alpha, trained from 0 towards 1."""
    theta, linear = 0.0, -1.0  # parameter, and residual of the linearised model
    for _ in range(steps):
        value, slope = theta + bend * theta**2 / 2, 1 + bend * theta
        theta -= eta / alpha**2 * alpha * slope * (alpha * value - 1)
        linear *= 1 - eta
    moved = alpha * (theta + bend * theta**2 / 2)
    return abs(moved - 1 - linear) / abs(moved)


@exercise("07.3")
def alpha_for(answer):
    for bend, tolerance in ((1.0, 0.05), (4.0, 0.05), (2.0, 0.01)):
        calls = []

        def error_of(alpha, bend=bend, calls=calls):
            calls.append(alpha)
            expect(len(calls) <= CALLS, f"You trained more than {CALLS} times. Use the law: error ≈ constant / alpha.")
            return toy_error(float(alpha), bend)

        found = float(call(answer, error_of, tolerance, name="alpha_for"))
        expect(found > 0, f"alpha = {found:g} is no scale: it must be positive.")
        error = toy_error(found, bend)
        expect(
            error <= tolerance,
            f"At your alpha = {found:.3g} the error is {error:.2%}, above the {tolerance:.0%} asked for.",
        )
        expect(
            error >= tolerance / 2,
            f"At your alpha = {found:.3g} the error is {error:.2%}: good, but far more than needed for {tolerance:.0%}. "
            "Half of that alpha would do.",
        )
    return f"The error fell like 1/alpha, so {len(calls)} trainings were enough in the last case."
