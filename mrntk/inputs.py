"""Input transformations a(.; theta_A): R^{d_T} -> R^{d_S}, each of which knows its own kernel.

Only theta_A is trained, so the NTK of the reprogrammed model is (PAPER.md, Definition 3 and the chain rule)

    Theta_T(x, x') = g Theta_A(x, x') g'^T,        g = b J_S(a(x)) of shape (c_T, d_S).

For every transformation here this is a short sum of products of two small Gram matrices,

    Theta_T(x, x') = sum_terms (u . u') (v v'^T),

with u, shape (p,), made from the input and v, shape (c_T, m), made from g. `factors` returns those pairs; nothing of the
size of theta_A is ever built. A transformation that does not define `factors` inherits automatic differentiation.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from .arrays import Array
from .errors import MrntkError

BIAS_STD = 0.1**0.5  # biases N(0, 0.1), as for the sources


class Factor(NamedTuple):
    """One term (u . u') (v v'^T) of Theta_T(x, x')."""

    u: Float[Array, " p"]
    v: Float[Array, "c m"]


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


class FullyConnected(InputMap):
    """a(x) = W x + c, with Theta_A(x, x') = (x . x' + 1) I; weights N(0, 2 / d_T), biases N(0, 0.1)."""

    weight: Float[Array, "dS dT"]
    bias: Float[Array, " dS"]
    source_shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, target_shape: tuple[int, ...], source_shape: tuple[int, ...], *, key: PRNGKeyArray):
        d_t, d_s = math.prod(target_shape), math.prod(source_shape)
        key_w, key_b = jax.random.split(key)
        self.weight = jax.random.normal(key_w, (d_s, d_t)) * (2 / d_t) ** 0.5
        self.bias = jax.random.normal(key_b, (d_s,)) * BIAS_STD
        self.source_shape = tuple(source_shape)

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, "*dS"]:
        return (self.weight @ x.ravel() + self.bias).reshape(self.source_shape)

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        u = jnp.append(x.ravel(), 1)  # u . u' = x . x' + 1
        return (Factor(u, g.reshape(len(g), -1)),)


def frame_mask(source_shape: tuple[int, ...], inner: tuple[int, int]) -> np.ndarray:
    """True on the frame around a centred (height, width) window, in every channel."""
    _, height, width = source_shape
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    mask = np.ones(source_shape, bool)
    mask[:, top : top + inner[0], left : left + inner[1]] = False
    return mask


class VisualPrompt(InputMap):
    """a(x) = pad(resize(x)) + mask * sigmoid(delta), with delta = 0 at the start (the authors' form).

    `inner` is the size to which the image is resized before it is zero-padded to the source's size. `mask`, a boolean array
    of the source's shape, says where the prompt is added; the default is the frame around the image. Only the entries under
    the mask are kept in `delta`, so `num_parameters` counts what is trained.
    """

    delta: Float[Array, " m"]
    index: Int[Array, " m"]
    source_shape: tuple[int, ...] = eqx.field(static=True)
    inner: tuple[int, int] = eqx.field(static=True)

    def __init__(self, source_shape: tuple[int, ...], inner: tuple[int, int], *, mask: np.ndarray | None = None):
        if len(source_shape) != 3 or not all(0 < i <= s for i, s in zip(inner, source_shape[1:], strict=True)):
            raise MrntkError(f"inner={inner} does not fit into source_shape={source_shape}, (channels, height, width).")
        mask = frame_mask(source_shape, inner) if mask is None else np.asarray(mask, bool)
        if mask.shape != tuple(source_shape):
            raise MrntkError(f"mask has shape {mask.shape}: give it the source's shape {tuple(source_shape)}.")
        if not mask.any():
            raise MrntkError("mask is empty, so there is nothing to train: choose a smaller inner or another mask.")
        self.index = jnp.asarray(np.flatnonzero(mask))
        self.delta = jnp.zeros(len(self.index))
        self.source_shape, self.inner = tuple(source_shape), tuple(inner)

    def __call__(self, x: Float[Array, "channels height width"]) -> Float[Array, "*dS"]:
        channels, height, width = self.source_shape
        if x.shape[0] != channels:
            raise MrntkError(
                f"x has {x.shape[0]} channels, but the source takes {channels}: repeat or average them first."
            )
        top, left = (height - self.inner[0]) // 2, (width - self.inner[1]) // 2
        small = jax.image.resize(x, (channels, *self.inner), "linear", antialias=True)
        canvas = jnp.zeros(self.source_shape, small.dtype)
        canvas = canvas.at[:, top : top + self.inner[0], left : left + self.inner[1]].set(small)
        return canvas.ravel().at[self.index].add(jax.nn.sigmoid(self.delta)).reshape(self.source_shape)

    def factors(self, x: Float[Array, "*dT"], g: Float[Array, "c *dS"]) -> tuple[Factor, ...]:
        slope = jax.nn.sigmoid(self.delta) * jax.nn.sigmoid(-self.delta)  # sigmoid'(delta), the diagonal of D
        v = g.reshape(len(g), -1)[:, self.index] * slope
        return (Factor(jnp.ones(1, v.dtype), v),)
