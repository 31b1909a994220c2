"""The kernels of the width explorer: closed forms against neural-tangents, finite ones against automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk.ntk.infinite import source_kernel
from mrntk.widgets.width import ACTIVATIONS, MEANS, POINTS, W_STD, WidthView, finite_ntk, infinite_ntk


@pytest.mark.parametrize("depth", [2, 4])
def test_the_limit_is_that_of_neural_tangents(depth):
    theirs = source_kernel(POINTS.reshape(-1, 1, 1, 2), "dnn", depth=depth, w_std=W_STD, b_std=0.0)
    np.testing.assert_allclose(infinite_ntk(POINTS, depth=depth), theirs, atol=1e-6)


@pytest.mark.parametrize("name", ["relu", "erf"])
def test_means_by_many_draws(name):
    s = np.array([[1.0, 0.4], [0.4, 0.7]])
    z = np.random.default_rng(0).normal(size=(1_000_000, 2)) @ np.linalg.cholesky(s).T
    drawn = [np.mean(part[:, 0] * part[:, 1]) for part in ACTIVATIONS[name](z)]
    np.testing.assert_allclose([part[0, 1] for part in MEANS[name](s, np.diag(s))], drawn, atol=4e-3)


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_a_finite_kernel_is_that_of_automatic_differentiation(activation):
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        weights = [rng.normal(size=(5, 2)), rng.normal(size=(5, 5)), rng.normal(size=(1, 5))]
        sigma = {"relu": jax.nn.relu, "erf": jax.scipy.special.erf}[activation]

        def network(weights, x):
            h = x
            for weight in weights[:-1]:
                h = sigma(W_STD / h.size**0.5 * weight @ h)
            return (W_STD / h.size**0.5 * weights[-1] @ h)[0]

        rows = [jax.grad(network)([jnp.asarray(w) for w in weights], jnp.asarray(x)) for x in POINTS[:4]]
        rows = np.stack([np.concatenate([np.ravel(leaf) for leaf in row]) for row in rows])
    found = finite_ntk(POINTS[:4], np.random.default_rng(0), width=5, depth=3, activation=activation)
    np.testing.assert_allclose(found, rows @ rows.T, rtol=1e-9)


def test_wider_is_nearer_and_the_words_say_so():
    view = WidthView()
    off = [np.mean(view.data(width=width)["off"]) for width in (8, 64, 512)]
    assert off[0] > off[1] > off[2] and off[0] / off[2] == pytest.approx(8, rel=0.5)
    assert "width 512" in view.words(view.data(width=512)) and "depth 2" in view.words(view.data(depth=2))
