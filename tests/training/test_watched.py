"""Descent step by step: that of `gradient_descent` and of the package's losses, its linearisation that of `integrate_outputs`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import DNN, LinearOutput, Reprogram, gradient_descent, predict_float64
from mrntk.ntk import plain
from mrntk.ntk.passes import outputs_and_rows
from mrntk.prediction.function_space import integrate_outputs
from mrntk.support.precision import double
from mrntk.training import LOSSES
from mrntk.training.watched import descend, descend_linearised

X, Y = np.random.default_rng(0).uniform(size=(5, 1, 3, 3)), np.eye(3)[np.arange(5) % 3]


@pytest.fixture(scope="module")
def model():
    with jax.enable_x64(True):
        source = double(DNN((1, 5, 5), 4, depth=3, width=8, key=jax.random.key(0)))
    a = plain.drawn_input_map("vp_fc", X.shape[1:], (1, 5, 5), inner=(3, 3), seed=0)
    return Reprogram(a, source, LinearOutput(np.random.default_rng(1).normal(size=(3, 4))))


def test_it_is_gradient_descent(model):
    trained, losses = gradient_descent(model, X, Y, step=0.2, steps=6)
    states = list(descend(model, X, Y, step=0.2, steps=6))
    mine = [((outputs - Y) ** 2).sum() / (2 * len(Y)) for _, outputs in states]
    np.testing.assert_allclose(mine, losses, rtol=1e-6)
    last = states[-1][0]
    np.testing.assert_allclose(states[-1][1], predict_float64(last, X), atol=1e-6)
    for one, other in zip(jax.tree.leaves(last.theta()), jax.tree.leaves(trained.theta()), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert states[0][0].input_map is model.input_map


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_one_step_follows_the_gradient_of_the_loss(model, loss):
    (_, _), (after, _) = descend(model, X, Y, step=0.1, steps=1, loss=loss)
    with jax.enable_x64(True):
        theta, rest = eqx.partition(double(model.input_map), eqx.is_inexact_array)

        def value(theta):
            return LOSSES[loss](Reprogram(eqx.combine(theta, rest), model.source, model.output_map), jnp.asarray(X), Y)

        slope = jax.grad(value)(theta)
    moved = eqx.filter(after.input_map, eqx.is_inexact_array)
    for new, old, one in zip(*map(jax.tree.leaves, (moved, theta, slope)), strict=True):
        np.testing.assert_allclose(new, np.asarray(old) - 0.1 * np.asarray(one), atol=1e-7)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_the_linearised_model_goes_as_in_function_space(model, loss):
    outputs, g = outputs_and_rows(model, X)
    kernel = plain.kernel_of_rows(model.input_map, X, g)
    mine = descend_linearised(kernel, outputs, Y, step=0.1, steps=7, loss=loss)
    theirs = integrate_outputs(kernel, outputs, Y, 0.1, list(range(8)), loss=loss).train
    np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


def test_what_diverges_ends_in_infinities_without_a_warning(model):
    with np.errstate(all="raise"):
        *_, (_, outputs) = descend(model, X, 1e200 * Y, step=1e200, steps=4)
    assert not np.isfinite(outputs).all()


def test_it_can_be_stopped_in_the_midst_of_a_step_and_tells_the_share_of_everything(model):
    told = []

    class Other(eqx.Module):  # a source that goes by JAX, in blocks
        num_outputs: int = 4

        def __call__(self, s):
            return s.ravel()[:4]

    def say(share):
        told.append(share)
        if len(told) == 12:
            raise InterruptedError

    states = descend(Reprogram(model.input_map, Other(), model.output_map), X, Y, step=0.1, steps=3, say=say)
    with pytest.raises(InterruptedError):
        list(states)
    assert told == sorted(told) and 0.5 < told[-1] < 1
