"""The score: the linearised model at examples that it was not trained on."""

import jax
import numpy as np
import pytest

from mrntk import FullyConnected, Identity, Reprogram, before_training
from mrntk.choosing.scores import FOLDS, Forecast, forecast, held_out_outputs
from mrntk.prediction.function_space import integrate_outputs


def blobs(distance: float, seed=0, count=30, classes=3, dimensions=5):
    """Points around centres on the axes; one-hot rows."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (rng.normal(size=(count, dimensions)) + distance * np.eye(dimensions)[labels]), np.eye(classes)[labels]


def linear(dimensions=5, classes=3):
    """A layer in front of a network that passes on its input: a linear model."""
    return Reprogram(FullyConnected((dimensions,), (classes,), key=jax.random.key(0)), lambda s: s)


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_every_fold_is_predicted_from_the_others_alone(loss):
    x, y = blobs(1.0)
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


def test_classes_that_are_apart_are_predicted_better():
    key = jax.random.key(1)
    far, near = (forecast(linear(), *blobs(distance), key=key, steps=100).score for distance in (6.0, 0.5))
    assert far > 0.9 and near < far - 0.2


def test_labels_without_meaning_are_guessed():
    rng, found = np.random.default_rng(3), []
    for _ in range(6):
        x, y = blobs(6.0, count=60)
        found.append(forecast(linear(), x, rng.permutation(y), key=jax.random.key(1), steps=60).score)
    assert np.mean(found) < 0.5


def test_a_model_that_trains_nothing_keeps_its_outputs():
    x, y = blobs(3.0)
    before = before_training(Reprogram(Identity(), lambda s: s[:3]), x, y)
    np.testing.assert_array_equal(held_out_outputs(before), before.outputs)


def test_a_forecast_says_what_drives_it():
    x, y = blobs(3.0)
    found = forecast(linear(), x, y, key=jax.random.key(1), steps=200)
    assert isinstance(found, Forecast) and len(found.right) == 30 and found.score == np.mean(found.right)
    assert (
        found.outputs == 90 and found.trained == 18 and found.rank == 18
    )  # five weights and a bias for each of three outputs
    assert found.probe_loss < found.start_loss
    assert 0 < found.step < np.inf and 0 <= found.alignment <= 1
