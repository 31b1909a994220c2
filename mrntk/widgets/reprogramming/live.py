"""Real training of the input map, one step after the other, so that it can be watched and stopped."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ...choosing.candidates import suited
from ...model.accuracy import accuracy
from ...model.input_maps import InputMap
from ...ntk.passes import quietly, scores
from ...ntk.plain import apply_input_map
from ...training.watched import descend
from ..explorer import one_thread
from .analysis import STEPS, Analysis, loss_of

TEST_EVERY = 20  # steps


class WatchedTraining(NamedTuple):
    """A training so far: losses before step 0, 1, ...; accuracies of the outputs that the last loss belongs to."""

    losses: tuple[float, ...]
    accuracy: float
    test_accuracy: float  # of the last look at the test examples
    done: bool
    input_map: InputMap  # as it is now
    outputs: Float[np.ndarray, "N c"]

    @property
    def diverged(self) -> bool:
        return not np.isfinite(self.losses[-1])


def train(analysis: Analysis, say: Callable = quietly) -> Iterator[WatchedTraining]:
    """Full-batch gradient descent on theta_A, in float64, with the step size of the prediction; a look after every step.

    Parameters
    ----------
    analysis : what was predicted.
    say : is told the share of the work that is done, between blocks of examples; may raise to stop in the midst of a step.
    """
    setting, before, data, losses = analysis.setting, analysis.before, analysis.start.data, []
    b, x_test = before.model.output_map.matrix, suited(data.x_test, setting.input_map, analysis.start.network.shape)
    states = descend(before.model, before.x, before.y, step=analysis.step, steps=STEPS, loss=setting.loss, say=say)
    for step in range(STEPS + 1):
        with one_thread(), np.errstate(over="ignore", invalid="ignore"):
            model, outputs = next(states)
            losses.append(float(np.nan_to_num(loss_of(setting.loss, outputs, before.y), nan=np.inf)))
            if step % TEST_EVERY == 0:
                z = apply_input_map(model.input_map, x_test)
                tested = scores(model.source, z, lambda share, step=step: say((step + 1) / (STEPS + 1)))
                test_accuracy = float(accuracy(tested @ b.T, data.y_test))
        done = step == STEPS or not np.isfinite(losses[-1])
        yield WatchedTraining(
            tuple(losses), float(accuracy(outputs, before.y)), test_accuracy, done, model.input_map, outputs
        )
        if done:
            return
