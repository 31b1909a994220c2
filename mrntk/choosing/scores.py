r"""The score of a candidate: the share of new examples that it will classify, predicted before its training.

What one wants to know is the accuracy on examples that training has not seen, after the training that one can afford. The
linearised model answers that from the kernel alone: fitted to all examples but one it gives outputs at the one left out, and
for a ridge regression that takes no fit at all (`mrntk.prediction.leave_one_out`). The ridge stands for the length of the
training: what has not been learned after t steps at the largest step size,

    rho = lambda_max / t,        t = `HORIZON`,

is what the ridge holds back. Which horizon, and whether folds and gradient descent with the cross-entropy do better than this
closed form, was chosen on one half of the sources and tasks of the figure `choosing`; it is to be judged there on the other.

At the very start outputs and kernel are those of a random input map, and real training leaves both within a few steps. Therefore
a short probe comes first: one twentieth of the steps of the real optimiser. It has seen the examples that are then left out, so
that a forecast after a probe that has learned all labels is nearer to an accuracy on training examples.

What it assumes beyond a kernel that stands still: the squared loss in place of the cross-entropy, plain gradient descent in
place of Adam, one example fewer, and an output mapping that was chosen with all labels.

Where N c is large, the kernel of all outputs is replaced by its mean over the classes, one (N, N) matrix for all of them. That
is exact where the outputs have equal kernels and none between them, and an approximation elsewhere.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ..model.reprogram import Reprogram, predict, predict_float64
from ..ntk.empirical import empirical_ntk
from ..prediction.before_training import BeforeTraining, before_training
from ..prediction.leave_one_out import left_out_residuals
from ..training import LOSSES, fit
from ..training.recipes import reprogramming_optimiser

HORIZON = (
    100  # lambda_max over the ridge: about the steps, at half the largest stable size, that the forecast stands for
)
PROBE = 1 / 20  # of the steps of training
FRACTION = 0.5  # of the largest stable step
LARGEST = 4000  # N c up to which the kernel of all outputs is taken apart


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


def left_out_outputs(before: BeforeTraining, *, horizon: float | int = HORIZON) -> Float[np.ndarray, "N c"]:
    """The linearised model's outputs at every example, fitted to all others.

    Parameters
    ----------
    before : the model on its examples; its kernel that of all outputs, or (N, N), one for all classes.
    horizon : lambda_max over the ridge.
    """
    found, residual = before.spectrum, before.residual
    if found.max == 0:
        return before.outputs  # nothing is trained
    at_once = residual.size // len(found.values)  # 1: the kernel knows all outputs; c: it is the same for every class
    parts = [left_out_residuals(found, part, found.max / horizon) for part in np.split(residual, at_once, axis=1)]
    return before.y + np.hstack(parts)


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
    before = _known(probed(model, x, y, key=key, loss=loss, steps=steps), x, y)
    right = (left_out_outputs(before).argmax(1) == y.argmax(1)).tolist()
    classes = y.size // len(before.spectrum.values)  # that one row of the kernel stands for
    trained = before.capacity.trained
    return Forecast(
        right, _loss(loss, predict(model, x), y) / constant, _loss(loss, before.outputs, y) / constant,
        min(before.spectrum.rank * classes, trained), y.size, trained, before.alignment,
        FRACTION * before.stability_limit(loss) / classes**2,  # lambda_max <= c times that of the sum over classes
    )  # fmt: skip


def _known(model: Reprogram, x, y) -> BeforeTraining:
    """What is known before training, with the kernel of all outputs or, beyond `LARGEST`, its mean over the classes."""
    if y.size <= LARGEST:
        return before_training(model, x, y)
    mean = empirical_ntk(model, x, form="class_sum") / y.shape[1]
    return BeforeTraining(model, x, y, mean, predict_float64(model, x))


def _loss(name: str, outputs, y) -> float:
    return float(LOSSES[name](lambda out: out, outputs, y))
