"""Where the lazy regime ends: real training beside the training of the linearised model.

The linearised model is f_lin(theta, x) = f(theta_0, x) + J(x) (theta - theta_0). Its training is known in advance, from the
kernel at the start alone (`mrntk.prediction.closed_form`). As long as real training does the same, and the kernel stays where
it was, the spectrum at the start says what training will do. Source: Chizat, Oyallon & Bach 2019 (lazy training); Lee et al.
2019.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float

from ..model.output_maps import IdentityOutput, LinearOutput
from ..model.reprogram import Reprogram, predict, predict_float64
from ..ntk.empirical import empirical_ntk
from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.precision import double, in_float64
from ..training import gradient_descent
from .closed_form import Prediction, checked_step, mse


def linearise(model: Reprogram) -> Callable:
    """f_lin(theta, x) = f(theta_0, x) + J(x) (theta - theta_0), with theta_0 = model.theta(), for a batch x: (N, c).

    `theta` is a pytree such as `model.theta()`. The function is pure JAX: it can be jitted and differentiated.
    """
    theta_0 = model.theta()

    def f_lin(theta, x: Float[Array, "N *dT"]) -> Float[Array, "N c"]:
        change = jax.tree.map(jnp.subtract, theta, theta_0)
        values, slopes = jax.jvp(lambda theta: jax.vmap(model.with_theta(theta))(x), (theta_0,), (change,))
        return values + slopes

    return f_lin


def _ratio(a: float, b: float) -> float:
    """a / b; 0 where nothing moved, infinite where it moved away from zero."""
    if a == 0:
        return 0.0
    return float(a / b) if b > 0 else np.inf


def _norm(tree) -> float:
    """Euclidean norm of all arrays of a pytree together (of a matrix: the Frobenius norm)."""
    return float(np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(tree))))


def linearisation_error(real: Float[Array, "N c"], linear: Float[Array, "N c"], start: Float[Array, "N c"]) -> float:
    """||f(theta_t) - f_lin,t||_F / ||f(theta_t) - f(theta_0)||_F; 0 where they differ by no more than rounding."""
    error = _norm(real - linear)
    return 0.0 if error <= 1e-12 * _norm(start) else _ratio(error, _norm(real - start))


def kernel_change(kernel: Float[Array, "..."], start: Float[Array, "..."]) -> tuple[float, float]:
    """(drift, alignment): ||Theta_t - Theta_0||_F / ||Theta_0||_F and <Theta_t, Theta_0> / (||Theta_t|| ||Theta_0||).

    Drift sees a kernel that only grows; alignment does not. Two zero kernels are aligned.
    """
    size, size_0 = _norm(kernel), _norm(start)
    alignment = float(np.sum(kernel * start) / (size * size_0)) if size > 0 and size_0 > 0 else float(size == size_0)
    return _ratio(_norm(kernel - start), size_0), alignment


def _checkpoints(steps: int, every: int) -> list[int]:
    if every < 1 or steps < 1:
        raise MrntkError(f"steps={steps} and every={every}: both must be at least 1.")
    return [*range(0, steps, every), steps]


@in_float64
def lazy_report(
    model: Reprogram,
    x: Float[Array, "N *dT"],
    y: Float[Array, "N c"],
    *,
    step: float,
    steps: int,
    every: int,
    x_test: Float[Array, "M *dT"] | None = None,
) -> pd.DataFrame:
    """Train `model.theta()` by full-batch gradient descent on the squared loss, in float64, and compare as it goes.

    Parameters
    ----------
    model : at theta_0.
    x, y : training inputs and targets.
    step : the step size eta.
    steps : how many.
    every : record every so many steps, and the first and the last.
    x_test : other inputs, on which the linearisation error is measured too.

    Returns
    -------
    pandas.DataFrame
        One row per recorded step, with columns

        - step: number of steps taken;
        - loss, predicted_loss: L of real training, and of the linearised model (from the kernel at the start);
        - linearisation_error: ||f(theta_t) - f_lin,t||_F / ||f(theta_t) - f(theta_0)||_F on x, where f_lin,t are the outputs
          of the linearised model after the same number of steps of its own training; 0 at the start;
        - test_linearisation_error: the same on x_test, if given;
        - kernel_drift, kernel_alignment: see `kernel_change`, for the kernel on x at the current parameters;
        - parameter_distance, relative_parameter_distance: ||theta_t - theta_0||, and that over ||theta_0||, which is infinite
          for a visual prompt, since it starts at delta = 0.

    Raises
    ------
    MrntkError
        If step, steps or every is not positive, or if the inputs hold NaN or infinite values.

    Examples
    --------
    A linear source stays lazy for ever; f = 2 delta from 0 to 1, so a step of 1/8 takes half of the residual.

    >>> import numpy as np
    >>> from mrntk import Reprogram, Watermark, lazy_report
    >>> model = Reprogram(Watermark((1,)), lambda s: 2 * s)
    >>> report = lazy_report(model, np.zeros((1, 1)), np.ones((1, 1)), step=1 / 8, steps=4, every=2)
    >>> report[["step", "loss", "predicted_loss", "linearisation_error", "kernel_drift"]].round(6).values.tolist()
    [[0.0, 0.5, 0.5, 0.0, 0.0], [2.0, 0.03125, 0.03125, 0.0, 0.0], [4.0, 0.001953, 0.001953, 0.0, 0.0]]
    """
    places, step = _checkpoints(steps, every), checked_step(step)
    kernel_0, theta_0 = empirical_ntk(model, x), model.theta()
    inputs = {"": x} if x_test is None else {"": x, "test_": x_test}
    start = {name: double(predict(model, data)) for name, data in inputs.items()}
    test = {} if x_test is None else {"test_kernel": empirical_ntk(model, x_test, x), "test_residual": start["test_"]}
    prediction = Prediction(kernel_0, start[""] - y, step, **test)

    rows = []
    for before, now in zip([0, *places], places, strict=False):
        if now > before:
            model, _ = gradient_descent(model, x, y, step=step, steps=now - before)
        real = {name: double(predict(model, data)) for name, data in inputs.items()}
        linear = {"": prediction.residual([now])[0] + y}
        if x_test is not None:
            linear["test_"] = prediction.test_residual([now])[0]
        drift, alignment = kernel_change(empirical_ntk(model, x), kernel_0)
        distance = _norm(jax.tree.map(np.subtract, double(model.theta()), theta_0))
        rows.append(
            {"step": now, "loss": mse(real[""] - y), "predicted_loss": prediction.loss([now])[0]}
            | {
                f"{name}linearisation_error": linearisation_error(real[name], linear[name], start[name])
                for name in real
            }
            | {"kernel_drift": drift, "kernel_alignment": alignment}
            | {"parameter_distance": distance, "relative_parameter_distance": _ratio(distance, _norm(theta_0))}
        )
    return pd.DataFrame(rows)


def end_of_lazy(report: pd.DataFrame, tolerance: float = 0.1) -> int | None:
    """The first recorded step at which the linearisation error exceeds `tolerance`; None if it never does."""
    beyond = report["step"][~(report["linearisation_error"] <= tolerance)]  # NaN, from diverged training, is beyond too
    return int(beyond.iloc[0]) if len(beyond) else None


def amplified(
    model: Reprogram,
    x: Float[Array, "N *dT"],
    y: Float[Array, "N c"],
    alpha: float,
    *,
    outputs: Float[np.ndarray, "N c"] | None = None,
) -> tuple[Reprogram, Float[np.ndarray, "N c"]]:
    """(model, targets) that train f_0 + alpha (f - f_0) on y, where f_0 is the model as it is now.

    The model's output becomes alpha f, by a fixed linear output map, and its targets y + (alpha - 1) f_0, so that the residual
    at the start is that of before, and the kernel alpha^2 times that of before. With a step of eta / alpha^2 the prediction does
    not change with alpha. Source: Chizat, Oyallon & Bach 2019, who centre f - f_0 and then scale it.

    Parameters
    ----------
    model : at its start, without an output map of its own.
    x : inputs.
    y : targets.
    alpha : the factor.
    outputs : f_0(x), where it is known.

    Raises
    ------
    MrntkError
        If alpha is not positive, or the model has an output map of its own.
    """
    if not 0 < alpha < np.inf:
        raise MrntkError(f"alpha={alpha}: give a positive number.")
    if not isinstance(model.output_map, IdentityOutput):
        raise MrntkError("model has an output map already: give one whose output map is the identity.")
    start = predict_float64(model, x) if outputs is None else outputs
    scaled = Reprogram(model.input_map, model.source, LinearOutput(alpha * np.eye(start.shape[1])))
    return scaled, np.asarray(y, np.float64) + (alpha - 1) * start
