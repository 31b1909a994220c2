"""Infinite-width source kernels: the sweep over depths equals building each network, and wide networks approach it."""

import jax
import numpy as np
import pytest

from mrntk import MrntkError, load_task
from mrntk.ntk.compat import neural_tangents
from mrntk.ntk.infinite import B_STD, W_STD, depth_kernels


def built(architecture, depth):
    """The whole network of one depth, written out in neural-tangents."""
    neural_tangents()
    from neural_tangents import stax

    std = dict(W_std=W_STD, b_std=B_STD)
    if architecture == "dnn":
        layers = [stax.Dense(1, **std)]
        for _ in range(depth - 1):
            layers += [stax.Relu(), stax.Dense(1, **std)]
        return stax.serial(*layers)[2]
    layers = []
    for _ in range(depth):
        layers += [stax.Conv(1, (3, 3), padding="SAME", **std), stax.Relu()]
    pool = [stax.AvgPool((2, 2), (2, 2)), stax.GlobalAvgPool()] if architecture == "cnn_gap" else [stax.Flatten()]
    return stax.serial(*layers, *pool, stax.Dense(1, **std))[2]


@pytest.mark.parametrize("architecture", ["dnn", "cnn_flatten", "cnn_gap"])
def test_sweep_equals_each_network(architecture, images):
    """Also with blocks that do not divide N, and with the authors' 2x2 pooling before the global one."""
    kernels = depth_kernels(images, architecture, 3, block=4)
    x = images.reshape(6, -1) if architecture == "dnn" else images.transpose(0, 2, 3, 1)
    for depth in (1, 2, 3):
        with jax.enable_x64(True):
            expected = built(architecture, depth)(x, None, "ntk")
        np.testing.assert_allclose(kernels[depth - 1], expected, rtol=1e-7)
    assert kernels.dtype == np.float64


def test_known_values_on_mnist():
    """lambda_min on 100 MNIST images: about 0.0034 at depth 1, 0.67 at depth 9; draws vary by some 25 percent."""
    x, _ = load_task("mnist5k").draw(jax.random.key(0), 10)
    smallest = np.linalg.eigvalsh(depth_kernels(x, "dnn", 9))[:, 0]
    assert 0.0034 / 2 < smallest[0] < 0.0034 * 2
    assert 0.67 / 2 < smallest[-1] < 0.67 * 2
    assert (np.diff(smallest) > 0).all()


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (dict(architecture="rnn"), "architecture='rnn' is unknown: choose one of dnn"),
        (dict(max_depth=0), "max_depth=0 is too small"),
    ],
)
def test_bad_arguments(arguments, sentence, images):
    with pytest.raises(MrntkError, match=sentence):
        depth_kernels(images, **arguments)


def test_bad_inputs(images):
    with pytest.raises(MrntkError, match="a CNN needs images"):
        depth_kernels(images.reshape(6, 16), "cnn_gap")
    images[0, 0, 0, 0] = np.nan
    with pytest.raises(MrntkError, match="x holds NaN"):
        depth_kernels(images)
