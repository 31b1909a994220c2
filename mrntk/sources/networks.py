"""The networks of the paper's experiments, at any width and depth.

Initialisation (PAPER.md): weights N(0, 2 / fan_in), biases N(0, 0.1), that is, standard deviation sqrt(0.1).
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, PRNGKeyArray

from ..arrays import Array
from ..errors import MrntkError

BIAS_STD = 0.1**0.5


def reinitialise(layer, key: PRNGKeyArray):
    """The same linear or convolutional layer with the paper's random weights and biases."""
    key_w, key_b = jax.random.split(key)
    fan_in = math.prod(layer.weight.shape[1:])
    weight = jax.random.normal(key_w, layer.weight.shape) * (2 / fan_in) ** 0.5
    bias = jax.random.normal(key_b, layer.bias.shape) * BIAS_STD
    return eqx.tree_at(lambda tree: (tree.weight, tree.bias), layer, (weight, bias))


def _check_size(depth: int, width: int):
    if depth < 1 or width < 1:
        raise MrntkError(f"depth={depth} and width={width}: both must be at least 1.")


class DNN(eqx.Module):
    """Fully connected ReLU network; `depth` counts linear layers, so depth 1 is a linear model."""

    layers: list[eqx.nn.Linear]
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, *, depth: int, width: int, key: PRNGKeyArray):
        _check_size(depth, width)
        sizes = [math.prod(input_shape)] + [width] * (depth - 1) + [num_outputs]
        keys = jax.random.split(key, depth)
        self.layers = [
            reinitialise(eqx.nn.Linear(n_in, n_out, key=k), k)
            for n_in, n_out, k in zip(sizes[:-1], sizes[1:], keys, strict=True)
        ]
        self.input_shape, self.num_outputs, self.name = tuple(input_shape), num_outputs, f"dnn-d{depth}-w{width}"

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

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int, *, depth: int, width: int, key: PRNGKeyArray):
        _check_size(depth, width)
        if len(input_shape) != 3:
            raise MrntkError(f"input_shape={input_shape}: a CNN takes images of shape (channels, height, width).")
        channels = [input_shape[0]] + [width] * depth
        *keys, key_head = jax.random.split(key, depth + 1)
        self.convolutions = [
            reinitialise(eqx.nn.Conv2d(n_in, n_out, 3, padding=1, key=k), k)
            for n_in, n_out, k in zip(channels[:-1], channels[1:], keys, strict=True)
        ]
        self.head = reinitialise(eqx.nn.Linear(width, num_outputs, key=key_head), key_head)
        self.input_shape, self.num_outputs, self.name = tuple(input_shape), num_outputs, f"cnn-d{depth}-w{width}"

    def __call__(self, s: Float[Array, "channels height width"]) -> Float[Array, " cS"]:
        h = s
        for convolution in self.convolutions:
            h = jax.nn.relu(convolution(h))
        return self.head(jnp.mean(h, axis=(1, 2)))
