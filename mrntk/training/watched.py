"""Full-batch gradient descent one step after the other, to be watched and stopped, and that of the linearised model beside it."""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.special
from jaxtyping import Float

from ..model.input_maps import InputMap
from ..model.reprogram import Reprogram
from ..ntk import plain
from ..ntk.passes import passes, quietly


def output_error(outputs: Float[np.ndarray, "N c"], y: Float[np.ndarray, "N c"], loss: str) -> Float[np.ndarray, "N c"]:
    """N dL/df: f - y for the squared loss, "mse"; softmax f - y for cross-entropy, "ce"."""
    return (scipy.special.softmax(outputs, axis=-1) if loss == "ce" else outputs) - y


def _moved(a: InputMap, slope: dict, step: float) -> InputMap:
    """The input map one step further down."""
    return plain.with_arrays(a, lambda name, array: array - step * slope[name] if name in slope else array)


def descend(
    model: Reprogram,
    x: Float[np.ndarray, "N *dT"],
    y: Float[np.ndarray, "N c"],
    *,
    step: float,
    steps: int,
    loss: str = "mse",
    say: Callable = quietly,
) -> Iterator[tuple[Reprogram, Float[np.ndarray, "N c"]]]:
    """(model, its outputs) before step 0, 1, ..., `steps` of gradient descent on theta_A, in float64.

    Where training diverges the numbers overflow, without a warning.

    Parameters
    ----------
    model : at its start, as for `mrntk.ntk.passes.outputs_and_rows`.
    x, y : inputs and targets.
    step : the step size eta.
    steps : how many.
    loss : "mse" or "ce".
    say : is told the share of all the work that is done, between blocks of examples; may raise to stop in the midst of a step.
    """
    b = plain.output_matrix(model.output_map, model.source.num_outputs)
    for done in range(steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            z = plain.apply_input_map(model.input_map, x)
            outputs, s = np.zeros(y.shape), np.zeros_like(z)
            for one in passes(model.source, z, lambda share, done=done: say((done + share) / (steps + 1))):
                outputs[one.place] = one.scores @ b.T
                error = output_error(outputs[one.place], y[one.place], loss) @ b / len(y)
                s[one.place] = one.pull(error[:, None])[:, 0]
        yield model, outputs
        with np.errstate(over="ignore", invalid="ignore"):
            a = _moved(model.input_map, plain.gradient(model.input_map, x, s), step)
        model = Reprogram(a, model.source, model.output_map)


def descend_linearised(
    kernel: Float[np.ndarray, "N c N c"],
    outputs: Float[np.ndarray, "N c"],
    y: Float[np.ndarray, "N c"],
    *,
    step: float,
    steps: int,
    loss: str,
) -> Float[np.ndarray, "T N c"]:
    """The outputs of the linearised model before step 0, 1, ..., `steps`: f <- f - (eta / N) Theta N dL/df.

    `mrntk.prediction.function_space.integrate_outputs` does the same for any times, by a program that is compiled first.
    """
    theta, found = kernel.reshape(outputs.size, -1), [outputs]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            f = found[-1]
            found.append(f - step / len(y) * (theta @ output_error(f, y, loss).ravel()).reshape(y.shape))
    return np.stack(found)
