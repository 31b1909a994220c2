"""Spectral estimates of a symmetric operator from products K v alone, with error bars that hold.

`matvec` is a JAX function from float64 vectors of length `size` to such vectors; `flat` makes one from an operator on
(N, c) arrays, as those of `mrntk.ntk.operators` are. Lanczos' method, with full reorthogonalisation, and the trace integrand
come from matfree. Everything runs in float64 and depends on the key alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.special
import scipy.stats
from jaxtyping import Float, PRNGKeyArray
from matfree import decomp, stochtrace

from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.precision import in_float64

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Estimate:
    """A value between its error bars, low <= value <= high: three numbers or three arrays of one shape."""

    value: float | Float[np.ndarray, " k"]
    low: float | Float[np.ndarray, " k"]
    high: float | Float[np.ndarray, " k"]


class _Flat(eqx.Module):
    operator: Callable
    n: int = eqx.field(static=True)
    c: int = eqx.field(static=True)

    def __call__(self, v):
        return self.operator(v.reshape(self.n, self.c)).reshape(-1)


def flat(operator: Callable, n: int, c: int) -> Callable:
    """An operator on (n, c) arrays as a `matvec` on vectors of length n c, in the order of `spectrum.as_matrix`."""
    return _Flat(operator, n, c)


def check_matvec(matvec: Callable, size: int, key: PRNGKeyArray):
    """Two products show whether `matvec` is a symmetric operator on float64 vectors of length `size`."""
    if size < 1:
        raise MrntkError(f"size={size}: give the length of the vectors, at least 1.")
    one, two = jax.random.normal(key, (2, size))
    try:
        shape = jax.eval_shape(matvec, one)
    except (TypeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise MrntkError(
            f"matvec does not take a vector of length size={size} inside JAX ({reason}): give a JAX function, and for an "
            "operator on (N, c) arrays flat(operator, N, c) with size = N c."
        ) from error
    if getattr(shape, "shape", None) != (size,) or shape.dtype != jnp.float64:
        raise MrntkError(
            f"matvec returns {shape} for a float64 vector of length size={size}: it must return float64 of the same shape."
        )
    first, second = _apply(matvec, (one, two))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise MrntkError("matvec returns NaN or infinite values: look at the inputs and weights behind the operator.")
    scale = np.linalg.norm(two) * np.linalg.norm(first)
    if abs(two @ first - one @ second) > 1e-6 * scale:
        raise MrntkError("matvec is not symmetric, u.Kv and v.Ku differ: give the operator of a train-train kernel.")


@eqx.filter_jit
def _product(matvec, v):
    return matvec(v)


def _apply(matvec, rows) -> Float[np.ndarray, "k n"]:
    """K times every row, one after another."""
    return np.stack([np.asarray(_product(matvec, row)) for row in rows])


def _complement(basis: Float[Array, "n b"], v: Float[Array, " n"]) -> Float[Array, " n"]:
    return v - basis @ (basis.T @ v)


def _deflated(matvec: Callable, basis: Float[Array, "n b"]) -> Callable:
    """P K P, with P the projection onto the complement of the orthonormal basis."""
    return lambda v: _complement(basis, matvec(_complement(basis, v)))


# ---- largest eigenvalues


@eqx.filter_jit
def _lanczos(matvec, basis, start, order: int):
    """Orthonormal rows Q (order, n), diagonal and off-diagonal of the tridiagonal Q P K P Q^T, and the last coupling."""
    tridiagonalise = decomp.tridiag_sym(order, materialize=False, reortho="full", custom_vjp=False)
    q, (diagonal, off_diagonal), residual, _ = tridiagonalise(_deflated(matvec, basis), _complement(basis, start))
    return q, diagonal, off_diagonal, jnp.linalg.norm(residual)


def leading(diagonal, off_diagonal, size: int) -> int:
    """Steps until the Krylov space was exhausted: what Lanczos' method returns behind a vanishing coupling is noise."""
    seen = np.abs(np.concatenate([diagonal, off_diagonal]))
    couples = off_diagonal > size * EPS * np.max(seen, where=np.isfinite(seen), initial=0.0)  # False for NaN
    steps = len(diagonal) if couples.all() else int(np.argmin(couples)) + 1
    if not np.isfinite(diagonal[:steps]).all():
        raise MrntkError("matvec returned NaN or infinite values during the iteration: look at the operator's weights.")
    return steps


def _new_directions(matvec, basis, k: int, floor: float, key, order: int, tolerance: float):
    """Up to k Ritz vectors (n, <= k) of P K P, of largest values; those above `floor` settled to `tolerance`, relative."""
    size, taken = basis.shape
    padded = np.pad(basis, ((0, 0), (0, -taken % 8)))  # few shapes, few compilations
    start = jax.random.normal(key, (size,))
    steps = min(max(2 * k + 10, 30), order)
    while True:
        q, diagonal, off_diagonal, coupling = map(np.asarray, _lanczos(matvec, padded, start, steps))
        used = min(leading(diagonal, off_diagonal, size), size - taken)
        values, vectors = scipy.linalg.eigh_tridiagonal(diagonal[:used], off_diagonal[: used - 1])
        values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k]
        exhausted = used < steps or used == size - taken
        errors = 0 * values if exhausted else coupling * np.abs(vectors[-1])
        settled = (errors <= tolerance * max(abs(values[0]), floor)) | (values + errors <= floor)
        if settled.all() and (exhausted or len(values) == k):
            return q[:used].T @ vectors
        if steps == order:
            raise MrntkError(
                f"order={order}: {k} eigenvalues need more Lanczos steps: raise order, tolerance or lower k."
            )
        steps = min(2 * steps, order)


@in_float64
def largest_eigenvalues(
    matvec: Callable,
    size: int,
    k: int,
    key: PRNGKeyArray,
    *,
    order: int | None = None,
    tolerance: float = 1e-8,
) -> Estimate:
    """The k largest eigenvalues, largest first and with their multiplicities, by Lanczos' method.

    From one starting vector the method sees every distinct eigenvalue once. So it runs again in the complement of what it
    found, from another random vector, until a run adds nothing to the largest k; the number of runs is the largest
    multiplicity among them plus one.

    Parameters
    ----------
    matvec : a symmetric operator, as the module says.
    size : its dimension n.
    k : how many eigenvalues, at most n.
    key : of the starting vectors.
    order : the most Lanczos steps in a run, default n. A run starts with max(2 k + 10, 30) of them and doubles as needed;
        memory is order * n numbers.
    tolerance : a run ends when its residuals are below this fraction of the largest eigenvalue.

    Returns
    -------
    Estimate
        Three arrays (k,). value: the Ritz values theta_j, which are never above lambda_j. low, high: theta_j -+
        ||K q_j - theta_j q_j||, computed afterwards with K itself; each such interval holds an eigenvalue of K (Parlett 1998,
        Theorem 4.5.1), and it is the j-th largest unless all random starting vectors were orthogonal to one that was missed.

    Raises
    ------
    MrntkError
        If k > size, `order` does not suffice, or matvec is no symmetric float64 operator or returns NaN.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from mrntk import largest_eigenvalues
    >>> diagonal = np.array([1.0, 2.0, 3.0, 3.0])
    >>> found = largest_eigenvalues(lambda v: diagonal * v, 4, 3, jax.random.key(0))
    >>> found.value.round(6).tolist(), bool((found.high - found.low < 1e-6).all())
    ([3.0, 3.0, 2.0], True)
    """
    if not 1 <= k <= size:
        raise MrntkError(f"k={k}: ask for 1 to size={size} eigenvalues.")
    if order is not None and order < k:
        raise MrntkError(f"order={order}: k={k} eigenvalues need at least as many Lanczos steps.")
    key, check = jax.random.split(key)
    check_matvec(matvec, size, check)
    basis, known = np.zeros((size, 0)), np.zeros(0)
    while True:
        key, run = jax.random.split(key)
        floor = known[-1] if len(known) == k else -np.inf
        wanted = min(k, size - basis.shape[1])
        new = _new_directions(matvec, basis, wanted, floor, run, min(order or size, size), tolerance)
        basis, _ = np.linalg.qr(np.hstack([basis, new]))
        values, basis, errors = _rayleigh_ritz(matvec, basis, k)
        complete = len(values) == k and (
            len(known) == k and (values - known <= 2 * tolerance * abs(values[0])).all() or len(values) == size
        )
        if complete:
            return Estimate(values, values - errors, values + errors)
        known = values


def _rayleigh_ritz(matvec, basis: Float[np.ndarray, "n b"], k: int):
    """The k largest Ritz values in the span of the basis, their vectors, and how far from an eigenvalue each can be."""
    images = _apply(matvec, basis.T).T
    small = basis.T @ images
    values, vectors = (part[..., ::-1][..., :k] for part in scipy.linalg.eigh((small + small.T) / 2))
    ritz = basis @ vectors
    residuals = np.linalg.norm(images @ vectors - ritz * values, axis=0) / np.linalg.norm(ritz, axis=0)
    return values, ritz, residuals + len(basis) * EPS * np.abs(values).max()


# ---- trace


@eqx.filter_jit
def _trace_samples(matvec, basis, probes, key):
    """g^T P K P g for Rademacher g."""
    sample = stochtrace.sampler_signs(jnp.zeros(len(basis)), num=probes)
    integrand = stochtrace.monte_carlo_trace()
    return jax.lax.map(lambda g: integrand(_deflated(matvec, basis), g), sample(key))


@in_float64
def trace(
    matvec: Callable,
    size: int,
    key: PRNGKeyArray,
    probes: int = 30,
    *,
    deflate: int = 10,
    level: float = 0.95,
) -> Estimate:
    """The trace by Hutchinson's estimator with Rademacher probes, and a confidence interval: mean -+ t * standard error.

    A kernel's trace often sits in a few eigenvalues, and then the samples are far from normal and the interval too short.
    So the trace on the span of `deflate` random images K g is computed exactly, and only the rest is sampled (Meyer et al.
    2021, Hutch++). `deflate=0` is the plain estimator (Hutchinson 1990).

    Parameters
    ----------
    matvec : a symmetric operator, as the module says.
    size : its dimension n.
    key : of the probes.
    probes : number of samples, at least 2.
    deflate : dimension of the part that is computed exactly; it costs 2 * deflate products, next to one per probe.
    level : how often the interval holds the trace, over keys; asymptotically in the number of probes.

    Returns
    -------
    Estimate
        Three floats.

    Raises
    ------
    MrntkError
        If probes < 2, deflate < 0, level is no probability, or matvec is no symmetric float64 operator or returns NaN.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from mrntk import trace
    >>> diagonal = np.arange(1.0, 51.0)
    >>> found = trace(lambda v: diagonal * v, 50, jax.random.key(0), deflate=0)
    >>> round(found.value, 6), found.high - found.low < 1e-6  # K is diagonal: g^T K g = tr K for signs g
    (1275.0, True)
    """
    check_sampling(probes, level)
    if deflate < 0:
        raise MrntkError(f"deflate={deflate}: give the dimension that is treated exactly, 0 or more.")
    check, sketch, key = jax.random.split(key, 3)
    check_matvec(matvec, size, check)
    basis, known = np.zeros((size, 0)), 0.0
    if deflate:
        images = _apply(matvec, jax.random.rademacher(sketch, (min(deflate, size), size), float))
        basis, _ = np.linalg.qr(images.T)
        known = float(np.sum(basis.T * _apply(matvec, basis.T)))
    samples = np.asarray(_trace_samples(matvec, basis, probes, key))
    value = known + float(samples.mean())
    quantile = float(scipy.stats.t.ppf((1 + level) / 2, probes - 1))
    half = quantile * float(samples.std(ddof=1)) / probes**0.5 + size * EPS * abs(value)
    return Estimate(value, value - half, value + half)


def check_sampling(probes: int, level: float):
    if probes < 2:
        raise MrntkError(f"probes={probes}: error bars need at least 2 probes.")
    if not 0 < level < 1:
        raise MrntkError(f"level={level}: give a probability between 0 and 1, such as 0.95.")


# ---- density of states
