"""What the NTK predicts of training.

The loss convention of the whole project stands here: with targets y_i and residuals r_i = f(x_i) - y_i,

    L = 1/(2N) sum_i ||r_i||^2,      one step of size eta: theta <- theta - eta grad L.

While the model stays close to its linearisation, the residual, as one vector of length N c, evolves by the kernel alone:

    r(t) = (I - eta Theta / N)^t r(0)        after t steps of gradient descent,

so along an eigenvector of eigenvalue lambda it shrinks by the factor (1 - eta lambda / N) a step. It shrinks for every
eigenvector as long as eta < 2 N / lambda_max: the stability limit.
"""

import numpy as np
from jaxtyping import Float, Int

from .spectrum import Spectrum


def stability_limit(spectrum: Spectrum, num_examples: int) -> float:
    """The step size 2 N / lambda_max above which gradient descent on the linearised model diverges."""
    return 2 * num_examples / spectrum.max


def mse(residual: Float[np.ndarray, "N c"]) -> float:
    """L = 1/(2N) sum ||r_i||^2."""
    return float((residual**2).sum() / (2 * len(residual)))


def predicted_loss(
    spectrum: Spectrum, residual: Float[np.ndarray, "N c"], step: float, times: Int[np.ndarray, " T"] | list[int]
) -> Float[np.ndarray, " T"]:
    """Training loss after every number of gradient-descent steps in `times`, from the kernel at the start alone.

    Parameters
    ----------
    spectrum : of Theta_T on the training inputs, with eigenvectors.
    residual : f_T(x_i) - y_i before training.
    step : the step size eta. times : numbers of steps, from 0.

    Returns
    -------
    L(t) for every t. Source: the paper's Theorem 1 (number inferred), discrete in time.
    """
    n = len(residual)
    modes = (spectrum.vectors.T @ residual.ravel()) ** 2  # energy of the residual along every eigenvector
    decay = 1 - step * spectrum.values / n
    return np.array([(decay ** (2 * t) * modes).sum() / (2 * n) for t in times])
