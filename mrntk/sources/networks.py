"""The networks of the paper's experiments, at any width and depth.

Initialisation (the authors' code): weights N(0, 2 / fan_in), biases N(0, 0.1), that is, standard deviation sqrt(0.1).
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, PRNGKeyArray

from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.pinned import pinned

BIAS_STD = 0.1**0.5


def reinitialise(layer, key: PRNGKeyArray):
    """The same linear or convolutional layer with the paper's random weights and biases, drawn in float32."""
    with pinned():
        key_w, key_b = jax.random.split(key)
        fan_in = math.prod(layer.weight.shape[1:])
        weight = jax.random.normal(key_w, layer.weight.shape) * (2 / fan_in) ** 0.5
        bias = jax.random.normal(key_b, layer.bias.shape) * BIAS_STD
    drawn = jnp.asarray(weight, float), jnp.asarray(bias, float)
    return eqx.tree_at(lambda tree: (tree.weight, tree.bias), layer, drawn)


def _check_sizes(**sizes: int):
    for name, size in sizes.items():
        if size < 1:
            raise MrntkError(f"{name}={size}: it must be at least 1.")


def _check_images(input_shape: tuple[int, ...], halvings: int = 0):
    if len(input_shape) != 3:
        raise MrntkError(f"input_shape={input_shape}: give images as (channels, height, width).")
    if min(input_shape[1:]) >> halvings < 1:
        raise MrntkError(f"input_shape={input_shape}: too small to be halved {halvings} times; use fewer groups.")


def _linear(n_in: int, n_out: int, key: PRNGKeyArray) -> eqx.nn.Linear:
    return reinitialise(eqx.nn.Linear(n_in, n_out, key=key), key)


def _conv(n_in: int, n_out: int, key: PRNGKeyArray, size: int = 3, stride: int = 1) -> eqx.nn.Conv2d:
    return reinitialise(eqx.nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, key=key), key)


def _pool(h: Float[Array, "channels height width"], size: int = 2) -> Float[Array, "channels rows columns"]:
    """Average pooling with stride 2; an odd last row or column falls away, as in the authors' code."""
    return eqx.nn.AvgPool2d(size, 2)(h)


class DNN(eqx.Module):
    """Fully connected ReLU network; `depth` counts linear layers, so depth 1 is a linear model."""

    layers: list[eqx.nn.Linear]
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    @pinned(x64=None)
    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, *, depth: int, width: int, key: PRNGKeyArray):
        _check_sizes(depth=depth, width=width)
        sizes = [math.prod(input_shape)] + [width] * (depth - 1) + [num_outputs]
        keys = jax.random.split(key, depth)
        self.layers = [_linear(*ends, k) for *ends, k in zip(sizes[:-1], sizes[1:], keys, strict=True)]
        self.input_shape, self.num_outputs, self.name = tuple(input_shape), num_outputs, f"dnn-d{depth}-w{width}"

    @property
    def twin(self) -> dict:
        """Its infinite-width twin: `source_kernel(x, **source.twin)` of `mrntk.ntk.infinite` is the limit of its NTK."""
        return {"architecture": "dnn", "depth": len(self.layers)}

    def __call__(self, s: Float[Array, "*dS"]) -> Float[Array, " cS"]:
        h = s.ravel()
        for layer in self.layers[:-1]:
            h = jax.nn.relu(layer(h))
        return self.layers[-1](h)


class CNN(eqx.Module):
    """3x3 convolutions with ReLU, global average pooling, one linear layer; `depth` counts convolutions.

    The 2x2 average pooling that the authors put before the global one is left out: on even sides it changes nothing.
    """

    convolutions: list[eqx.nn.Conv2d]
    head: eqx.nn.Linear
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    @pinned(x64=None)
    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, *, depth: int, width: int, key: PRNGKeyArray):
        _check_sizes(depth=depth, width=width)
        _check_images(input_shape)
        channels = [input_shape[0]] + [width] * depth
        *keys, key_head = jax.random.split(key, depth + 1)
        self.convolutions = [_conv(*ends, k) for *ends, k in zip(channels[:-1], channels[1:], keys, strict=True)]
        self.head = _linear(width, num_outputs, key_head)
        self.input_shape, self.num_outputs, self.name = tuple(input_shape), num_outputs, f"cnn-d{depth}-w{width}"

    @property
    def twin(self) -> dict:
        """Its infinite-width twin: `source_kernel(x, **source.twin)` of `mrntk.ntk.infinite` is the limit of its NTK."""
        return {"architecture": "cnn_gap", "depth": len(self.convolutions)}

    def __call__(self, s: Float[Array, "channels height width"]) -> Float[Array, " cS"]:
        h = s
        for convolution in self.convolutions:
            h = jax.nn.relu(convolution(h))
        return self.head(jnp.mean(h, axis=(1, 2)))


class VGG(eqx.Module):
    """`groups` groups of `levels` 3x3 convolutions with ReLU, each group ended by 2x2 average pooling; channels double from
    group to group; then global average pooling and one linear layer. No batch norm."""

    groups: list[list[eqx.nn.Conv2d]]
    head: eqx.nn.Linear
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    @pinned(x64=None)
    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        levels: int,
        groups: int,
        width: int = 32,
        key: PRNGKeyArray,
    ):
        _check_sizes(levels=levels, groups=groups, width=width)
        _check_images(input_shape, halvings=groups)
        *keys, key_head = jax.random.split(key, groups + 1)
        sizes = [input_shape[0]] + [width * 2**i for i in range(groups)]
        self.groups = [
            [_conv(n_in if i == 0 else n_out, n_out, k) for i, k in enumerate(jax.random.split(group_key, levels))]
            for n_in, n_out, group_key in zip(sizes[:-1], sizes[1:], keys, strict=True)
        ]
        self.head = _linear(sizes[-1], num_outputs, key_head)
        self.input_shape, self.num_outputs = tuple(input_shape), num_outputs
        self.name = f"vgg-l{levels}-g{groups}-w{width}"

    @property
    def twin(self) -> dict:
        """Its infinite-width twin: `source_kernel(x, **source.twin)` of `mrntk.ntk.infinite` is the limit of its NTK."""
        return {"architecture": "vgg", "levels": len(self.groups[0]), "groups": len(self.groups)}

    def __call__(self, s: Float[Array, "channels height width"]) -> Float[Array, " cS"]:
        h = s
        for group in self.groups:
            for convolution in group:
                h = jax.nn.relu(convolution(h))
            h = _pool(h)
        return self.head(jnp.mean(h, axis=(1, 2)))


class ResidualBlock(eqx.Module):
    """ReLU, convolution, ReLU, convolution, plus the shortcut: the identity, or a 1x1 convolution where channels change."""

    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d
    shortcut: eqx.nn.Conv2d | None

    @pinned(x64=None)
    def __init__(self, n_in: int, n_out: int, key: PRNGKeyArray):
        k1, k2, k3 = jax.random.split(key, 3)
        self.first, self.second = _conv(n_in, n_out, k1), _conv(n_out, n_out, k2)
        self.shortcut = None if n_in == n_out else _conv(n_in, n_out, k3, size=1)

    def __call__(self, h: Float[Array, "n_in height width"]) -> Float[Array, "n_out height width"]:
        main = self.second(jax.nn.relu(self.first(jax.nn.relu(h))))
        return main + (h if self.shortcut is None else self.shortcut(h))


class ResNet(eqx.Module):
    """A 7x7 convolution with stride 2 and an average pooling, then `groups` groups of `levels` residual blocks, each group
    ended by 2x2 average pooling; channels double from group to group; then global average pooling and one linear layer. No
    batch norm."""

    stem: eqx.nn.Conv2d
    groups: list[list[ResidualBlock]]
    head: eqx.nn.Linear
    stem_pool: int = eqx.field(static=True)
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    @pinned(x64=None)
    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        levels: int,
        groups: int,
        width: int = 32,
        key: PRNGKeyArray,
    ):
        _check_sizes(levels=levels, groups=groups, width=width)
        _check_images(input_shape, halvings=groups + 2)
        *keys, key_stem, key_head = jax.random.split(key, groups + 2)
        sizes = [width * 2**i for i in range(groups + 1)]
        self.stem = _conv(input_shape[0], width, key_stem, size=7, stride=2)
        self.stem_pool = 3 if input_shape[-1] > 32 else 2  # as in the authors' code
        self.groups = [
            [
                ResidualBlock(n_in if i == 0 else n_out, n_out, k)
                for i, k in enumerate(jax.random.split(group_key, levels))
            ]
            for n_in, n_out, group_key in zip(sizes[:-1], sizes[1:], keys, strict=True)
        ]
        self.head = _linear(sizes[-1], num_outputs, key_head)
        self.input_shape, self.num_outputs = tuple(input_shape), num_outputs
        self.name = f"resnet-l{levels}-g{groups}-w{width}"

    @property
    def twin(self) -> dict:
        """Its infinite-width twin: `source_kernel(x, **source.twin)` of `mrntk.ntk.infinite` is the limit of its NTK."""
        return {"architecture": "resnet", "levels": len(self.groups[0]), "groups": len(self.groups)}

    def __call__(self, s: Float[Array, "channels height width"]) -> Float[Array, " cS"]:
        h = _pool(self.stem(s), self.stem_pool)
        for group in self.groups:
            for block in group:
                h = block(h)
            h = _pool(h)
        return self.head(jnp.mean(h, axis=(1, 2)))
