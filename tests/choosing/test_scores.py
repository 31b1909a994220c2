"""The score: the linearised model at examples that it was not trained on."""

import jax
import numpy as np
import pytest

from mrntk import FullyConnected, Identity, Reprogram, before_training
from mrntk.choosing.scores import HORIZON, Forecast, forecast, left_out_outputs


def blobs(distance: float, seed=0, count=30, classes=3, dimensions=5):
    """Points around centres on the axes; one-hot rows."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (rng.normal(size=(count, dimensions)) + distance * np.eye(dimensions)[labels]), np.eye(classes)[labels]


def linear(dimensions=5, classes=3):
    """A layer in front of a network that passes on its input: a linear model."""
    return Reprogram(FullyConnected((dimensions,), (classes,), key=jax.random.key(0)), lambda s: s)


def test_every_example_is_predicted_from_the_others_alone():
    x, y = blobs(1.0)
    before, n = before_training(linear(), x, y), len(x)
    found = left_out_outputs(before)
    ridge = before.spectrum.max / HORIZON
    for one in (0, 7, n - 1):
        others = np.delete(np.arange(n), one)
        kernel = before.kernel[np.ix_(others, range(3), others, range(3))].reshape(3 * (n - 1), -1)
        weights = np.linalg.solve(kernel + ridge * np.eye(len(kernel)), before.residual[others].ravel())
        across = before.kernel[one][:, others].reshape(3, -1)
        np.testing.assert_allclose(found[one], before.outputs[one] - across @ weights, atol=1e-9)


def test_one_kernel_for_all_classes_is_exact_where_they_do_not_meet(monkeypatch):
    x, y = blobs(1.0)  # the kernel of a linear layer: (x . x' + 1) I
    whole = forecast(linear(), x, y, key=jax.random.key(1), steps=100)
    monkeypatch.setattr("mrntk.choosing.scores.LARGEST", 0)
    found = forecast(linear(), x, y, key=jax.random.key(1), steps=100)
    assert found.right == whole.right and found.rank == whole.rank
    assert found.step == pytest.approx(whole.step / 9)  # its bound is nine times the eigenvalue
    assert found._replace(right=[], alignment=0.0, step=0.0, rank=0) == whole._replace(
        right=[], alignment=0.0, step=0.0, rank=0
    )


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
    np.testing.assert_array_equal(left_out_outputs(before), before.outputs)


def test_a_forecast_says_what_drives_it():
    x, y = blobs(3.0)
    found = forecast(linear(), x, y, key=jax.random.key(1), steps=200)
    assert isinstance(found, Forecast) and len(found.right) == 30 and found.score == np.mean(found.right)
    assert (
        found.outputs == 90 and found.trained == 18 and found.rank == 18
    )  # five weights and a bias for each of three outputs
    assert found.probe_loss < found.start_loss
    assert 0 < found.step < np.inf and 0 <= found.alignment <= 1
