r"""The score of a candidate: the share of new examples that it will classify, predicted before its training.

What one wants to know is the accuracy on examples that training has not seen, after the training that one can afford. The
linearised model answers that from the kernel alone (`mrntk.prediction.closed_form`): trained on some of the examples it gives
outputs at all others. So the examples are dealt into folds; the linearised model is trained on all folds but one, by gradient
descent in function space,

    f <- f - (eta / N) Theta_T[:, other folds] (p - y)[other folds],        p = softmax f, or f for the squared loss,

and looked at in the fold that was left out. One kernel serves all folds, and nothing is differentiated again.

The kernel at the very start is that of a random input map, and real training leaves it within some steps. Therefore a short
probe comes first: one twentieth of the steps of the real optimiser. It moves the model to where the kernel is that the rest of
the training begins with.
"""

from typing import NamedTuple

import numpy as np
import scipy.special
from jaxtyping import Float, PRNGKeyArray

from ..model.reprogram import Reprogram, predict
from ..prediction.before_training import BeforeTraining, before_training
from ..prediction.closed_form import checked_loss
from ..training import LOSSES, fit
from ..training.recipes import reprogramming_optimiser

FOLDS = 5
PROBE = 1 / 20  # of the steps of training
FRACTION = 0.5  # of the largest stable step
STEPS = 1000  # of the linearised model


class Forecast(NamedTuple):
    """What is predicted of one candidate on one draw of examples, and what drives it."""

    right: list[bool]  # of every example: is it classified when it is left out?
    start_loss: float  # over that of a constant predictor
    probe_loss: float  # the same after the probe
    rank: int  # of the kernel
    outputs: int  # N c, the most that the rank can be
    trained: int  # entries of theta
    alignment: float  # of the kernel with the labels
    step: float  # half the largest stable step size of gradient descent

    @property
    def score(self) -> float:
        """The predicted share of new examples that are classified."""
        return float(np.mean(self.right))


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


def probed(model: Reprogram, x, y, *, key: PRNGKeyArray, loss: str = "ce", steps: int = 500) -> Reprogram:
    """The model after `PROBE` of the steps of its training."""
    epochs = max(1, round(PROBE * steps))
    return fit(model, x, y, key=key, optimiser=reprogramming_optimiser(), epochs=epochs, loss=loss).model


def forecast(
    model: Reprogram,
    x: Float[np.ndarray, "N *dT"],
    y: Float[np.ndarray, "N c"],
    *,
    key: PRNGKeyArray,
    loss: str = "ce",
    steps: int = 500,
) -> Forecast:
    """The predicted accuracy of a reprogrammed source on new examples, from N labelled ones.

    Parameters
    ----------
    model : before training.
    x, y : the examples and their one-hot rows.
    key : of the probe.
    loss : with which it will be trained.
    steps : the training that one can afford, all examples at each step.
    """
    constant = _loss(loss, np.tile(y.mean(0), (len(y), 1)) if loss == "mse" else np.log(y.mean(0) + 1e-12) + 0 * y, y)
    before = before_training(probed(model, x, y, key=key, loss=loss, steps=steps), x, y)
    right = (held_out_outputs(before, loss=loss).argmax(1) == y.argmax(1)).tolist()
    return Forecast(
        right, _loss(loss, predict(model, x), y) / constant, _loss(loss, before.outputs, y) / constant, before.spectrum.rank,
        y.size, before.capacity.trained, before.alignment, FRACTION * before.stability_limit(loss),
    )  # fmt: skip


def _loss(name: str, outputs, y) -> float:
    return float(LOSSES[name](lambda out: out, outputs, y))
