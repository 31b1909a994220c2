"""Infinite-width source kernels: the sweep over depths equals building each network, and wide networks approach it."""

import equinox as eqx
import jax
import numpy as np
import pytest

from mrntk import (
    CNN,
    DNN,
    VGG,
    FullyConnected,
    MrntkError,
    Reprogram,
    ResNet,
    VisualPrompt,
    Watermark,
    empirical_ntk,
    load_task,
)
from mrntk.ntk.compat import neural_tangents
from mrntk.ntk.infinite import B_STD, W_STD, depth_kernels, source_kernel, target_kernel


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
        (dict(architecture="rnn"), "architecture='rnn' has no depth: choose one of dnn"),
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


TWINS = {
    "dnn": (DNN, {"depth": 3}, {"width": 256}),
    "cnn_gap": (CNN, {"depth": 2}, {"width": 96}),
    "vgg": (VGG, {"levels": 1, "groups": 2}, {"width": 64}),
    "resnet": (ResNet, {"levels": 1, "groups": 1}, {"width": 64}),
}


def weight_kernel(network, x):
    """NTK of one output over all weights, in NTK parameterisation: W_std^2 / fan_in times a weight term, b_std^2 a bias term."""
    theta, rest = eqx.partition(network, eqx.is_inexact_array)
    jacobian = jax.vmap(jax.grad(lambda theta, one: eqx.combine(theta, rest)(one)[0]), (None, 0))(theta, x)
    total = 0
    for leaf in jax.tree.leaves(jacobian):
        is_bias = leaf.ndim == 2 or leaf[0].size == leaf.shape[1]
        fan_in = np.prod(leaf.shape[2:])
        rows = leaf.reshape(len(x), -1)
        total = total + rows @ rows.T * (B_STD**2 if is_bias else W_STD**2 / fan_in)
    return total


def mean_over_seeds(one, seeds):
    kernels = np.stack([one(jax.random.key(seed)) for seed in range(seeds)])
    return kernels.mean(0), kernels.std(0, ddof=1) / seeds**0.5


@pytest.fixture(scope="module")
def small_images():
    return np.random.default_rng(5).uniform(size=(3, 2, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("architecture", TWINS)
def test_source_kernel_is_the_mean_of_finite_networks(architecture, small_images):
    """K_S of each shape against the NTK of its finite twin: within four standard errors plus a term of order 1 / width."""
    network, shape, size = TWINS[architecture]
    one = jax.jit(lambda key: weight_kernel(network((2, 8, 8), 2, **shape, **size, key=key), small_images))
    mean, error = mean_over_seeds(one, 24)
    twin = network((2, 8, 8), 2, **shape, **size, key=jax.random.key(0)).twin
    assert twin == {"architecture": architecture, **shape}
    expected = source_kernel(small_images, **twin)
    assert (np.abs(mean - expected) < 4 * error + 0.03 * np.abs(expected)).all()
    assert (4 * error < 0.35 * np.abs(expected)).all()  # the comparison says something


@pytest.mark.parametrize("architecture", TWINS)
@pytest.mark.parametrize("name", ["watermark", "vp"])
def test_target_kernel_is_the_mean_of_finite_networks(architecture, name, small_images):
    """The frozen-source term in front of each shape, where every source input moves, and where a frame does."""
    network, shape, size = TWINS[architecture]
    input_map = Watermark((2, 8, 8)) if name == "watermark" else VisualPrompt((2, 8, 8), (4, 4))

    def one(key):
        return (
            empirical_ntk(
                Reprogram(input_map, network((2, 8, 8), 8, **shape, **size, key=key)), small_images, form="class_sum"
            )
            / 8
        )

    mean, error = mean_over_seeds(one, 6)
    expected = target_kernel(small_images, input_map, architecture, **shape)
    # d_S is 128 here, not infinite: the weights that carry x also carry the gradient, a correlation of order 1 / d_S.
    assert (np.abs(mean - expected) < 4 * error + 0.12 * np.abs(expected)).all()
    assert (4 * error < 0.8 * np.abs(expected)).all()


def test_finite_width_error_falls_as_one_over_square_root_of_the_width():
    """FC in front of a frozen random DNN, d_S and width growing together: the error of Theta_T falls with exponent -1/2."""
    x = np.random.default_rng(0).uniform(size=(5, 12))
    widths, errors = [32, 128, 512], []
    for width in widths:
        deviations = []
        for seed in range(8):
            keys = jax.random.split(jax.random.key(seed))
            input_map = FullyConnected((12,), (width,), key=keys[0])
            model = Reprogram(input_map, DNN((width,), 1, depth=3, width=width, key=keys[1]))
            expected = target_kernel(x, input_map, "dnn", depth=3)
            got = empirical_ntk(model, x, form="class_sum")
            deviations.append(np.linalg.norm(got - expected) / np.linalg.norm(expected))
        errors.append(np.median(deviations))
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert -0.75 < slope < -0.3
