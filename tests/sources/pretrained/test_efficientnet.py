"""EfficientNet-Lite: the architecture against XLA's own convolutions, the weights against photographs."""

import importlib.metadata

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk.model.reprogram import predict
from mrntk.sources.pretrained import efficientnet
from mrntk.sources.pretrained.efficientnet import (
    ENTRIES,
    EPSILON,
    VARIANTS,
    VERSION,
    Depthwise,
    EfficientNet,
    block_shapes,
    layout,
    load_efficientnet,
    weights,
    with_batch_statistics,
)
from mrntk.support.errors import MrntkError

LITE0 = VARIANTS["efficientnet-lite0"]


@pytest.fixture
def tensors(monkeypatch):
    """Random weights for Lite0 with fewer blocks, with norms that change much; five kinds of block, quick to compile."""
    monkeypatch.setattr(efficientnet, "STAGES", ((1, 3, 1, 1, 16), (2, 5, 2, 6, 24), (1, 3, 2, 6, 24)))
    rng = np.random.default_rng(0)

    def draw(name, shape):
        if name.endswith("running_var") or ("_bn" in name and name.endswith("weight")):
            return rng.uniform(0.5, 2, shape)
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 4
        return rng.normal(size=shape) * (2 / fan_in) ** 0.5

    return {name: draw(name, shape).astype(np.float32) for name, shape in layout(LITE0).items()}


@pytest.fixture
def small(tensors):
    return EfficientNet(tensors, LITE0, side=20, name="small")


def convolve(x, weight, stride=1):
    return jax.lax.conv_general_dilated(
        x[None], weight, (stride, stride), "SAME", feature_group_count=len(x) // weight.shape[1]
    )[0]


def plain(tensors, s):
    """The network as its authors define it: (channels, height, width), convolution, then batch norm, one after the other."""

    def layer(x, convolution, norm, stride=1):
        mean, var, gamma, beta = (
            tensors[f"{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (convolve(x, tensors[f"{convolution}.weight"], stride) - mean) / np.sqrt(var + EPSILON) * gamma + beta

    h = jax.nn.relu6(layer((s * 255 - 127) / 128, "_conv_stem", "_bn0", 2))
    for i, block in enumerate(block_shapes(LITE0)):
        x, p = h, f"_blocks.{i}."
        if block.expands:
            h = jax.nn.relu6(layer(h, f"{p}_expand_conv", f"{p}_bn0"))
        h = jax.nn.relu6(layer(h, f"{p}_depthwise_conv", f"{p}_bn1", block.stride))
        h = layer(h, f"{p}_project_conv", f"{p}_bn2")
        h = x + h if x.shape == h.shape else h
    h = jax.nn.relu6(layer(h, "_conv_head", "_bn1")).mean((1, 2))
    return tensors["_fc.weight"] @ h + tensors["_fc.bias"]


def test_folded_and_shifted_equals_plain_convolutions_with_batch_norm(tensors, small):
    """On an image that is not square, so that height and width cannot be mistaken for each other."""
    s = np.random.default_rng(1).uniform(size=(3, 20, 27))
    with jax.enable_x64(True):
        got = eqx.filter_jit(lambda net, s: net.classifier(net.features(s).mean((0, 1))))(small, s)
        expected = jax.jit(lambda s: plain({k: v.astype(float) for k, v in tensors.items()}, s))(s)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("kernel", "stride", "sides"),
    [(3, 1, (4, 5)), (3, 2, (6, 7)), (5, 1, (2, 9)), (5, 2, (1, 8)), (5, 2, (7, 2))],
)
def test_depthwise_is_the_grouped_convolution(kernel, stride, sides):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(*sides, 3)), rng.normal(size=(kernel * kernel, 3)), rng.normal(size=3)
    with jax.enable_x64(True):
        got = eqx.filter_jit(Depthwise(*map(jnp.asarray, (weight, bias)), kernel, stride))(x)
        expected = convolve(x.transpose(2, 0, 1), weight.T.reshape(3, 1, kernel, kernel), stride)
    np.testing.assert_allclose(
        np.transpose(np.asarray(got), (2, 0, 1)), np.asarray(expected) + bias[:, None, None], atol=1e-12
    )


def photographs(side):
    """A cat, a cup of espresso and a palace, (3, 3, side, side): the largest centred square, resized."""
    from PIL import Image
    from skimage import data
    from sklearn.datasets import load_sample_image

    images = []
    for photo in (data.chelsea(), data.coffee(), load_sample_image("china.jpg")):
        height, width = photo.shape[:2]
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        square = Image.fromarray(photo[top : top + edge, left : left + edge]).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        images.append(np.asarray(square, np.float32).transpose(2, 0, 1) / 255)
    return np.stack(images)


@pytest.mark.parametrize("name", ENTRIES)
def test_photographs_are_recognised(name):
    model = ENTRIES[name].load(side=224)
    logits = eqx.filter_jit(lambda model, x: jax.vmap(model)(x))(model, photographs(224))
    assert logits.dtype == np.float32 and logits.shape == (3, model.num_outputs)
    cat, espresso, palace = np.argmax(logits, axis=1)
    assert 281 <= cat <= 285 and espresso == 967 and palace == 698


def test_gradient_agrees_with_finite_differences(small):
    rng = np.random.default_rng(0)
    s, direction, c = rng.uniform(size=(3, 20, 20)), rng.normal(size=(3, 20, 20)), rng.normal(size=1000)
    with jax.enable_x64(True):
        both = jax.jit(jax.value_and_grad(lambda s: jnp.dot(c, small(s))))
        slope = np.vdot(both(s)[1], direction)
        step = 1e-7
        expected = (both(s + step * direction)[0] - both(s - step * direction)[0]) / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


def test_vmap_is_the_loop(small):
    x, f = photographs(20), eqx.filter_jit(small)
    batch = jax.jit(jax.vmap(lambda s: small(s)))(x)
    np.testing.assert_allclose(batch, np.stack([f(s) for s in x]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_file_holds_the_tensors_of_the_layout(name):
    found = {tensor: array.shape for tensor, array in weights(name).items()}
    assert layout(VARIANTS[name]).items() <= found.items()
    assert importlib.metadata.version(ENTRIES[name].card.package) == VERSION


@pytest.mark.parametrize("name", ENTRIES)
def test_cards_are_true(name):
    card, model = ENTRIES[name].card, load_efficientnet(name)
    count = sum(np.prod(s) for n, s in layout(VARIANTS[name]).items() if "running" not in n)
    assert card.name == name == model.name and card.size == f"{count / 1e6:.1f} M weights"
    assert card.shape == model.input_shape and card.num_classes == model.num_outputs == 1000


def test_another_side_is_named_and_too_small_a_side_refused():
    lite0 = load_efficientnet("efficientnet-lite0", 32)
    assert lite0.name == "efficientnet-lite0-32px" and lite0.input_shape == (3, 32, 32)
    with pytest.raises(MrntkError, match="takes ONE input of shape .3, 32, 32."):
        lite0(jnp.zeros((3, 48, 48)))
    with pytest.raises(MrntkError, match="side=31"):
        load_efficientnet("efficientnet-lite0", 31)


def test_batch_statistics_are_those_of_batch_norm_in_training(tensors):
    """Against the network as its authors define it, with the mean and variance of every channel of this very batch."""
    tensors = {name: np.ones_like(t) if name.endswith("running_var") else t for name, t in tensors.items()}
    for name in tensors:
        if "_bn" in name and not name.endswith("running_var"):
            tensors[name] = (np.ones_like if name.endswith("weight") else np.zeros_like)(tensors[name])
    images = (0.1 * np.random.default_rng(2).uniform(size=(6, 3, 20, 20))).astype(
        np.float32
    )  # dim: nothing is normal at first
    got = with_batch_statistics(EfficientNet(tensors, LITE0, side=20, name="small"), images)
    logits = predict(got, images)

    def layer(x, convolution, stride=1):
        h = np.stack([convolve(one, tensors[f"{convolution}.weight"], stride) for one in x])
        return (h - h.mean((0, 2, 3), keepdims=True)) / np.sqrt(h.var((0, 2, 3), keepdims=True) + EPSILON)

    h = np.clip(layer((images * 255 - 127) / 128, "_conv_stem", 2), 0, 6)
    for i, block in enumerate(block_shapes(LITE0)):
        x, p = h, f"_blocks.{i}."
        if block.expands:
            h = np.clip(layer(h, f"{p}_expand_conv"), 0, 6)
        h = np.clip(layer(h, f"{p}_depthwise_conv", block.stride), 0, 6)
        h = layer(h, f"{p}_project_conv")
        h = x + h if x.shape == h.shape else h
    expected = np.clip(layer(h, "_conv_head"), 0, 6).mean((2, 3)) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    # the identity norms that are folded in first divide by sqrt(1 + EPSILON), so the two EPSILONs differ by a thousandth
    np.testing.assert_allclose(logits, expected, atol=3e-3 * np.abs(expected).max())


def test_a_random_network_with_batch_statistics_tells_images_apart(small):
    """Without them, outputs hardly depend on dim images that lie near each other."""
    images = 0.5 + 0.01 * np.random.default_rng(3).normal(size=(6, 3, 20, 20)).astype(np.float32)

    def spread(network):
        logits = np.asarray(predict(network, images))
        return (logits - logits.mean(0)).std() / logits.std()

    assert spread(with_batch_statistics(small, images)) > 3 * spread(small)
