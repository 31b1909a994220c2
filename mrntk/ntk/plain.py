"""The kernels of fully connected sources by NumPy alone, at the speed of a control that moves.

JAX compiles a program for every shape that it meets, which takes longer than a small network takes to differentiate. So what
`mrntk.ntk.rows` does for any source stands here once more for a `DNN` behind any input map of `INPUT_MAPS`: in float64, on many
inputs at once, and without a program to compile. Tests hold all of it to the general path.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from ..model.input_maps import (
    BIAS_STD,
    INPUT_MAPS,
    Factor,
    FullyConnected,
    FullyConnectedPrompt,
    Identity,
    InputMap,
    Resize,
    VisualPrompt,
    Watermark,
    frame_mask,
    window,
)
from ..model.output_maps import IdentityOutput, LinearOutput
from ..support.errors import MrntkError
from .empirical import contract

Layers = list[tuple[np.ndarray, np.ndarray]]  # (W, c) of every layer
NOTHING, LAYER, DELTA = 0, 1, 2  # what is trained at a place
LARGEST_LAYER = 10_000_000  # entries of a W that is drawn here


# Input maps: how they start, a(x), what they make of g, and their gradient.


def resize_matrix(size: int, new_size: int) -> Float[np.ndarray, "new old"]:
    """R with R @ row = the row interpolated linearly to another length; an image becomes R X R'^T.

    The weights are those of `jax.image.resize(..., "linear", antialias=True)`: a triangle around each new pixel's place, as
    wide as the larger of the two pixel sizes, made to sum to 1.
    """
    step = size / new_size
    places = (np.arange(new_size) + 0.5) * step - 0.5
    weights = np.maximum(1 - np.abs(places[:, None] - np.arange(size)) / max(step, 1), 0)
    return weights / weights.sum(1, keepdims=True)


def resized(x: Float[np.ndarray, "N C *space"], size: tuple[int, ...]) -> Float[np.ndarray, "N C *size"]:
    """Interpolated linearly along every axis of space."""
    for axis, new in enumerate(size, start=2):
        if x.shape[axis] != new:
            x = np.moveaxis(np.moveaxis(x, axis, -1) @ resize_matrix(x.shape[axis], new).T, -1, axis)
    return x


@lru_cache(maxsize=2)
def _random_layer(d_t: int, d_s: int, seed) -> tuple[Float[np.ndarray, "dS dT"], Float[np.ndarray, " dS"]]:
    if d_t * d_s > LARGEST_LAYER:
        raise MrntkError(
            f"input map: W would have {d_t * d_s:,} entries, more than {LARGEST_LAYER:,}; choose the prompt or the watermark."
        )
    rng = np.random.default_rng(seed)
    return rng.standard_normal((d_s, d_t)) * (2 / d_t) ** 0.5, rng.standard_normal(d_s) * BIAS_STD


@lru_cache(maxsize=512)
def _without_arrays(name: str, target_shape: tuple, source_shape: tuple, inner: tuple) -> InputMap:
    """An input map that is only traced: JAX would compile a program for every shape."""
    make = INPUT_MAPS[name].make
    return eqx.filter_eval_shape(lambda key: make(target_shape, source_shape, inner, key), jax.random.key(0))


def drawn_input_map(
    name: str,
    target_shape: tuple[int, ...],
    source_shape: tuple[int, ...],
    *,
    inner: tuple[int, ...],
    seed: int | tuple[int, ...],
    mask: np.ndarray | None = None,
) -> InputMap:
    """The input map of that name in `INPUT_MAPS` at its start, in float64, its random layer drawn by NumPy.

    A layer that ends in a window is made of the rows of the whole input's layer for the window's places, so that a moved frame
    draws nothing anew.

    Parameters
    ----------
    name : a name of `INPUT_MAPS`.
    target_shape, source_shape : shapes of ONE input of the target task and of the source.
    inner : the spatial size of the window of a prompt.
    seed : of the random layer.
    mask : the places of a prompt that are trained; the default is the frame around the window.

    Raises
    ------
    MrntkError
        If W would have more than LARGEST_LAYER entries, or as `VisualPrompt`.
    """
    around, kind = frame_mask(source_shape, inner), INPUT_MAPS[name]
    index = np.flatnonzero(around if mask is None else mask)
    start = {"index": index, "delta": np.zeros(len(index) if kind.has_prompt else source_shape)}
    if kind.has_layer:
        rows = ~around.ravel() if kind.has_prompt else slice(None)
        weight, bias = _random_layer(math.prod(target_shape), around.size, seed)
        start |= {"weight": weight[rows], "bias": bias[rows]}
    empty = _without_arrays(name, tuple(target_shape), tuple(source_shape), tuple(inner))
    return with_arrays(empty, lambda name, _: start[name])


def random_layer_outputs(x: Float[np.ndarray, "N dT"], d_s: int, rng: np.random.Generator) -> Float[np.ndarray, "N dS"]:
    """W x_i + c of one fully connected layer at its random start, for all rows x_i, without W, of any size.

    With the thin QR factorisation X^T = Q R, the rows W x_i are R^T (W Q)^T, and W Q of an N(0, 2 / d_T) matrix W has
    independent N(0, 2 / d_T) entries because Q's columns are orthonormal. So d_s * N numbers are drawn, not d_s * d_T.
    """
    r = np.linalg.qr(x.T, mode="r").astype(np.float32)  # (min(N, d_T), N)
    wq = rng.standard_normal((len(r), d_s), np.float32) * np.float32((2 / x.shape[1]) ** 0.5)
    return r.T @ wq + rng.standard_normal(d_s, np.float32) * np.float32(BIAS_STD)


def parts(a: InputMap) -> tuple[FullyConnected | None, VisualPrompt | Watermark | None]:
    """(the layer of an input map, its prompt or watermark), None where it has none; an error for a map that is unknown here."""
    if isinstance(a, FullyConnectedPrompt):
        return a.fully_connected, a.prompt
    if isinstance(a, FullyConnected):
        return a, None
    if isinstance(a, (VisualPrompt, Watermark)):
        return None, a
    if isinstance(a, (Identity, Resize)):
        return None, None
    raise MrntkError(
        f"input_map={type(a).__name__} is unknown to mrntk.ntk.plain: add it there, or use mrntk.ntk.rows."
    )


def _from_layer(a: InputMap, s):
    """Of values at places of a(x), (..., *dS), those that the layer writes."""
    return s[(..., *window(a.prompt.source_shape, a.prompt.inner))] if isinstance(a, FullyConnectedPrompt) else s


def trained_places(a: InputMap, source_shape: tuple[int, ...]) -> Int[np.ndarray, "*dS"]:
    """What is trained at each place of a(x): NOTHING, W and c of the LAYER that writes there, or DELTA."""
    (layer, prompt), places = parts(a), np.full(source_shape, NOTHING)
    if prompt is not None:
        places.reshape(-1)[getattr(prompt, "index", slice(None))] = DELTA
    if layer is not None:
        _from_layer(a, places)[...] = LAYER
    return places


def _prompted(a: VisualPrompt | Watermark, s):
    """Of values at places of a(x), (N, ..., *dS), those where delta is added, (N, ..., m), times what delta moves there."""
    if isinstance(a, Watermark):
        return s.reshape(*s.shape[: s.ndim - a.delta.ndim], -1)
    delta = np.asarray(a.delta, float)
    flat = s.reshape(*s.shape[: s.ndim - len(a.source_shape)], -1)
    return flat[..., np.asarray(a.index)] * (expit(delta) * expit(-delta))  # sigmoid'(delta), the diagonal of D


def apply_input_map(a: InputMap, x: Float[np.ndarray, "N *dT"]) -> Float[np.ndarray, "N *dS"]:
    """a(x) of many inputs."""
    (layer, prompt), z = parts(a), np.asarray(x, float)
    if layer is not None:
        z = z.reshape(len(z), -1) @ np.asarray(layer.weight, float).T + np.asarray(layer.bias, float)
        z = z.reshape(len(z), *layer.source_shape)
    if isinstance(a, Resize):
        return resized(z, a.source_shape[1:])
    if isinstance(prompt, Watermark):
        return z + np.asarray(prompt.delta, float)
    if prompt is None:
        return z
    canvas = np.zeros((len(z), *prompt.source_shape))
    canvas[(..., *window(prompt.source_shape, prompt.inner))] = resized(z, prompt.inner)
    canvas.reshape(len(z), -1)[:, np.asarray(prompt.index)] += expit(np.asarray(prompt.delta, float))
    return canvas


def factors(a: InputMap, x: Float[np.ndarray, "N *dT"], g: Float[np.ndarray, "N c *dS"]) -> tuple[Factor, ...]:
    """The factors of Theta_T at many inputs; g = b J_S(a(x))."""
    (layer, prompt), found = parts(a), []
    if layer is not None:
        u = np.append(np.reshape(x, (len(x), -1)), np.ones((len(x), 1)), axis=1)  # u . u' = x . x' + 1
        found.append(Factor(u, _from_layer(a, g).reshape(*g.shape[:2], -1)))
    if prompt is not None:
        found.append(Factor(np.ones((len(x), 1)), _prompted(prompt, g)))
    return tuple(found)


def kernel_of_rows(
    a: InputMap, x: Float[np.ndarray, "N *dT"], g: Float[np.ndarray, "N c *dS"]
) -> Float[np.ndarray, "N c N c"]:
    """Theta_T, by the Gram step of `empirical_ntk`."""
    found, (n, c) = factors(a, x, g), g.shape[:2]
    return contract(found, found, "full") if found else np.zeros((n, c, n, c))


def gradient(
    a: InputMap, x: Float[np.ndarray, "N *dT"], s: Float[np.ndarray, "N *dS"]
) -> dict[str, Float[np.ndarray, "..."]]:
    """The gradient in theta_A, by the names of its arrays, of a loss whose gradient in a(x_i) is s_i.

    The factors of s_i are those of one output, and their part of the gradient is sum_i v_i u_i^T.
    """
    (layer, prompt), found = parts(a), {}
    sums = [v[:, 0].T @ u for u, v in factors(a, x, s[:, None])]
    if layer is not None:
        found = {"weight": sums[0][:, :-1], "bias": sums[0][:, -1]}
    if prompt is not None:
        found["delta"] = sums[-1].reshape(prompt.delta.shape)
    return found


def with_arrays(a: InputMap, arrays: Callable) -> InputMap:
    """The same input map with `arrays(name, array)` in the place of each of its arrays."""
    return jax.tree_util.tree_map_with_path(lambda path, array: arrays(path[-1].name, array), a)


# Sources: a ReLU network forward and backward.


def layers_of(source) -> Layers:
    """(W, c) of every layer of a `DNN`, in float64."""
    return [(np.asarray(layer.weight, float), np.asarray(layer.bias, float)) for layer in source.layers]


def forward(layers: Layers, z: Float[np.ndarray, "N *dS"]) -> tuple[Float[np.ndarray, "N cS"], Callable]:
    """The scores of a ReLU network, and the function that pulls rows w of cotangents back to z: w J_S(z).

    It takes w of shape (k, c_S), the same rows for all inputs, or (N, k, c_S), and gives (N, k, *dS). By the chain rule
    J_S = W_L D_{L-1} W_{L-1} ... D_1 W_1, where the diagonal of D_h says which units of layer h are on.
    """
    h, on = z.reshape(len(z), -1), []
    for weight, bias in layers[:-1]:
        h = h @ weight.T + bias
        on.append(h > 0)
        h = np.maximum(h, 0)
    last, bias = layers[-1]

    def pull(w):
        back = w @ last
        back = np.broadcast_to(back, (len(z), *back.shape[-2:]))
        for (weight, _), units in zip(layers[-2::-1], on[::-1], strict=True):
            back = ((back * units[:, None]).reshape(-1, len(weight)) @ weight).reshape(len(z), -1, weight.shape[1])
        return back.reshape(len(z), -1, *z.shape[1:])

    return h @ last.T + bias, pull


def scores_and_jacobian(
    layers: Layers, z: Float[np.ndarray, "N *dS"]
) -> tuple[Float[np.ndarray, "N cS"], Float[np.ndarray, "N cS dS"]]:
    """f_S(z) and J_S(z) of a ReLU network."""
    scores, pull = forward(layers, z)
    return scores, pull(np.eye(scores.shape[1])).reshape(*scores.shape, -1)


def output_matrix(b, num_source: int) -> Float[np.ndarray, "cT cS"]:
    """A linear, fixed output map as a matrix."""
    if isinstance(b, IdentityOutput):
        return np.eye(num_source)
    if isinstance(b, LinearOutput):
        return np.asarray(b.matrix, float)
    raise MrntkError(f"output_map={type(b).__name__}: here it must be IdentityOutput or LinearOutput.")


def is_fully_connected(source) -> bool:
    """Whether a source is a ReLU network of linear layers alone, a `DNN`: its infinite-width twin says so."""
    return getattr(source, "twin", {}).get("architecture") == "dnn"
