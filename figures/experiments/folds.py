"""A form of the score that was tried: the linearised model, trained for some steps on all folds of examples but one.

The examples are dealt into folds; the linearised model is trained on all folds but one by gradient descent in function space,

    f <- f - (eta / N) Theta_T[:, other folds] (p - y)[other folds],        p = softmax f, or f for the squared loss,

and looked at in the fold that was left out. One kernel serves all folds, and nothing is differentiated again.
"""

import numpy as np
import scipy.special
from jaxtyping import Float

from mrntk.choosing.scores import FRACTION
from mrntk.prediction.before_training import BeforeTraining
from mrntk.prediction.closed_form import checked_loss

FOLDS = 5
STEPS = 1000  # of the linearised model


def held_out_outputs(
    before: BeforeTraining, *, loss: str = "ce", steps: int = STEPS, folds: int = FOLDS
) -> Float[np.ndarray, "N c"]:
    """The linearised model's outputs at every example, trained on the other folds.

    Gradient descent at half the largest stable step. Every class is dealt evenly among the folds.

    Parameters
    ----------
    before : the model on its examples.
    loss : "ce" or "mse".
    steps : of gradient descent.
    folds : how many parts the examples are dealt into; as many as there are examples leaves one out at a time.
    """
    n, c = before.y.shape
    outputs = np.repeat(before.outputs[:, :, None], folds, axis=2)  # (N, c, folds): each fold's own model
    limit = before.stability_limit(checked_loss(loss))
    if not np.isfinite(limit):
        return before.outputs  # nothing is trained
    fold = np.empty(n, int)
    fold[np.argsort(before.y.argmax(1), kind="stable")] = np.arange(n) % folds
    seen = (fold[:, None] != np.arange(folds))[:, None]  # (N, 1, folds)
    kernel = before.kernel.reshape(n * c, n * c) * (FRACTION * limit / n)
    for _ in range(steps):
        guess = scipy.special.softmax(outputs, axis=1) if loss == "ce" else outputs
        error = ((guess - before.y[:, :, None]) * seen).reshape(n * c, folds)
        outputs = outputs - (kernel @ error).reshape(n, c, folds)
    return outputs[np.arange(n), :, fold]
