"""The empirical NTK of a reprogrammed model, exactly and in float64.

The only expensive thing is g = b J_S(a(x)), the source's input Jacobian, shape (c_T, d_S) an example. It is computed once an
example; the input map then contracts it in closed form (see `mrntk.inputs`).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..arrays import Array
from ..errors import MrntkError
from ..inputs import Factor
from ..precision import in_float64
from ..reprogram import Reprogram


def jacobian_rows(model: Reprogram, x: Float[Array, "*dT"]) -> Float[Array, "c *dS"]:
    """g = b J_S(a(x)) for ONE input: the gradient of every output with respect to the source's input."""
    return jax.jacrev(model.after_input)(model.input_map(x))


@eqx.filter_jit
def _factors(model: Reprogram, x: Float[Array, "N *dT"], block: int) -> tuple[Factor, ...]:
    """The factors of all examples, `block` at a time, stacked along a leading axis."""
    return jax.lax.map(lambda one: model.input_map.factors(one, jacobian_rows(model, one)), x, batch_size=block)


def _checked(x, argument: str):
    if not np.isfinite(np.asarray(x)).all():
        raise MrntkError(f"{argument} holds NaN or infinite values: remove or replace those inputs first.")
    return x


@in_float64
def empirical_ntk(
    model: Reprogram,
    x: Float[Array, "N *dT"],
    x_other: Float[Array, "M *dT"] | None = None,
    *,
    block: int = 64,
) -> Float[np.ndarray, "N c M c"]:
    """Theta_T(x, x_other) with respect to theta_A (paper, Definition 3), in float64.

    Parameters
    ----------
    model : the reprogrammed model; only its input map counts as trained.
    x, x_other : inputs; `x_other` defaults to `x`.
    block : examples whose Jacobians are computed together. The result does not depend on it.

    Returns
    -------
    Array (N, c_T, M, c_T). `.reshape(N * c, M * c)` is the matrix of the theory.

    Raises
    ------
    MrntkError
        If the inputs hold NaN or infinite values.
    """
    first = _factors(model, jnp.asarray(_checked(x, "x")), block)
    second = first if x_other is None else _factors(model, jnp.asarray(_checked(x_other, "x_other")), block)
    other = x if x_other is None else x_other
    c = jax.eval_shape(model, x[0]).shape[0]
    kernel = jnp.zeros((len(x), c, len(other), c))
    for one, two in zip(first, second, strict=True):
        kernel += (one.u @ two.u.T)[:, None, :, None] * jnp.einsum("icm,jdm->icjd", one.v, two.v)
    return np.asarray(kernel)
