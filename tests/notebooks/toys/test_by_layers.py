"""Fully connected networks layer by layer: the limit against neural-tangents, finite ones against automatic differentiation."""

import jax
import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.ntk import compat
from mrntk.ntk.infinite import depth_kernels
from notebooks.toys.by_layers import ACTIVATIONS, finite_kernels, gain, kernels_by_depth, random_layers

X = np.random.default_rng(0).normal(size=(5, 6))


@pytest.mark.parametrize("setting", [{}, {"w_std": 1.3, "b_std": 0.0}])
def test_the_recursion_is_that_of_the_general_path(setting):
    np.testing.assert_allclose(kernels_by_depth(X, 4, **setting), depth_kernels(X, "dnn", 4, **setting), rtol=1e-6)


def test_the_recursion_is_that_of_neural_tangents_for_erf():
    """`mrntk.ntk.infinite` has ReLU alone, so the layers are put together here."""
    compat.neural_tangents()
    from neural_tangents import stax

    dense = stax.Dense(1, W_std=1.3, b_std=0.4, parameterization="ntk")
    layers = stax.serial(dense, stax.Erf(), dense, stax.Erf(), dense)
    with jax.enable_x64(True):
        theirs = layers[2](X, None, "ntk")
    found = kernels_by_depth(X, 3, w_std=1.3, b_std=0.4, activation="erf")
    np.testing.assert_allclose(found[-1], theirs, rtol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_means_by_many_draws(name):
    s = np.array([[1.0, 0.4], [0.4, 0.7]])
    z = np.random.default_rng(0).normal(size=(1_000_000, 2)) @ np.linalg.cholesky(s).T
    drawn = [np.mean(part[:, 0] * part[:, 1]) for part in ACTIVATIONS[name].with_slope(z)]
    np.testing.assert_allclose([part[0, 1] for part in ACTIVATIONS[name].means(s, np.diag(s))], drawn, atol=4e-3)


def test_gain():
    for w_std in (0.7, 1.0, 2.0):
        assert gain(w_std, 0.3) == pytest.approx(w_std**2 / 2)
    assert gain(0.5, 0.5, "erf") < 1 < gain(2.0, 0.1, "erf")


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_finite_networks_equal_differentiation(activation, depth):
    """The network cut off at that depth, differentiated with respect to all weights and biases."""
    w_std, b_std = 1.3, 0.4
    layers = random_layers(np.random.default_rng(5), 6, 7, 4)
    act = jax.nn.relu if activation == "relu" else jax.scipy.special.erf

    def network(theta, x):
        h = x
        for weight, bias in theta[:-1]:
            h = act(w_std * h @ weight.T / h.shape[-1] ** 0.5 + b_std * bias)
        readout, bias = theta[-1]
        return w_std * h @ readout / h.shape[-1] ** 0.5 + b_std * bias

    theta = [layer[:2] for layer in layers[: depth - 1]] + [(layers[depth - 2].readout, np.zeros(()))]
    with jax.enable_x64(True):
        jacobian = jax.jacobian(network)(jax.tree.map(jax.numpy.asarray, theta), X)
        rows = np.concatenate([np.asarray(leaf).reshape(5, -1) for leaf in jax.tree.leaves(jacobian)], axis=1)
    found = finite_kernels(X, layers, w_std=w_std, b_std=b_std, activation=activation)
    np.testing.assert_allclose(found[depth - 1], rows @ rows.T, rtol=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_finite_networks_approach_the_limit(activation):
    setting = dict(w_std=1.3, b_std=0.4, activation=activation)
    limit, networks = kernels_by_depth(X, 9, **setting), [np.random.default_rng(seed) for seed in range(10)]
    mean = np.mean([finite_kernels(X, random_layers(rng, 6, 300, 8), **setting) for rng in networks], axis=0)
    off = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(mean, limit, strict=True)]
    assert off[0] < 1e-12 and max(off) < 0.2


def test_another_activation_is_refused():
    with pytest.raises(MrntkError, match="activation='tanh' is unknown: choose one of relu, erf"):
        kernels_by_depth(X, 2, activation="tanh")
