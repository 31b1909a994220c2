"""The depth explorer: its recursion, its finite networks, and its words."""

import itertools

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.ntk import compat
from mrntk.ntk.infinite import depth_kernels
from mrntk.support.style import style
from mrntk.widgets.depth import (
    DRAWS,
    MAX_DEPTH,
    DepthView,
    finite_kernels,
    gain,
    kernels_by_depth,
    layer_factor,
    measured,
    trend,
)

VIEW = DepthView()
X = np.random.default_rng(0).normal(size=(5, 6))


def test_agrees_with_neural_tangents():
    found = kernels_by_depth(X, 4, w_std=2**0.5, b_std=0.1**0.5)
    np.testing.assert_allclose(found, depth_kernels(X, "dnn", 4), rtol=1e-6)


def test_agrees_with_neural_tangents_for_erf():
    """`mrntk.ntk.infinite` has ReLU alone, so the layers are put together here."""
    compat.neural_tangents()
    from neural_tangents import stax

    dense = stax.Dense(1, W_std=1.3, b_std=0.4, parameterization="ntk")
    layers = stax.serial(dense, stax.Erf(), dense, stax.Erf(), dense)
    with jax.enable_x64(True):
        theirs = layers[2](X, None, "ntk")
    found = kernels_by_depth(X, 3, w_std=1.3, b_std=0.4, activation="erf")
    np.testing.assert_allclose(found[-1], theirs, rtol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "erf"])
def test_finite_networks_equal_differentiation(activation):
    """One network of depth 3 by automatic differentiation, over all weights and biases."""
    from mrntk.widgets import depth as module

    width, w_std, b_std = 7, 1.3, 0.4
    layers = module._weights(6, width, 5)
    act = jax.nn.relu if activation == "relu" else jax.scipy.special.erf

    def network(theta, x):
        (w1, b1), (w2, b2), (a, bias) = theta
        h = act(w_std * x @ w1.T / 6**0.5 + b_std * b1)
        h = act(w_std * h @ w2.T / width**0.5 + b_std * b2)
        return w_std * h @ a / width**0.5 + b_std * bias

    theta = [layers[0][:2], layers[1][:2], (layers[1][2], np.zeros(()))]
    with jax.enable_x64(True):
        jacobian = jax.jacobian(network)(jax.tree.map(jax.numpy.asarray, theta), X)
        rows = np.concatenate([np.asarray(leaf).reshape(5, -1) for leaf in jax.tree.leaves(jacobian)], axis=1)
    found = finite_kernels(X, width=width, seed=5, w_std=w_std, b_std=b_std, activation=activation)
    np.testing.assert_allclose(found[2], rows @ rows.T, rtol=1e-9)


def test_finite_networks_approach_the_limit():
    setting = dict(w_std=1.3, b_std=0.4)
    limit = kernels_by_depth(X, MAX_DEPTH, **setting)
    mean = np.mean([finite_kernels(X, width=300, seed=seed, **setting) for seed in range(10)], axis=0)
    off = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(mean, limit, strict=True)]
    assert off[0] < 1e-12 and max(off) < 0.2


def test_gain():
    for w_std in (0.7, 1.0, 2.0):
        assert gain(w_std, 0.3) == pytest.approx(w_std**2 / 2)
    assert gain(0.5, 0.5, "erf") < 1 < gain(2.0, 0.1, "erf")


def test_without_biases_the_weights_change_the_scale_alone():
    one, other = (VIEW.data(b_variance=0.0, w_variance=w) for w in (2.0, 1.0))
    np.testing.assert_allclose(one["relative"], other["relative"], rtol=1e-6)
    np.testing.assert_allclose(one["lambda_min"] / other["lambda_min"], 2.0 ** np.arange(1, 10), rtol=1e-6)
    assert "rises with every layer" in VIEW.words(one)


def test_mean_eigenvalue_at_the_critical_weights():
    """L q_0 + L (L - 1) / 2 b^2."""
    data = VIEW.data(inputs="sphere")
    depth = np.arange(1, 10)
    np.testing.assert_allclose(data["mean"], depth * 2.1 + depth * (depth - 1) / 2 * 0.1)


def test_zero_is_shown_as_missing():
    """On a circle without biases ReLU has dead frequencies at depth 2, and depth 1 has rank 2."""
    data = VIEW.data(inputs="circle", b_variance=0.0)
    assert np.isnan(data["lambda_min"]).tolist() == [True] * 2 + [False] * 7
    assert "At depth 1 and 2 it is zero" in VIEW.words(data)


def test_words_name_what_changed():
    rising, falling = VIEW.data(), VIEW.data(w_variance=0.5, b_variance=0.5)
    assert "lambda_min rises with every layer" in VIEW.words(rising)
    assert "lambda_min falls" in VIEW.words(falling) and "mostly shape" in VIEW.words(falling)
    factor = (rising["lambda_min"][-1] / rising["lambda_min"][0]) ** (1 / 8)
    assert f"{factor:.3g} a layer" in VIEW.words(rising)
    assert "The condition number goes from" in VIEW.words(VIEW.data(measure="condition"))
    assert "The effective rank goes from" in VIEW.words(VIEW.data(measure="rank"))


ENDS = list(itertools.product((0.5, 4.0), (0.0, 0.5), ("relu", "erf"), ("circle", "sphere", "mnist")))


@pytest.mark.parametrize("w_variance, b_variance, activation, inputs", ENDS)
def test_extreme_values(w_variance, b_variance, activation, inputs):
    for measure in ("lambda_min", "relative", "condition", "rank"):
        data = VIEW.data(
            w_variance=w_variance,
            b_variance=b_variance,
            activation=activation,
            inputs=inputs,
            measure=measure,
            width=32,
        )
        assert data["drawn"].shape == (DRAWS, MAX_DEPTH) and np.isfinite(data["mean"]).all()
        assert VIEW.words(data)
    with style():
        figure = VIEW.draw(data)
    assert figure.axes[0].get_ylabel()
    plt.close(figure)


def test_finite_networks_are_in_the_words_if_there_are_any():
    """On average lambda_min is below that of the limit: it is concave."""
    data = VIEW.data(inputs="sphere", width=32)
    share = np.mean(data["drawn"][:, -1] / data["lambda_min"][-1])
    assert share < 1 and f"At width 32 and depth 9, lambda_min is {share:.2g} times" in VIEW.words(data)
    without = VIEW.data(inputs="sphere", width=0)
    assert len(without["drawn"]) == 0 and "At width" not in VIEW.words(without)


def test_impossible_values_are_refused():
    with pytest.raises(MrntkError, match="w_variance"):
        VIEW.data(w_variance=0.1)


def test_trend_and_factor():
    assert trend(np.array([np.nan, 1.0, 2.0, 4.0])) == "rises with every layer"
    assert trend(np.array([4.0, 2.0])) == "falls with every layer"
    assert "not with every layer" in trend(np.array([1.0, 3.0, 2.0]))
    assert trend(np.array([1.0, 1.0])) == "does not change"
    assert layer_factor(np.array([np.nan, 1.0, 2.0, 4.0])) == pytest.approx(2)
    assert np.isnan(layer_factor(np.array([np.nan, 1.0])))
    assert measured(np.stack([np.eye(3), 2 * np.eye(3)]), "rank") == pytest.approx([3, 3])
