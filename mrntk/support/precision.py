"""float64 where it is needed, whatever the process default is."""

from functools import wraps

import jax
import jax.numpy as jnp
import numpy as np

from .pinned import pinned


def double(tree):
    """The same tree with every floating array as a float64 array of NumPy, which keeps its precision outside `jax.enable_x64`,
    where JAX would cut its own to float32; keys, integers and functions stay untouched."""

    def convert(leaf):
        is_array = isinstance(leaf, jax.Array | np.ndarray)
        return np.asarray(leaf, np.float64) if is_array and jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(convert, tree)


def in_float64(function):
    """Decorate a function so that it runs in 64-bit JAX, on float64 copies of its arguments, and returns float64."""

    @wraps(function)
    def wrapped(*args, **kwargs):
        with pinned(x64=True):
            return double(function(*double(args), **double(kwargs)))

    return wrapped
