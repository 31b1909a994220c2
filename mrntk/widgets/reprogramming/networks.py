"""The explorer's sources: scores f_S(z), and any combination w^T J_S(z) of the input Jacobian, for many inputs at once.

Networks of a few layers are differentiated by NumPy, because JAX would compile anew for every number of examples; real ones by
JAX, a block of fixed size at a time.
"""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...sources.networks import DNN
from ...sources.registry import load_source
from ...support.errors import MrntkError
from ...support.precision import double
from ..learning_curve import trained_source
from ..quick import drawn
from .setting import OWN, SMALL, SOURCES

SIDE, WIDTH, CLASSES = 14, 64, 10  # of the small networks; those of `trained_source`
PIXELS = 32  # the side at which EfficientNet runs here: the smallest that it takes
BLOCK = 4  # examples differentiated at once
REMEMBERED = 6  # answers of every kind
LARGEST_INPUT = 20_000  # values of one input of an own source: g holds as many for every output of every example


class Stopped(Exception):
    """Somebody asked for something else in the meantime."""


def quietly(share: float):
    """Progress that nobody looks at."""


@lru_cache(maxsize=6)
def _network(name: str, depth: int, seed: int):
    """The source of that name in float64."""
    if name == "random":
        return drawn(lambda key: DNN((1, SIDE, SIDE), CLASSES, depth=depth, width=WIDTH, key=key), [seed, depth])
    if name == "trained":
        return trained_source(depth)
    if name.endswith("-untrained"):
        source = load_source(name.removesuffix("-untrained"), side=PIXELS, untrained=seed)
    else:
        source = load_source(name, **({"side": PIXELS} if name.startswith("efficientnet") else {}))
    with jax.enable_x64(True):
        return double(source)


class Network(NamedTuple):
    """A source, its name in words, and what tells it from others."""

    source: Callable
    words: str
    identity: tuple

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.input_shape

    @property
    def small(self) -> bool:
        return isinstance(self.source, DNN)


def network(setting, own=None) -> Network:
    """The source of a setting; `own` is the reader's own, if there is one.

    Raises
    ------
    MrntkError
        If the reader's own source is asked for and there is none.
    """
    if setting.source == OWN:
        if own is None:
            raise MrntkError("source=own: choose an .onnx file first.")
        return own
    small = setting.source in SMALL
    label = next(label for label, value in SOURCES.items() if value == setting.source)
    words = f"{label} of depth {setting.depth}" if small else label
    # the trained network is the same for all seeds, and pretrained ones are what they are
    seed = setting.seed if setting.source == "random" or setting.source.endswith("-untrained") else 0
    identity = (setting.source, setting.depth if small else 0, seed)
    return Network(_network(*identity), words, identity)


def _remembered(compute: Callable) -> Callable:
    """The last answers of a slow network, known by its identity and the bytes of the arrays."""
    known: OrderedDict = OrderedDict()

    @wraps(compute)
    def answer(net: Network, *arrays, say: Callable = quietly):
        if net.small:
            return compute(net, *arrays, say=say)
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).digest()
        key = (net.identity, digest, *(array.shape for array in arrays))
        if key not in known:
            known[key] = compute(net, *arrays, say=say)
        known.move_to_end(key)
        while len(known) > REMEMBERED:
            known.popitem(last=False)
        return known[key]

    return answer


@eqx.filter_jit
def _forward(source, z):
    return jax.vjp(jax.vmap(source), z)


@jax.jit
def _backward(pull, w):
    return pull(w)[0]


def _blocks(z):
    """(place, block, filled up with its last example) one after the other."""
    for i in range(0, len(z), BLOCK):
        part = z[i : i + BLOCK]
        yield slice(i, i + len(part)), np.concatenate([part, np.repeat(part[-1:], BLOCK - len(part), axis=0)])


def _layers(source: DNN):
    return [(np.asarray(layer.weight, float), np.asarray(layer.bias, float)) for layer in source.layers]


@_remembered
def scores(net: Network, z: Float[np.ndarray, "N *dS"], *, say: Callable = quietly) -> Float[np.ndarray, "N cS"]:
    """f_S(z) for many inputs, in float64; `say(share)` is told how far it is, and may raise to stop it."""
    if net.small:
        h = z.reshape(len(z), -1)
        for number, (weight, bias) in enumerate(_layers(net.source)):
            h = (np.maximum(h, 0) if number else h) @ weight.T + bias
        return h
    found = np.zeros((len(z), net.source.num_outputs))
    with jax.enable_x64(True):
        for place, block in _blocks(z):
            say(place.start / len(z))
            found[place] = _forward(net.source, jnp.asarray(block))[0][: place.stop - place.start]
    return found


@_remembered
def jacobian(
    net: Network, z: Float[np.ndarray, "N *dS"], b: Float[np.ndarray, "cT cS"], *, say: Callable = quietly
) -> Float[np.ndarray, "N cT dS"]:
    """g = b J_S(z), in float64."""
    if net.small:
        return _small_jacobian(_layers(net.source), z.reshape(len(z), -1), b)
    g = np.zeros((len(z), len(b), z[0].size))
    with jax.enable_x64(True):
        for place, block in _blocks(z):
            pull, many = _forward(net.source, jnp.asarray(block))[1], place.stop - place.start
            for k, row in enumerate(b):
                say((place.start + many * k / len(b)) / len(z))
                back = _backward(pull, jnp.broadcast_to(jnp.asarray(row), (BLOCK, len(row))))
                g[place, k] = np.asarray(back[:many]).reshape(many, -1)
    return g


def pulled(
    net: Network, z: Float[np.ndarray, "N *dS"], slope: Callable, say: Callable = quietly
) -> tuple[Float[np.ndarray, "N cS"], Float[np.ndarray, "N *dS"]]:
    """(scores, w^T J_S(z)) with w = slope(scores, which examples), (n, cS): one forward and one backward pass."""
    if net.small:
        found = scores(net, z)
        w = slope(found, slice(0, len(z)))[:, None]
        return found, _small_jacobian(_layers(net.source), z.reshape(len(z), -1), w).reshape(z.shape)
    found, back = np.zeros((len(z), net.source.num_outputs)), np.zeros_like(z)
    with jax.enable_x64(True):
        for place, block in _blocks(z):
            say(place.start / len(z))
            many = place.stop - place.start
            values, pull = _forward(net.source, jnp.asarray(block))
            found[place], w = values[:many], np.zeros(values.shape)
            w[:many] = slope(found[place], place)
            back[place] = _backward(pull, jnp.asarray(w))[:many]
    return found, back


def _small_jacobian(layers, h, b):
    """The chain rule from the last layer to the first: back holds b W_L D_{L-1} W_{L-1} ... for every example.

    b is one matrix (cT, cS), or one for every example, (N, cT, cS).
    """
    on = []  # D of every hidden layer, (N, width)
    for weight, bias in layers[:-1]:
        h = h @ weight.T + bias
        on.append(h > 0)
        h = np.maximum(h, 0)
    back = b @ layers[-1][0]
    back = np.broadcast_to(back, (len(h), *back.shape[-2:]))
    for (weight, _), open_ in zip(layers[-2::-1], on[::-1], strict=True):
        back = (back * open_[:, None]) @ weight
    return back


def own_network(path, digest: str, *, words: str) -> Network:
    """The source in the reader's .onnx file, in float64.

    Raises
    ------
    MrntkError
        If it cannot be read, is too large, or takes anything but images of 1 or 3 channels or series of 1.
    """
    with jax.enable_x64(True):
        source = double(load_source(path))
    shape = source.input_shape
    if not (len(shape) == 3 and shape[0] in (1, 3)) and not (len(shape) == 2 and shape[0] == 1):
        raise MrntkError(
            f"own file: its input has the shape {shape}; the explorer knows images (1 or 3, height, width) and series (1, time)."
        )
    if math.prod(shape) > LARGEST_INPUT:
        raise MrntkError(
            f"own file: its input {shape} has {math.prod(shape):,} values; give a source of at most {LARGEST_INPUT:,}."
        )
    return Network(source, words, (OWN, digest, 0))
