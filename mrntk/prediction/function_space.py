"""Training of the linearised model in function space, step by step: where `mrntk.prediction.closed_form` has no closed form.

The iteration needs the outputs and the kernel alone, never the parameters; gradient flow is integrated by diffrax, which is
loaded here and nowhere else.
"""

from typing import NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.precision import in_float64
from .closed_form import Times, check_pair, check_targets, checked_loss, checked_matrix, checked_step, checked_times


class Outputs(NamedTuple):
    """Outputs of the linearised model, one entry per time; `test` is None where none were asked for."""

    train: Float[np.ndarray, "T N c"]
    test: Float[np.ndarray, "T M c"] | None


def _descend(velocity, start, times):
    """Iterate f <- f + velocity(f), and keep f at the given numbers of steps, which ascend."""

    def advance(f, gap):
        f = jax.lax.fori_loop(0, gap, lambda _, f: f + velocity(0, f, None), f)
        return f, f

    return jax.lax.scan(advance, start, jnp.diff(times.astype(int), prepend=0))[1]


def _flow(velocity, start, times, solver):
    """Integrate df/dt = velocity(f) adaptively; NaN from where the solver gave up."""
    return diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        solver,
        t0=0.0,
        t1=times[-1],
        dt0=None,
        y0=start,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-11),
        max_steps=1_000_000,
        throw=False,
    ).ys


@in_float64
@eqx.filter_jit
def _integrate(rows, start, y, rate, times, loss, solver):
    def velocity(t, f, args):
        outputs = f[: len(y)]
        error = (jax.nn.softmax(outputs) if loss == "ce" else outputs) - y
        return -rate * (rows @ error.ravel()).reshape(f.shape)

    return _descend(velocity, start, times) if solver is None else _flow(velocity, start, times, solver)


def integrate_outputs(
    kernel: Float[Array, "..."],
    outputs: Float[Array, "N c"],
    y: Float[Array, "N c"],
    step: float,
    times: Times,
    *,
    loss: str = "ce",
    test_kernel: Float[Array, "..."] | None = None,
    test_outputs: Float[Array, "M c"] | None = None,
    flow: bool = False,
    solver: diffrax.AbstractSolver | None = None,
) -> Outputs:
    """Training of the linearised model in function space, step by step: where no closed form exists, so for cross-entropy.

    With p = softmax f (for `loss="mse"`, p = f), the outputs on the training and, if asked for, on the test inputs follow

        f <- f - (eta / N) Theta (p - y),      or, for `flow=True`,      df/dt = -(eta / N) Theta (p - y).

    The first is what full-batch gradient descent does to the linearised model, with everything that a large step brings.

    Parameters
    ----------
    kernel : Theta_T on the training inputs, (N, c, N, c) or (N c, N c), float64. No structure across outputs is assumed.
    outputs : (N, c), f before training.
    y : (N, c), targets; one-hot or probabilities for cross-entropy.
    step : the step size eta.
    times : numbers of steps from 0, fractions only with `flow=True`.
    loss : "ce", cross-entropy, or "mse", the squared loss.
    test_kernel, test_outputs : (M, c, N, c) or (M c, N c) and (M, c), to compute outputs elsewhere as well.
    flow : gradient flow instead of gradient descent; a unit of time is a step of size eta.
    solver : for `flow=True`, default `diffrax.Tsit5()`. For very long times an implicit one, `diffrax.Kvaerno5()`, takes
        fewer steps, each of them of cost ((N + M) c)^3 instead of N c (N + M) c.

    Returns
    -------
    Outputs
        train and test, of shapes (T, N, c) and (T, M, c), float64.

    Raises
    ------
    MrntkError
        For a step that is not positive, negative times, shapes that do not fit, targets that are no probabilities, or if
        the solver does not reach the last time.

    Examples
    --------
    At equal outputs p = 1/2, so with Theta = I one step of size N adds y - 1/2.

    >>> import numpy as np
    >>> from mrntk.prediction.function_space import integrate_outputs
    >>> found = integrate_outputs(np.eye(4), np.zeros((2, 2)), np.eye(2), step=2.0, times=[0, 1])
    >>> found.train.round(6).tolist()
    [[[0.0, 0.0], [0.0, 0.0]], [[0.5, -0.5], [-0.5, 0.5]]]
    """
    check_targets(y, outputs, checked_loss(loss))
    check_pair(test_kernel, test_outputs, "test_outputs")
    rows, start = checked_matrix(kernel, outputs, outputs, "kernel"), np.asarray(outputs)
    if test_kernel is not None:
        rows = np.vstack([rows, checked_matrix(test_kernel, test_outputs, outputs, "test_kernel")])
        start = np.vstack([start, test_outputs])
    distinct, places = np.unique(checked_times(times, flow), return_inverse=True)
    solver = (solver or diffrax.Tsit5()) if flow else None
    rate = np.asarray(checked_step(step) / len(y))
    found = _integrate(rows, start, np.asarray(y), rate, distinct, loss, solver)
    if flow and not np.isfinite(found).all():
        raise MrntkError(f"times={distinct[-1]:g} was not reached: ask for less, or give solver=diffrax.Kvaerno5().")
    train, test = np.split(found[places], [len(y)], axis=1)
    return Outputs(train, None if test_kernel is None else test)
