"""What sources that check their input have in common, and the proof that a source can be differentiated in both precisions."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from ..support.errors import MrntkError, first_line
from ..support.pinned import pinned
from ..support.precision import double

PRECISIONS = (jnp.float32, jnp.float64)


def check_input(source, s):
    """Raise unless s has the shape that the source takes.

    Raises
    ------
    MrntkError
        Naming both shapes.
    """
    if s.shape != source.input_shape:
        raise MrntkError(f"s has shape {s.shape}: source {source.name} takes ONE input of shape {source.input_shape}.")


def _backwards(function, s):
    outputs, pull = jax.vjp(function, s)
    return pull(jnp.ones_like(outputs))


def shapes_of(function: Callable, input_shape: tuple[int, ...], dtype, *, backwards: bool = False):
    """What the function gives for one input in that precision, or its gradient: shapes and types, by tracing alone."""
    wide = dtype == jnp.float64
    with pinned(x64=wide):
        s = jax.ShapeDtypeStruct(input_shape, dtype)
        function = double(function) if wide else function
        return eqx.filter_eval_shape(_backwards, function, s) if backwards else eqx.filter_eval_shape(function, s)


def prove(source, argument: str):
    """Trace a source forwards and backwards in float32 and in float64, in which kernels are computed.

    Raises
    ------
    MrntkError
        If that fails; `argument` begins the sentence.
    """
    for dtype in PRECISIONS:
        try:
            shapes_of(source, source.input_shape, dtype, backwards=True)
        except Exception as error:
            raise MrntkError(
                f"{argument} cannot be differentiated in {jnp.dtype(dtype).name} ({first_line(error)}): choose another."
            ) from error
