"""Products K V with the NTK matrix without forming it.

Two routes to the same product, both linear operators w, (N, c) -> K w, (N, c), in float64:

- `model_operator`: K w = J (J^T w) by automatic differentiation, one reverse and one forward pass over the examples. It
  needs nothing but the model, and memory for one block of examples and one copy of theta.
- `factor_operator`: from the factors of `mrntk.model.input_maps`, K = sum_terms (u_i . u_j) (v_i v_j^T). The source's
  Jacobians are computed once and kept; a product is then two or three matrix products.

Called on arrays, an operator computes in float64 and returns NumPy; inside `jax.jit`, `vmap` or a library's loop it is an
ordinary JAX function, and its argument must be float64 (`mrntk.spectrum.estimates` sees to that).
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from ..model.input_maps import Factor
from ..model.reprogram import Reprogram
from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.precision import double, in_float64

SCRATCH_BYTES = 2**28  # what one chunk of a factor product may take


def _blocked_sum(part: Callable, size: int, block: int) -> PyTree[Float[Array, "..."]]:
    """Sum of part(start, length) over consecutive ranges that cover 0 ... size; the last may be shorter than `block`."""
    whole, rest = divmod(size, block)
    total = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(lambda: part(0, 1)))

    def add(i, total):
        return jax.tree.map(jnp.add, total, part(i * block, block))

    if whole:
        total = jax.lax.fori_loop(0, whole, add, total)
    return jax.tree.map(jnp.add, total, part(whole * block, rest)) if rest else total


class Operator(eqx.Module):
    """A symmetric linear operator w -> K w on arrays (N, c), or (N, c, k) for k vectors at once."""

    def __call__(self, w: Float[Array, "N c *k"]) -> Float[Array, "N c *k"]:
        if not isinstance(w, jax.core.Tracer):
            return _on_arrays(self, w)
        if w.dtype != jnp.float64:
            raise MrntkError(f"w is {w.dtype} inside a JAX transformation: trace it within jax.enable_x64(True).")
        return self.product(w)


@in_float64
@eqx.filter_jit
def _on_arrays(operator: Operator, w):
    return operator.product(w)


def _fitting(w, shape: tuple):
    """w itself, if it is (N, c) or (N, c, k); None stands for a size that is not known."""
    if w.ndim not in (2, 3) or any(known not in (None, size) for known, size in zip(shape, w.shape, strict=False)):
        raise MrntkError(f"w has shape {w.shape}: give (N, c) or (N, c, k) with (N, c) = {shape}.")
    return w


class ModelOperator(Operator):
    """K w = J (J^T w), J the Jacobian of all outputs with respect to `model.theta()`. Made by `model_operator`."""

    model: Reprogram
    x: Float[Array, "N *dT"]
    block: int = eqx.field(static=True)

    def product(self, w: Float[Array, "N c *k"]) -> Float[Array, "N c *k"]:
        n, c = len(self.x), jax.eval_shape(self.model, self.x[0]).shape[0]
        if _fitting(w, (n, c)).ndim == 3:
            return jax.vmap(self.product, in_axes=2, out_axes=2)(w)
        gradient = _blocked_sum(lambda start, length: self._pull(w, start, length), n, self.block)
        return self._push(gradient)

    def _pull(self, w, start, length: int):
        """J^T w over one block of examples, as a pytree like theta."""
        rows, weights = (jax.lax.dynamic_slice_in_dim(jnp.asarray(a), start, length) for a in (self.x, w))
        _, back = jax.vjp(lambda theta: jax.vmap(self.model.with_theta(theta))(rows), self.model.theta())
        return back(weights)[0]

    def _push(self, tangent):
        """J tangent, (N, c), block by block."""
        theta = self.model.theta()

        def one(x):
            return jax.jvp(lambda theta: self.model.with_theta(theta)(x), (theta,), (tangent,))[1]

        return jax.lax.map(one, jnp.asarray(self.x), batch_size=self.block)


class FactorOperator(Operator):
    """K w from stacked factors. Made by `factor_operator`."""

    factors: tuple[Factor, ...]
    scratch: int = eqx.field(static=True)

    def product(self, w: Float[Array, "N c *k"]) -> Float[Array, "N c *k"]:
        shape = self.factors[0].v.shape[:2] if self.factors else (None, None)
        columns = _fitting(w, shape).reshape(*w.shape[:2], -1)
        total = jnp.zeros(columns.shape, columns.dtype)
        for factor in self.factors:
            total += _term(jnp.asarray(factor.u), jnp.asarray(factor.v), columns, self.scratch)
        return total.reshape(w.shape)


def weight_space_is_cheaper(n: int, p: int, m: int) -> bool:
    """Whether U (U^T Z), 2 n p m multiplications, beats (U U^T) Z, n^2 (p + m), for U (n, p) and Z (n, m)."""
    return 2 * p * m <= n * (p + m)


def _term(u: Float[Array, "N p"], v: Float[Array, "N c m"], w: Float[Array, "N c k"], scratch: int):
    """v_i^T-weighted sum: out_i = v_i sum_j (u_i . u_j) (v_j^T w_j), never holding more than about `scratch` bytes."""
    (n, p), k = u.shape, w.shape[2]
    z = jnp.einsum("jcm,jck->jmk", v, w).reshape(n, -1)  # (N, m k): what every example puts into weight space

    def columns(start, length: int):  # a range of u's features
        a = jax.lax.dynamic_slice_in_dim(u, start, length, axis=1)
        return a @ (a.T @ z)

    def rows(start, length: int):  # a range of the examples j
        a, b = (jax.lax.dynamic_slice_in_dim(array, start, length) for array in (u, z))
        return (u @ a.T) @ b

    weight_space = weight_space_is_cheaper(n, p, z.shape[1])
    part, size, width = (columns, p, n + z.shape[1]) if weight_space else (rows, n, n)
    block = min(size, max(1, scratch // (width * z.dtype.itemsize)))
    mixed = _blocked_sum(part, size, block)
    return jnp.einsum("icm,imk->ick", v, mixed.reshape(n, -1, k))


def model_operator(model: Reprogram, x: Float[Array, "N *dT"], *, block: int = 64) -> ModelOperator:
    """The operator w -> Theta_T w of a model on inputs x, by automatic differentiation.

    Works for every `Reprogram` whose source has forward and reverse derivatives, with a trained output map as well.

    Parameters
    ----------
    model : differentiated with respect to `model.theta()`.
    x : inputs, (N, ...).
    block : examples that are differentiated together; the result does not depend on it.

    Returns
    -------
    ModelOperator
        On (N, c), or on (N, c, k), which takes k copies of theta. It is linear, symmetric, positive semi-definite, and a
        pytree, so `jax.jit` takes it as an argument; `equinox.filter_jit` compiles it as it is.

    Raises
    ------
    MrntkError
        If x holds NaN or infinite values or block < 1; when called, if w does not fit.
    """
    if not np.isfinite(np.asarray(x)).all():
        raise MrntkError("x holds NaN or infinite values: remove or replace those inputs first.")
    if block < 1:
        raise MrntkError(f"block={block}: give the number of examples that are differentiated together, at least 1.")
    return ModelOperator(double(model), double(x), block)


def factor_operator(factors: tuple[Factor, ...], *, scratch: int = SCRATCH_BYTES) -> FactorOperator:
    """The operator w -> K w of K = sum_terms (u_i . u_j) (v_i v_j^T), from stacked factors, without forming K.

    Every term takes the cheaper of two orders, by counting multiplications: through weight space, U (U^T Z), in chunks of
    the p features, or through the Gram matrix, (U U^T) Z, in blocks of examples; Z holds the v_j^T w_j.

    Parameters
    ----------
    factors : one `Factor` per term, u (N, p) and v (N, c, m), float64. No terms means K = 0.
    scratch : bytes that a chunk may take, next to factors, w and Z. The result does not depend on it.

    Returns
    -------
    FactorOperator
        On (N, c) or (N, c, k); a pytree.

    Raises
    ------
    MrntkError
        If factors are float32, do not agree in (N, c) or hold NaN, or scratch < 1; when called, if w does not fit.
    """
    if scratch < 1:
        raise MrntkError(f"scratch={scratch}: give the bytes that a chunk may take, at least 1.")
    for factor in factors:
        if np.asarray(factor.u).dtype != np.float64 or np.asarray(factor.v).dtype != np.float64:
            raise MrntkError("factors are not float64: compute them within jax.enable_x64(True).")
        if not (np.isfinite(np.asarray(factor.u)).all() and np.isfinite(np.asarray(factor.v)).all()):
            raise MrntkError("factors hold NaN or infinite values: look at the inputs and weights that made them.")
        if factor.u.shape[0] != factor.v.shape[0] or factor.v.shape[:2] != factors[0].v.shape[:2]:
            shapes = [(tuple(f.u.shape), tuple(f.v.shape)) for f in factors]
            raise MrntkError(f"factors have shapes {shapes}: give u (N, p) and v (N, c, m), one N and c for all terms.")
    return FactorOperator(tuple(double(factors)), scratch)
