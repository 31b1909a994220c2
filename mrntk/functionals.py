"""Functionals of the spectrum of Theta_T that may decide whether reprogramming works: one number each, from the start of
training.

The paper's is lambda_min. Beside it: the other end and the mean of the spectrum, its condition, how many eigenvalues carry
it, and two that look at the labels as well. Their step size is what lambda_max allows, so that a factor of the kernel does
not matter to them.
"""

import numpy as np
from jaxtyping import Float

from .arrays import Array
from .dynamics import Prediction, stability_limit
from .spectrum import alignment, spectrum

STEPS, FRACTION = 100, 0.5  # of the predicted loss: gradient descent at half the largest stable step

# name: in formulas
FUNCTIONALS = {
    "lambda_min": r"$\lambda_{\min}$",
    "lambda_max": r"$\lambda_{\max}$",
    "lambda_mean": r"mean $\lambda$",
    "condition": r"$\lambda_{\min}/\lambda_{\max}$",
    "effective_rank": "effective rank",
    "alignment": "alignment",
    "predicted_loss": "predicted loss",
}


def functionals(
    kernel: Float[np.ndarray, "N c N c"], residual: Float[Array, "N c"], y: Float[Array, "N c"]
) -> dict[str, float]:
    """Every functional of `FUNCTIONALS`, and `rank`.

    Parameters
    ----------
    kernel : Theta_T on the training inputs, float64. residual : f(x_i) - y_i before training. y : targets.

    `lambda_min` and `condition` are exactly 0 where the kernel is singular in double precision. `alignment` is that of the
    labels without their mean over classes, since a model learns no more from the constant. `predicted_loss` is the squared
    loss that the linearised model has left after `STEPS` steps at `FRACTION` of the largest stable step. For the zero kernel
    of a model that trains nothing, the alignment is 0 and the predicted loss that of the start.
    """
    found = spectrum(kernel, vectors=True)
    smallest = found.min if found.min > found.tolerance else 0.0
    out = {"lambda_min": smallest, "lambda_max": found.max, "lambda_mean": found.mean}
    if found.max <= 0:
        start = float((np.asarray(residual, float) ** 2).sum() / (2 * len(residual)))
        return out | {"condition": 0.0, "effective_rank": 0.0, "alignment": 0.0, "predicted_loss": start, "rank": 0}
    labels = np.asarray(y, float) - np.mean(y, axis=1, keepdims=True)
    prediction = Prediction(found, residual, FRACTION * stability_limit(found, len(residual)))
    return out | {
        "condition": smallest / found.max,
        "effective_rank": found.effective_rank,
        "alignment": max(0.0, alignment(kernel, labels)),  # below 0 by rounding only
        "predicted_loss": float(prediction.loss([STEPS])[0]),
        "rank": found.rank,
    }
