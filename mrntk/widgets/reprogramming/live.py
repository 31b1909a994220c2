"""Real training of the input transformation, one step after the other, so that it can be watched and stopped."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..quick import one_thread
from .analysis import STEPS, Analysis, loss_of, softmax
from .inputs import Theta
from .networks import pulled, quietly, scores

TEST_EVERY = 20  # steps


class Run(NamedTuple):
    """A training so far: losses before step 0, 1, ...; accuracies of the outputs that the last loss belongs to."""

    losses: tuple[float, ...]
    accuracy: float
    test_accuracy: float | None  # of the last look at the test examples
    done: bool

    @property
    def diverged(self) -> bool:
        return not np.isfinite(self.losses[-1])


def _accuracy(outputs, y) -> float:
    return float((outputs.argmax(1) == y.argmax(1)).mean())


def train(analysis: Analysis, say: Callable = quietly) -> Iterator[Run]:
    """Full-batch gradient descent on theta_A, in float64, with the step size of the prediction; a `Run` for every loss.

    Parameters
    ----------
    say : called between blocks of examples; it may raise to stop in the midst of a step.
    """
    model = analysis.model
    net, a, b, loss = model.network, model.a, model.b, model.setting.loss
    x, y, test = model.data.x, model.data.y, model.data
    theta, losses, test_accuracy = a.start(x[0].size), [], None

    def slope(found, place):
        outputs = found @ b.T
        residual = (outputs if loss == "mse" else softmax(outputs)) - y[place]
        return residual @ b / len(y)

    for step in range(STEPS + 1):
        with one_thread(), np.errstate(over="ignore", invalid="ignore"):
            found, s = pulled(net, a.at(x, theta), slope, say)
            outputs = found @ b.T
            losses.append(float(np.nan_to_num(loss_of(loss, outputs, y), nan=np.inf)))
            if step % TEST_EVERY == 0:
                test_accuracy = _accuracy(scores(net, a.at(test.x_test, theta), say=say) @ b.T, test.y_test)
            gradient = a.gradient(x, theta, s)
            theta = Theta(*(old - analysis.step * one for old, one in zip(theta, gradient, strict=True)))
        done = step == STEPS or not np.isfinite(losses[-1])
        yield Run(tuple(losses), _accuracy(outputs, y), test_accuracy, done)
        if done:
            return
