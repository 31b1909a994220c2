r"""The risk on examples that training has not seen, predicted from the training examples alone.

Every example is left out once, the linearised model is fitted to the others, and the residual at the one left out is taken.
For the ridge regression

    min over delta of  sum_i ||r_i(0) + J_i delta||^2 + rho ||delta||^2

no fit has to be done again. With G = (Theta + rho I)^-1, G_ii its (c, c) block of example i and (G r)_i the i-th block of G r,

    residual at example i, fitted without it  =  G_ii^-1 (G r(0))_i,

by the inverse of a partitioned matrix; for c = 1 it is the classical r_i / (1 - H_ii) (Rasmussen and Williams 2006, eq. 5.12).
Gradient descent for t steps of size eta does what a ridge rho = N / (eta t) does: along an eigenvector of eigenvalue lambda
the one leaves (1 - eta lambda / N)^t, the other rho / (lambda + rho) of the residual. The two agree where either is near 0 or 1.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..model.accuracy import accuracy
from ..spectrum import Spectrum
from ..support.errors import MrntkError
from .before_training import BeforeTraining

PER_DECADE = 4  # numbers of steps that are tried


def left_out_residuals(
    found: Spectrum, residual: Float[np.ndarray, "N c"], ridge: float | int
) -> Float[np.ndarray, "N c"]:
    """The residual at every example after a ridge regression on all others.

    Parameters
    ----------
    found : spectrum of Theta_T on the examples, with eigenvectors.
    residual : r(0) = f_T(x) - y.
    ridge : rho, in the unit of the eigenvalues.

    Raises
    ------
    MrntkError
        If the ridge is not positive.
    """
    if not ridge > 0:
        raise MrntkError(f"ridge={ridge}: give a positive number.")
    weights = 1 / (np.maximum(found.values, 0) + ridge)  # eigenvalues below 0 are rounding
    fitted = (found.vectors * weights) @ (found.vectors.T @ residual.ravel())
    rows = found.vectors.reshape(*residual.shape, -1)  # (N, c, N c)
    blocks = np.einsum("nck,ndk->ncd", rows * weights, rows)
    return np.linalg.solve(blocks, fitted.reshape(*residual.shape, 1))[..., 0]


class LeftOut(NamedTuple):
    """What the kernel predicts for examples that it has not seen, after the best number of steps within the horizon."""

    loss: float  # mean of ||r_i||^2 / 2 over examples that were left out
    accuracy: float
    steps: float  # where the loss is lowest


def leave_one_out(before: BeforeTraining, *, step: float, most: float | int) -> LeftOut:
    """Predicted loss and accuracy on examples that were left out, if training stops at the best of up to `most` steps.

    Parameters
    ----------
    before : the model on its training examples; two or more of them.
    step : eta.
    most : the horizon: the steps that one can afford.

    Raises
    ------
    MrntkError
        If there is one example only, or step or most is not positive.

    Examples
    --------
    Three equal inputs a class: each is found again from the other two.

    >>> import jax
    >>> import numpy as np
    >>> from mrntk import FullyConnected, Reprogram, before_training
    >>> from mrntk.prediction.leave_one_out import leave_one_out
    >>> x = np.repeat(np.eye(2), 3, axis=0)
    >>> model = Reprogram(FullyConnected((2,), (2,), key=jax.random.key(0)), lambda s: s)
    >>> leave_one_out(before_training(model, x, y=x), step=1.0, most=100).accuracy
    1.0
    """
    if len(before.x) < 2:
        raise MrntkError("there is one example: leaving one out needs two or more.")
    if not step > 0 or not most > 0:
        raise MrntkError(f"step={step}, most={most}: give positive numbers.")
    tried = []
    for steps in [*10 ** np.arange(0, np.log10(most), 1 / PER_DECADE), most]:
        left = left_out_residuals(before.spectrum, before.residual, len(before.x) / (step * steps))
        loss = float((left**2).sum() / (2 * len(left)))
        tried.append(LeftOut(loss, float(accuracy(before.y + left, before.y)), float(steps)))
    return min(tried, key=lambda one: one.loss)
