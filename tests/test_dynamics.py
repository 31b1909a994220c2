"""Predicted curves are exact where the model is linear in its parameters."""

import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import FullyConnected, Reprogram, empirical_ntk
from mrntk.dynamics import mse, predicted_loss, stability_limit
from mrntk.reprogram import predict
from mrntk.sources import DNN
from mrntk.spectrum import spectrum
from mrntk.training import gradient_descent


@pytest.fixture
def linear_case(key, images):
    """FC in front of a linear source: f_T is linear in theta_A, so the kernel never moves."""
    model = Reprogram(FullyConnected((1, 4, 4), (5,), key=key), DNN((5,), 2, depth=1, width=1, key=key))
    y = np.eye(2)[[0, 1, 0, 1, 1, 0]]
    residual = np.asarray(predict(model, jnp.asarray(images)), float) - y
    return model, images, y, residual, spectrum(empirical_ntk(model, images), vectors=True)


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_prediction_is_exact_for_a_linear_model(linear_case, fraction):
    model, x, y, residual, found = linear_case
    step = fraction * stability_limit(found, len(x))
    _, real = gradient_descent(model, x, y, step=step, steps=50)
    np.testing.assert_allclose(predicted_loss(found, residual, step, np.arange(51)), real, rtol=1e-5)


def test_prediction_starts_at_the_loss(linear_case):
    _, x, _, residual, found = linear_case
    assert predicted_loss(found, residual, 0.1, [0])[0] == pytest.approx(mse(residual))


def test_stability_limit_is_where_training_turns(linear_case):
    """A little below the limit the loss falls, a little above it grows; for the real training, not only the formula."""
    model, x, y, _, found = linear_case
    limit = stability_limit(found, len(x))
    below = gradient_descent(model, x, y, step=0.95 * limit, steps=200)[1]
    above = gradient_descent(model, x, y, step=1.05 * limit, steps=200)[1]
    assert below[-1] < below[0] and above[-1] > 10 * above[0]
