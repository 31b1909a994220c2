"""A form of the score that was tried: the linearised model in folds."""

import jax
import numpy as np
import pytest

from figures.experiments.folds import FOLDS, held_out_outputs
from mrntk import FullyConnected, Identity, Reprogram, before_training
from mrntk.prediction.function_space import integrate_outputs


def blobs(count=30, classes=3, dimensions=5):
    """Points around centres on the axes; one-hot rows."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    return rng.normal(size=(count, dimensions)) + np.eye(dimensions)[labels], np.eye(classes)[labels]


def linear():
    return Reprogram(FullyConnected((5,), (3,), key=jax.random.key(0)), lambda s: s)


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_every_fold_is_predicted_from_the_others_alone(loss):
    x, y = blobs()
    before, steps = before_training(linear(), x, y), 40
    found = held_out_outputs(before, loss=loss, steps=steps)
    order = np.argsort(y.argmax(1), kind="stable")
    for fold in range(FOLDS):
        out = order[np.arange(len(x)) % FOLDS == fold]
        seen = np.setdiff1d(np.arange(len(x)), out)
        # the step size is in units of all N examples, of which fewer are seen
        step = 0.5 * before.stability_limit(loss) * len(seen) / len(x)
        expected = integrate_outputs(
            before.kernel[np.ix_(seen, range(3), seen, range(3))], before.outputs[seen], y[seen], step, [steps], loss=loss,
            test_kernel=before.kernel[np.ix_(out, range(3), seen, range(3))], test_outputs=before.outputs[out],
        ).test[0]  # fmt: skip
        np.testing.assert_allclose(found[out], expected, atol=1e-8)


def test_a_model_that_trains_nothing_keeps_its_outputs():
    x, y = blobs()
    before = before_training(Reprogram(Identity(), lambda s: s[:3]), x, y)
    np.testing.assert_array_equal(held_out_outputs(before), before.outputs)
