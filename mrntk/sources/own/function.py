"""A source from any function of one example that is written in JAX."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float, PyTree

from ...support.arrays import Array
from ...support.errors import MrntkError, first_line
from ..contract import PRECISIONS, shapes_of


class FunctionSource(eqx.Module):
    """f_S(s) = function(s), or function(weights, s); make it with `from_function`."""

    function: Callable
    weights: PyTree
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __call__(self, s: Float[Array, "*dS"]) -> Float[Array, " cS"]:
        return _call(self.function, self.weights, s)


def _call(function, weights, s):
    return function(s) if weights is None else function(weights, s)


def _traced(call: Callable, shape: tuple[int, ...], dtype):
    """What the function gives for one input, by shape and type alone; nothing is computed."""
    try:
        return shapes_of(call, shape, dtype)
    except MrntkError:
        raise
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise MrntkError(
            f"function cannot be traced by JAX ({first_line(error)}): write it with jax.numpy instead of NumPy, and without "
            "Python branches on the values of s."
        ) from error
    except Exception as error:
        if dtype == jnp.float64:  # it has worked in float32
            raise MrntkError(
                f"function works in float32, but not in float64, in which kernels are computed ({first_line(error)}): arrays "
                "that it closes over stay float32, so give a module itself, or function(weights, s) with weights=."
            ) from error
        raise MrntkError(
            f"function fails on an input of shape {shape} ({first_line(error)}): give the input_shape of ONE "
            "example, without a batch axis, and a function of it written in JAX."
        ) from error


def _check_gradient(call: Callable, shape: tuple[int, ...], dtype):
    """Trace one backward pass, for functions that JAX runs but cannot differentiate, such as callbacks and `while_loop`."""
    try:
        shapes_of(call, shape, dtype, backwards=True)
    except Exception as error:
        raise MrntkError(
            f"function cannot be differentiated backwards by JAX ({first_line(error)}): write it with operations that have a "
            "gradient."
        ) from error


def _checked_shape(input_shape) -> tuple[int, ...]:
    if input_shape is None:
        raise MrntkError(
            "input_shape is missing: give the shape of ONE input of the function, for example (3, 32, 32)."
        )
    try:
        shape = tuple(int(size) for size in input_shape)
    except TypeError:
        shape = ()
    if not shape or min(shape) < 1:
        raise MrntkError(f"input_shape={input_shape}: give a tuple of positive sizes, for example (3, 32, 32).")
    return shape


def from_function(
    function: Callable,
    input_shape: tuple[int, ...] | None = None,
    num_outputs: int | None = None,
    name: str | None = None,
    *,
    weights: PyTree = None,
) -> FunctionSource:
    """A source from a function of ONE example written in JAX.

    Parameters
    ----------
    function : `function(s) -> (c_S,)`, or `function(weights, s) -> (c_S,)` if `weights` is given; images are (channels, height,
        width) with values in [0, 1]. It may be an Equinox module. It may close over arrays, which keep their precision:
        float32 ones limit what a float64 kernel is worth, and where JAX does not mix them with float64, as in convolutions, the
        function is refused.
    input_shape : shape of s; default, `function.input_shape` where there is one.
    num_outputs : c_S, only to be checked; default, what the function gives.
    name : default, that of the function.
    weights : a pytree of arrays, which float64 computations convert.

    Raises
    ------
    MrntkError
        If the function is not one that JAX can trace and differentiate in float32 and in float64, fails on `input_shape`, or
        does not give a vector of `num_outputs` real numbers. This is found by tracing; the function is not computed.
    """
    if not callable(function):
        raise MrntkError(f"function={function!r} cannot be called: give a function of ONE example.")
    shape = _checked_shape(getattr(function, "input_shape", None) if input_shape is None else input_shape)
    call = jax.tree_util.Partial(_call, function, weights)
    out = _traced(call, shape, jnp.float32)
    if not isinstance(out, jax.ShapeDtypeStruct) or out.ndim != 1 or not jnp.issubdtype(out.dtype, jnp.floating):
        found = f"{out.dtype}{list(out.shape)}" if isinstance(out, jax.ShapeDtypeStruct) else type(out).__name__
        raise MrntkError(
            f"function gives {found} for one input: make it give one vector of floats, for example by ravel()."
        )
    if num_outputs not in (None, out.size):
        raise MrntkError(f"num_outputs={num_outputs}, but function gives {out.size}: make them equal, or leave it out.")
    for dtype in PRECISIONS:
        _traced(call, shape, dtype)
        _check_gradient(call, shape, dtype)
    own = getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__)
    return FunctionSource(function, weights, shape, out.size, name or own.strip("<>"))
