"""Input maps a(.; theta_A): R^{d_T} -> R^{d_S} (the paper: input transformations), each of which knows its own kernel.

With theta_A trained and everything behind it frozen, the NTK of the reprogrammed model is (the paper, Definition 3, and the
chain rule)

    Theta_T(x, x') = g Theta_A(x, x') g'^T,        g = b J_S(a(x)) of shape (c_T, d_S).

For every input map here this is a short sum of products of two small Gram matrices,

    Theta_T(x, x') = sum_terms (u . u') (v v'^T),

with u, shape (p,), made from the input and v, shape (c_T, m), made from g. `factors` returns those pairs; nothing of the
size of theta_A is ever built. An input map that does not define `factors` inherits automatic differentiation.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.pinned import pinned

BIAS_STD = 0.1**0.5  # biases N(0, 0.1), as for the sources
LARGEST_WEIGHT = 2**31  # bytes that a stored W may take


class Factor(NamedTuple):
    """One term (u . u') (v v'^T) of Theta_T(x, x')."""

    u: Float[Array, "*N p"]
    v: Float[Array, "*N c m"]


class InputMap(eqx.Module):
    """The contract: call it on ONE input; its inexact array leaves are theta_A, and nothing else is."""

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, "*dS"]:
        raise TypeError(f"{type(self).__name__} must define __call__, the map a(x)")

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        """The factors of Theta_T at x; g = b J_S(a(x)). Here by automatic differentiation, with v = g da/dtheta_A."""
        theta, rest = eqx.partition(self, eqx.is_inexact_array)
        _, pull = jax.vjp(lambda theta: eqx.combine(theta, rest)(x), theta)
        v = jax.vmap(lambda row: jax.flatten_util.ravel_pytree(pull(row)[0])[0])(g)
        return (Factor(jnp.ones(1, v.dtype), v),)

    @property
    def num_parameters(self) -> int:
        """Number of trained values, len(theta_A)."""
        return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(self, eqx.is_inexact_array)))


class Identity(InputMap):
    """a(x) = x: nothing is trained, Theta_T = 0. The baseline "none" of the paper's experiments."""

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, "*dS"]:
        return x

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        return ()


class Resize(InputMap):
    """a(x) = resize(x) to the source's spatial size; nothing is trained, Theta_T = 0. "None" where the sizes differ."""

    source_shape: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, "*dS"]:
        if x.shape[0] != self.source_shape[0] or x.ndim != len(self.source_shape):
            raise MrntkError(
                f"x has shape {x.shape}, but the source takes {self.source_shape}: give it as many channels."
            )
        return jax.image.resize(x, self.source_shape, "linear", antialias=True)

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        return ()


def _same_size(x, shape: tuple[int, ...]):
    if x.size != math.prod(shape):
        raise MrntkError(f"x has shape {x.shape}: this input map was made for inputs of shape {shape}.")


class Watermark(InputMap):
    """a(x) = x + delta on inputs of the source's own shape, with delta = 0 at the start; Theta_A = I."""

    delta: Float[Array, "*dS"]

    def __init__(self, source_shape: tuple[int, ...]):
        self.delta = jnp.zeros(source_shape)

    def __call__(self, x: Float[Array, "*dS"]) -> Float[Array, "*dS"]:
        _same_size(x, self.delta.shape)
        return x + self.delta

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        return (Factor(jnp.ones(1, g.dtype), g.reshape(len(g), -1)),)


def _with_one(x: Float[Array, "*dT"]) -> Float[Array, " p"]:
    """u of a layer with bias: u . u' = x . x' + 1."""
    return jnp.append(x.ravel(), 1)


class FullyConnected(InputMap):
    """a(x) = W x + c, with Theta_A(x, x') = (x . x' + 1) I; weights N(0, 2 / d_T), biases N(0, 0.1).

    Parameters
    ----------
    target_shape : shape of ONE input x.
    source_shape : shape of ONE input of the source, which a(x) has.
    key : of the random weights and biases.

    Raises
    ------
    MrntkError
        If W would take more than 2 GiB in float32.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from mrntk import FullyConnected
    >>> layer = FullyConnected((1, 4, 4), (3, 8, 8), key=jax.random.key(0))
    >>> layer(jnp.ones((1, 4, 4))).shape
    (3, 8, 8)
    >>> layer.num_parameters  # 192 rows of 16 weights and a bias
    3264
    """

    weight: Float[Array, "dS dT"]
    bias: Float[Array, " dS"]
    source_shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, target_shape: tuple[int, ...], source_shape: tuple[int, ...], *, key: PRNGKeyArray):
        d_t, d_s = math.prod(target_shape), math.prod(source_shape)
        if 4 * d_s * d_t > LARGEST_WEIGHT:
            raise MrntkError(
                f"source_shape={source_shape}, target_shape={target_shape}: W would take {4 * d_s * d_t / 1e9:.1f} GB; "
                "use SeededFullyConnected, which never stores it, or VisualPrompt."
            )
        with pinned():  # drawn in float32, used in JAX's current precision
            key_w, key_b = jax.random.split(key)
            weight = jax.random.normal(key_w, (d_s, d_t)) * (2 / d_t) ** 0.5
            bias = jax.random.normal(key_b, (d_s,)) * BIAS_STD
        self.weight, self.bias = jnp.asarray(weight, float), jnp.asarray(bias, float)
        self.source_shape = tuple(source_shape)

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, "*dS"]:
        _same_size(x, self.weight.shape[1:])
        return (self.weight @ x.ravel() + self.bias).reshape(self.source_shape)

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        return (Factor(_with_one(x), g.reshape(len(g), -1)),)


class SeededFullyConnected(InputMap):
    """A fully connected layer at its random start whose W is drawn again, `rows` rows at a time, whenever a(x) is needed.

    For sizes at which W cannot be stored (1.4e9 entries from and to 112x112x3, 2.3e10 at 224x224x3). The kernel needs no W,
    only a(x) and x . x'; one evaluation of a batch draws W once, so evaluate all inputs in one batch. The entries depend on
    the key alone, whatever the precision, so a(x) is the same function every time. It holds no arrays and cannot be trained.
    """

    whole_batch = True  # tells mrntk.ntk.rows to evaluate all inputs at once

    key: PRNGKeyArray
    target_shape: tuple[int, ...] = eqx.field(static=True)
    source_shape: tuple[int, ...] = eqx.field(static=True)
    rows: int = eqx.field(static=True)

    def __init__(
        self, target_shape: tuple[int, ...], source_shape: tuple[int, ...], *, key: PRNGKeyArray, rows: int = 256
    ):
        self.key, self.rows = key, rows
        self.target_shape, self.source_shape = tuple(target_shape), tuple(source_shape)

    @property
    def num_parameters(self) -> int:
        return math.prod(self.source_shape) * (math.prod(self.target_shape) + 1)

    @pinned(x64=None)
    def weight_rows(self, i: Int[Array, ""]) -> tuple[Float[Array, "rows dT"], Float[Array, " rows"]]:
        """The i-th block of rows of W and of c, in float32."""
        key_w, key_b = jax.random.split(jax.random.fold_in(self.key, i))
        d_t = math.prod(self.target_shape)
        weight = jax.random.normal(key_w, (self.rows, d_t), jnp.float32) * jnp.float32((2 / d_t) ** 0.5)
        return weight, jax.random.normal(key_b, (self.rows,), jnp.float32) * jnp.float32(BIAS_STD)

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, "*dS"]:
        _same_size(x, self.target_shape)
        d_s = math.prod(self.source_shape)

        def some_rows(i):
            weight, bias = self.weight_rows(i)
            return weight.astype(x.dtype) @ x.ravel() + bias.astype(x.dtype)

        out = jax.lax.map(some_rows, jnp.arange(-(-d_s // self.rows)))
        return out.ravel()[:d_s].reshape(self.source_shape)

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        return (Factor(_with_one(x), g.reshape(len(g), -1)),)


def frame_mask(source_shape: tuple[int, ...], inner: tuple[int, ...]) -> np.ndarray:
    """True around a centred window of the spatial size `inner`, in every channel."""
    mask = np.ones(source_shape, bool)
    mask[window(source_shape, inner)] = False
    return mask


def window(source_shape: tuple[int, ...], inner: tuple[int, ...]) -> tuple[slice, ...]:
    """Index of the centred window of the spatial size `inner` in every channel of an input (channels, *spatial)."""
    starts = [(whole - part) // 2 for whole, part in zip(source_shape[1:], inner, strict=True)]
    return slice(None), *(slice(start, start + part) for start, part in zip(starts, inner, strict=True))


class VisualPrompt(InputMap):
    """a(x) = pad(resize(x)) + mask * sigmoid(delta), with delta = 0 at the start (the authors' form).

    Inputs are images (channels, height, width) or time series (channels, time). Only the entries of the prompt under the mask
    are kept in `delta`, so `num_parameters` counts what is trained.

    Parameters
    ----------
    source_shape : shape of ONE input of the source.
    inner : the spatial size to which x is resized before it is zero-padded to the source's; the side alone for a series.
    mask : a boolean array of the source's shape, which says where the prompt is added; the default is the frame around the
        image, or both ends of the series.

    Raises
    ------
    MrntkError
        If `inner` does not fit into the source's shape, or the mask has another shape or is empty.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from mrntk import VisualPrompt
    >>> prompt = VisualPrompt((1, 6, 6), (4, 4))
    >>> prompt.num_parameters  # a frame of 36 - 16 pixels
    20
    >>> prompt(jnp.ones((1, 4, 4)))[0, 0].tolist()  # sigmoid(0) in the frame
    [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    """

    delta: Float[Array, " m"]
    index: Int[Array, " m"]
    source_shape: tuple[int, ...] = eqx.field(static=True)
    inner: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, source_shape: tuple[int, ...], inner: tuple[int, ...] | int, *, mask: np.ndarray | None = None):
        spatial, inner = tuple(source_shape[1:]), (inner,) if isinstance(inner, int) else tuple(inner)
        if (
            not spatial
            or len(inner) != len(spatial)
            or not all(0 < i <= s for i, s in zip(inner, spatial, strict=True))
        ):
            raise MrntkError(f"inner={inner} does not fit into source_shape={source_shape}, channels first.")
        mask = frame_mask(source_shape, inner) if mask is None else np.asarray(mask, bool)
        if mask.shape != tuple(source_shape):
            raise MrntkError(f"mask has shape {mask.shape}: give it the source's shape {tuple(source_shape)}.")
        if not mask.any():
            raise MrntkError("mask is empty, so there is nothing to train: choose a smaller inner or another mask.")
        self.index = jnp.asarray(np.flatnonzero(mask))
        self.delta = jnp.zeros(len(self.index))
        self.source_shape, self.inner = tuple(source_shape), tuple(inner)

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, "*dS"]:
        channels = self.source_shape[0]
        if x.ndim != len(self.source_shape) or x.shape[0] != channels:
            grey = x.ndim == 3 and (x.shape[0], channels) == (1, 3)
            advice = (
                "make grey images RGB by task.as_rgb()" if grey else "give it as many axes and channels, channels first"
            )
            raise MrntkError(f"x has shape {x.shape}, but the source takes {self.source_shape}: {advice}.")
        small = jax.image.resize(x, (channels, *self.inner), "linear", antialias=True)
        canvas = jnp.zeros(self.source_shape, small.dtype).at[window(self.source_shape, self.inner)].set(small)
        return canvas.ravel().at[self.index].add(jax.nn.sigmoid(self.delta)).reshape(self.source_shape)

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        slope = jax.nn.sigmoid(self.delta) * jax.nn.sigmoid(-self.delta)  # sigmoid'(delta), the diagonal of D
        v = g.reshape(len(g), -1)[:, self.index] * slope
        return (Factor(jnp.ones(1, v.dtype), v),)


class FullyConnectedPrompt(InputMap):
    """VP+FC: a layer at the size of the window, then the padded frame: a(x) = pad(W x + c) + mask * sigmoid(delta).

    Theta_T(x, x') = (x . x' + 1) g_in . g'_in + (g D) . (g' D), with g_in the part of g inside the window.
    """

    fully_connected: FullyConnected
    prompt: VisualPrompt

    def __init__(
        self, target_shape: tuple[int, ...], source_shape: tuple[int, ...], inner: tuple[int, ...], *, key: PRNGKeyArray
    ):
        self.prompt = VisualPrompt(source_shape, inner)
        self.fully_connected = FullyConnected(target_shape, (source_shape[0], *inner), key=key)

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, "*dS"]:
        return self.prompt(self.fully_connected(x))

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        inside = g[(slice(None), *window(self.prompt.source_shape, self.prompt.inner))]
        return self.fully_connected.factors(x, inside) + self.prompt.factors(x, g)


INNER = 5 / 7  # of the source's side, for the image inside a prompt: 20 of 28 pixels


class Kind(NamedTuple):
    """One row of `INPUT_MAPS`: what a kind of input map is called, what it trains, and how it is made."""

    label: str  # in figures and tables
    words: str  # in a sentence
    has_layer: bool  # trains W and c
    has_prompt: bool  # trains delta in a frame around a window
    make: Callable  # (target_shape, source_shape, window, key) -> InputMap


INPUT_MAPS = {
    "fc": Kind("FC", "a fully connected layer", True, False, lambda target, source, window, key:
               FullyConnected(target, source, key=key)),
    "vp": Kind("VP", "a prompt", False, True, lambda target, source, window, key: VisualPrompt(source, window)),
    "vp_fc": Kind("VP+FC", "a layer inside a prompt", True, True, lambda target, source, window, key:
                  FullyConnectedPrompt(target, source, window, key=key)),
    "none": Kind("none", "nothing trained", False, False, lambda target, source, window, key: Resize(source)),
    "watermark": Kind("watermark", "a watermark", False, False, lambda target, source, window, key: Watermark(source)),
}  # fmt: skip


def make_input_map(
    name: str,
    target_shape: tuple[int, ...],
    source_shape: tuple[int, ...],
    *,
    key: PRNGKeyArray | None,
    inner: float = INNER,
) -> InputMap:
    """The input map of that name in `INPUT_MAPS`, at its start.

    Parameters
    ----------
    name : a name of `INPUT_MAPS`.
    target_shape : shape of ONE input of the target task.
    source_shape : shape of ONE input of the source.
    key : of the random weights; maps without a layer do not look at it.
    inner : share of the source's side that an image keeps in a prompt.

    Raises
    ------
    MrntkError
        For another name.

    Examples
    --------
    >>> from mrntk import make_input_map
    >>> make_input_map("vp", (1, 8, 8), (1, 20, 20), key=None, inner=0.6).num_parameters  # 400 - 144 pixels
    256
    """
    if name not in INPUT_MAPS:
        raise MrntkError(f"map={name!r} is unknown: choose one of {', '.join(INPUT_MAPS)}.")
    window = tuple(max(1, round(inner * side)) for side in source_shape[1:])
    return INPUT_MAPS[name].make(tuple(target_shape), tuple(source_shape), window, key)
