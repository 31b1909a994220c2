"""The paper's networks: shapes, counts, initialisation."""

import jax
import numpy as np
import pytest

from mrntk import CNN, DNN, VGG, MrntkError, ResNet


def parameters(model):
    return sum(leaf.size for leaf in jax.tree.leaves(model))


@pytest.mark.parametrize("depth, count", [(1, 36 * 3 + 3), (3, 36 * 7 + 7 + 7 * 7 + 7 + 7 * 3 + 3)])
def test_dnn_depth_counts_linear_layers(depth, count, key):
    source = DNN((1, 6, 6), 3, depth=depth, width=7, key=key)
    assert parameters(source) == count
    assert source(np.ones((1, 6, 6))).shape == (3,)


def test_cnn_depth_counts_convolutions(key):
    source = CNN((2, 6, 6), 3, depth=2, width=5, key=key)
    assert parameters(source) == (2 * 9 * 5 + 5) + (5 * 9 * 5 + 5) + (5 * 3 + 3)
    assert source(np.ones((2, 6, 6))).shape == (3,)


def test_pooling_twice_is_pooling_once(key):
    """Why the authors' 2x2 average pooling before the global one is left out."""
    h = np.random.default_rng(0).normal(size=(5, 6, 6))
    np.testing.assert_allclose(h.reshape(5, 3, 2, 3, 2).mean((2, 4)).mean((1, 2)), h.mean((1, 2)))


def test_initialisation(key):
    layer = DNN((1, 20, 20), 3, depth=2, width=400, key=key).layers[0]
    assert np.var(layer.weight) == pytest.approx(2 / 400, rel=0.02)
    assert np.var(layer.bias) == pytest.approx(0.1, rel=0.25)
    kernel = CNN((3, 6, 6), 3, depth=1, width=500, key=key).convolutions[0].weight
    assert np.var(kernel) == pytest.approx(2 / 27, rel=0.05)


def test_bad_sizes(key):
    with pytest.raises(MrntkError, match="depth=0"):
        DNN((1, 6, 6), 3, depth=0, width=5, key=key)
    with pytest.raises(MrntkError, match="give images as"):
        CNN((36,), 3, depth=1, width=5, key=key)
    with pytest.raises(MrntkError, match="too small to be halved 4 times"):
        VGG((1, 8, 8), 3, levels=1, groups=4, key=key)


@pytest.mark.parametrize(
    "network, groups, convolutions", [(VGG, 2, 2 * 2), (ResNet, 1, 1 + 2 * 2 + 1), (ResNet, 2, 1 + 4 * 2 + 2)]
)
def test_vgg_and_resnet_count_their_convolutions(network, groups, convolutions, key):
    """Two levels: VGG has two convolutions per group; ResNet a stem, and per group two blocks of two and one 1x1 shortcut."""
    source = network((3, 20, 20), 5, levels=2, groups=groups, width=4, key=key)
    weights = [leaf for leaf in jax.tree.leaves(source) if leaf.ndim == 4]
    assert len(weights) == convolutions and source(np.ones((3, 20, 20))).shape == (5,)
    assert max(leaf.shape[0] for leaf in weights) == 4 * 2 ** (groups - (network is VGG))
