"""The output of a model made larger, so that it trains lazily, or smaller, without a change of what is predicted."""

import numpy as np
from jaxtyping import Float

from ..model.output_maps import IdentityOutput, LinearOutput
from ..model.reprogram import Reprogram, predict_float64
from ..support.arrays import Array
from ..support.errors import MrntkError


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
