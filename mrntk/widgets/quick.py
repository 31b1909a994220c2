"""What makes widgets quick: NumPy where JAX would compile anew for every shape, and one thread for small matrices."""

from collections.abc import Callable, Sequence
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from threadpoolctl import ThreadpoolController

from ..sources.networks import BIAS_STD


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread():
    """Inside this context linear algebra runs on one thread.

    For some hundred rows that is quicker, above all on cores that others use as well, where threads wait for each other.
    """
    return _pools().limit(limits=1)


def resize_matrix(size: int, new_size: int) -> Float[np.ndarray, "new old"]:
    """R with R @ row = the row interpolated linearly to another length; an image becomes R X R'^T.

    The weights are those of `jax.image.resize(..., "linear", antialias=True)`: a triangle around each new pixel's place, as
    wide as the larger of the two pixel sizes, made to sum to 1.
    """
    step = size / new_size
    places = (np.arange(new_size) + 0.5) * step - 0.5
    weights = np.maximum(1 - np.abs(places[:, None] - np.arange(size)) / max(step, 1), 0)
    return weights / weights.sum(1, keepdims=True)


def drawn(make: Callable, seed: int | Sequence[int]):
    """`make(key)` with its arrays drawn from the paper's distributions: matrices N(0, 2 / fan in), vectors N(0, 0.1)."""
    rng, shapes = np.random.default_rng(seed), eqx.filter_eval_shape(make, jax.random.key(0))

    def fill(leaf):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        std = (2 / leaf.shape[1]) ** 0.5 if len(leaf.shape) > 1 else BIAS_STD
        return jnp.asarray(std * rng.normal(size=leaf.shape), leaf.dtype)

    return jax.tree.map(fill, shapes)
