"""The paper's lower bound on lambda_min[Theta_T], term by term, and the sharper one that replaces it for a fully connected map.

In the theory's world the source is a `KernelMachine` with an explicit feature map (`feature_kernel`). With J(s) the (D, d_S)
Jacobian of Phi at s, and

    M = b Y_S^T [K_S + sigma_S I]^{-1} Phi(X_S)^T,      (c_T, D),

the reprogrammed model is f_T(x) = M Phi(a(x)), so by the chain rule (Eqs. 15 to 18)

    grad f_T(x)    = M J(a(x)) grad_theta a(x),
    Theta_T(x, x') = M J(a(x)) Theta_A(x, x') J(a(x'))^T M^T,      Theta_S^A(x, x') = J(a(x)) J(a(x'))^T,
    Theta_S^b      = M M^T = b Y_S^T [K_S + sigma_S I]^{-1} K_S [K_S + sigma_S I]^{-1} Y_S b^T.

A smallest eigenvalue counts as exactly 0 when it is not above the rank tolerance of `mrntk.spectrum`, n eps lambda_max.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..model.input_maps import InputMap
from ..model.reprogram import Reprogram
from ..ntk.empirical import empirical_ntk
from ..sources.kernel_machine import coefficients
from ..spectrum import smallest_eigenvalue, spectrum
from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.precision import in_float64

LARGEST = 2**31  # bytes that a Theta_A written out in full may take


def feature_map(model: Reprogram) -> Callable:
    """Phi of the model's source.

    Raises
    ------
    MrntkError
        If the source is no `KernelMachine` made with `feature_kernel`.
    """
    phi = getattr(getattr(model.source, "kernel", None), "phi", None)
    if phi is None:
        raise MrntkError("model: its source has no explicit features: fit a KernelMachine with feature_kernel(phi).")
    return phi


def output_matrix(model: Reprogram) -> Float[Array, "cT cS"]:
    """b as a matrix.

    Raises
    ------
    MrntkError
        If the output map is trained or not linear, which Assumption 2 excludes.
    """
    b, probe = model.output_map, jnp.linspace(0.5, 1.5, model.source.num_outputs)
    matrix = jax.jacrev(b)(jnp.zeros_like(probe))
    if getattr(b, "trained", False) or not jnp.allclose(b(probe), matrix @ probe, rtol=1e-9, atol=1e-12):
        raise MrntkError("model: Assumption 2 wants a linear output map that is not trained: use LinearOutput.")
    return matrix


def _readout(model: Reprogram) -> Float[Array, "cT D"]:
    """M of the module's first lines."""
    return output_matrix(model) @ model.source.alpha.T @ jax.vmap(feature_map(model))(jnp.asarray(model.source.x))


def feature_jacobian(phi: Callable, s: Float[Array, "*dS"]) -> Float[Array, "D d"]:
    """J(s) at ONE source input, which is flattened."""
    return jax.jacrev(lambda flat: phi(flat.reshape(s.shape)))(s.ravel())


def input_gradient(input_map: InputMap, x: Float[Array, "*dT"]) -> Float[Array, "d P"]:
    """grad_theta a(x) at ONE input, with respect to the P entries of theta_A; a(x) is flattened.

    Its products with itself are Theta_A (Eq. 17).
    """
    theta, rest = eqx.partition(input_map, eqx.is_inexact_array)
    leaves = jax.tree.leaves(jax.jacrev(lambda theta: eqx.combine(theta, rest)(x).ravel())(theta))
    return jnp.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)


@in_float64
def target_gradient(model: Reprogram, x: Float[Array, "N *dT"]) -> Float[np.ndarray, "N c P"]:
    """Eq. 15: M J(a(x)) grad_theta a(x), the gradient of f_T with respect to the P entries of theta_A.

    Its products with itself are Theta_T (Eq. 16). It builds all of it, so it is for small models; `empirical_ntk` never does.
    """
    phi, m, a = feature_map(model), _readout(model), model.input_map
    return np.asarray(jax.vmap(lambda x: m @ feature_jacobian(phi, a(x)) @ input_gradient(a, x))(jnp.asarray(x)))


def _theta_a_factors(input_map: InputMap, x: Float[Array, "*dT"]):
    """The factors with g = I, which are those of Theta_A itself, at ONE input."""
    s = jax.eval_shape(input_map, x)
    return input_map.factors(x, jnp.eye(s.size).reshape(s.size, *s.shape))


@in_float64
def theta_a(input_map: InputMap, x: Float[Array, "N *dT"]) -> Float[np.ndarray, "N dS N dS"]:
    """Theta_A(X_T, X_T), Eq. 17, in full, from the closed form that the input map knows.

    Fully connected: (x.x' + 1) I. Visual prompt: diag(mask * sigmoid'(delta))^2. Watermark: I.

    Raises
    ------
    MrntkError
        If it would take more than 2 GB; `theta_a_min` needs its blocks only.
    """
    n, d_s = len(x), jax.eval_shape(input_map, x[0]).size
    if 8 * (n * d_s) ** 2 > LARGEST:
        raise MrntkError(f"x has {n} inputs, so Theta_A takes {8e-9 * (n * d_s) ** 2:.1f} GB: use theta_a_min.")
    out = jnp.zeros((n, d_s, n, d_s))
    for term in jax.vmap(lambda one: _theta_a_factors(input_map, one))(jnp.asarray(x)):
        out += (term.u @ term.u.T)[:, None, :, None] * jnp.einsum("iam,jbm->iajb", term.v, term.v)
    return np.asarray(out)


@in_float64
def theta_a_min(input_map: InputMap, x: Float[Array, "N *dT"]) -> float:
    """lambda_min[Theta_A(X_T, X_T)], by structure.

    For every map of `mrntk.model.input_maps`, Theta_A is a sum of terms (U U^T) (x) diag(w): the same diagonal for all inputs.
    Sorted by source coordinate it is then block diagonal, with one N x N block sum_terms w_k U U^T per coordinate k, so its
    smallest eigenvalue is the smallest of theirs. As blocks grow with w, only coordinates that no other one undercuts are
    looked at.

    Hence it is 0 for a prompt or a watermark as soon as N > 1 (U U^T = 11^T, rank 1), for a prompt that leaves any pixel
    out (w = 0) at once, and for a fully connected map as soon as N > d_T + 1 (U U^T = X X^T + 1). For other maps it comes
    from `theta_a`.
    """
    x = jnp.asarray(x)
    first = _theta_a_factors(input_map, x[0])
    if not first:
        return 0.0  # nothing is trained
    squares = [term.v @ term.v.T for term in first]

    def one(x):
        terms = _theta_a_factors(input_map, x)
        same = [jnp.array_equal(term.v, at_first.v) for term, at_first in zip(terms, first, strict=True)]
        return [term.u for term in terms], jnp.all(jnp.array(same))

    us, same = jax.lax.map(one, x)
    if not (same.all() and all(jnp.array_equal(square, jnp.diag(jnp.diag(square))) for square in squares)):
        return smallest_eigenvalue(theta_a(input_map, x))
    grams = np.stack([u @ u.T for u in us])
    w = np.unique(np.stack([np.diag(square) for square in squares], axis=1), axis=0)  # (coordinates, terms)
    undercut = [((w <= row).all(1) & (w < row).any(1)).any() for row in w]
    return min(smallest_eigenvalue(np.tensordot(row, grams, 1)) for row in w[~np.array(undercut)])


@in_float64
def theta_s_a(phi: Callable, s: Float[Array, "*dS"]) -> Float[np.ndarray, "D D"]:
    """Theta_S^A(x, x) = J(s) J(s)^T, Eq. 18, at ONE transformed input s = a(x). Its rank is at most d_S."""
    jacobian = np.asarray(feature_jacobian(phi, jnp.asarray(s)))
    return jacobian @ jacobian.T


@in_float64
def theta_s_b(
    k_s: Float[Array, "N N"], y: Float[Array, "N cS"], *, b: Float[Array, "cT cS"] | None = None, ridge: float = 0.0
) -> Float[np.ndarray, "c c"]:
    """Theta_S^b = b Y_S^T [K_S + ridge I]^{-1} K_S [K_S + ridge I]^{-1} Y_S b^T, for any kernel matrix K_S on X_S.

    It needs no features: with K_S = Phi Phi^T it is M M^T of the module's first lines. It falls as 1/k when K_S is multiplied
    by k (ridge 0), and is singular when some combination of the outputs has no labels, as every row of centred one-hot labels
    sums to zero.

    Parameters
    ----------
    k_s : K_S, the kernel matrix on X_S.
    y : source labels Y_S.
    b : the output map as a matrix; default, the identity.
    ridge : sigma_S, in the units of the kernel.

    Raises
    ------
    MrntkError
        If K_S + ridge I is singular.

    Examples
    --------
    Two classes, two examples each. Without a ridge, twice the kernel is half of Theta_S^b.

    >>> import numpy as np
    >>> from mrntk.theory import theta_s_b
    >>> y = np.eye(2)[[0, 1, 0, 1]]
    >>> [theta_s_b(k * np.eye(4), y).round(6).tolist() for k in (1, 2)]
    [[[2.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]]
    """
    alpha = coefficients(k_s, y, ridge)
    out = alpha.T @ k_s @ alpha
    out = (out + out.T) / 2  # rounding
    return out if b is None else b @ out @ b.T


@dataclass(frozen=True)
class Bound:
    """Every factor of lambda_min[Theta_T] >= theta_a * min_t theta_s_a[t] * theta_s_b, and the truth, as smallest eigenvalues."""

    theta_a: float
    theta_s_a: Float[np.ndarray, " N"]
    theta_s_b: float
    theta_t: float  # lambda_min[Theta_T] itself

    @property
    def product(self) -> float:
        """The lower bound."""
        return float(self.theta_a * self.theta_s_a.min() * self.theta_s_b)

    @property
    def vacuous(self) -> bool:
        """Whether the bound says no more than what holds for every Gram matrix."""
        return self.product == 0


@in_float64
def bound(model: Reprogram, x: Float[Array, "N *dT"]) -> Bound:
    """The lower bound on lambda_min[Theta_T] that Corollary 1 rests on, factor by factor, beside the true value.

    Why it holds: for a vector v of blocks v_t, put w_t = J(a(x_t))^T M^T v_t. Then v^T Theta_T v = w^T Theta_A w, and

        w^T Theta_A w >= lambda_min[Theta_A] sum_t ||w_t||^2,
        ||w_t||^2     >= lambda_min[Theta_S^A(x_t, x_t)] ||M^T v_t||^2,
        ||M^T v_t||^2 >= lambda_min[Theta_S^b] ||v_t||^2.

    Parameters
    ----------
    model : its source a `KernelMachine` with explicit features, its output map linear and not trained.
    x : target inputs X_T.

    Raises
    ------
    MrntkError
        For a model of another kind.

    Examples
    --------
    Phi(s) = 2 s has J = 2 I, and M = I / 2. A watermark has Theta_A = I; at one input the bound is attained.

    >>> import numpy as np
    >>> from mrntk import KernelMachine, Reprogram, Watermark
    >>> from mrntk.sources.kernel_machine import feature_kernel
    >>> from mrntk.theory import bound
    >>> source = KernelMachine.fit(feature_kernel(lambda s: 2 * s), np.eye(2), np.eye(2))
    >>> found = bound(Reprogram(Watermark((2,)), source), np.ones((1, 2)))
    >>> [round(float(value), 6) for value in (found.theta_a, *found.theta_s_a, found.theta_s_b, found.product, found.theta_t)]
    [1.0, 4.0, 0.25, 1.0, 1.0]
    """
    m, phi = np.asarray(_readout(model)), feature_map(model)
    per_target = np.array([smallest_eigenvalue(theta_s_a(phi, s)) for s in jax.vmap(model.input_map)(jnp.asarray(x))])
    truth = smallest_eigenvalue(empirical_ntk(model, x))
    return Bound(theta_a_min(model.input_map, x), per_target, smallest_eigenvalue(m @ m.T), truth)


def smallest_of_gram(rows: Float[np.ndarray, "n m"]) -> float:
    """lambda_min[R R^T] from the singular values of R, which keep the digits that R R^T loses.

    Exactly 0 where they say that the rows are dependent.
    """
    n, m = rows.shape
    if n > m:
        return 0.0
    values = np.linalg.svd(rows, compute_uv=False)
    return float(values[-1] ** 2) if values[-1] > m * np.finfo(float).eps * values[0] else 0.0


def bound_from_gradients(
    m: Float[np.ndarray, "c D"], j: Float[np.ndarray, "N D d"], a: Float[np.ndarray, "N d P"]
) -> Bound:
    """`bound` from the three factors of Eq. 15 written out, so for small models, by `smallest_of_gram`.

    It is plain NumPy: another number of inputs compiles nothing.

    Parameters
    ----------
    m : M of the module's first lines.
    j : J(a(x_t)) of every target input, see `feature_jacobian`.
    a : grad_theta a(x_t) of every target input, see `input_gradient`.
    """
    gradient = m @ j @ a
    return Bound(
        theta_a=smallest_of_gram(a.reshape(-1, a.shape[2])),
        theta_s_a=np.array([smallest_of_gram(one) for one in j]),
        theta_s_b=smallest_of_gram(m),
        theta_t=smallest_of_gram(gradient.reshape(-1, gradient.shape[2])),
    )


@in_float64
def hadamard_bound(g: Float[Array, "N c *dS"], x: Float[Array, "N *dT"]) -> float:
    """For a fully connected map, lambda_min[Theta_T] >= lambda_min[G G^T] * (1 + min_i ||x_i||^2).

    Theta_T = (G G^T) o (K_x (x) 11^T) with K_x = X X^T + 11^T and G the (N c, d_S) rows g_i = b J_S(a(x_i)). A Hadamard
    product with a positive semi-definite B keeps order: A >= lambda I gives A o B >= lambda I o B = lambda diag(B) (Schur),
    and the diagonal of K_x (x) 11^T is 1 + ||x_i||^2. Any source will do; it is not vacuous while G has full rank, for which
    N c <= d_S is needed.

    Parameters
    ----------
    g : `jax.vmap(lambda one: jacobian_rows(model, one))(x)`, in float64.
    x : target inputs X_T.

    Examples
    --------
    Two gradients of length 3, at right angles, and inputs of squared lengths 1 and 4: 9 (1 + 1).

    >>> import numpy as np
    >>> from mrntk.theory import hadamard_bound
    >>> round(hadamard_bound(3 * np.eye(2).reshape(2, 1, 2), np.diag([1.0, 2.0])), 6)
    18.0
    """
    rows = np.asarray(g).reshape(g.shape[0] * g.shape[1], -1)
    return float(smallest_eigenvalue(rows @ rows.T) * (1 + (x.reshape(len(x), -1) ** 2).sum(1).min()))


class Assumption3(NamedTuple):
    """lambda_min[Theta_S^A(x_t, x_t)] of every target point against lambda_min[K_S]."""

    theta_s_a: Float[np.ndarray, " N"]
    k_s: float
    rank: Int[np.ndarray, " N"]  # of Theta_S^A(x_t, x_t), never above d_S
    num_inputs: int  # d_S
    num_features: int  # D
    holds: bool


@in_float64
def assumption3(phi: Callable, x_s: Float[Array, "NS *dS"], s: Float[Array, "N *dS"]) -> Assumption3:
    """Check Assumption 3, lambda_min[Theta_S^A(x_t, x_t)] >= lambda_min[K_S], at transformed targets s_t = a(x_t).

    Theta_S^A(x, x) = J J^T is D x D with J of size (D, d_S), so its rank is at most d_S: with more features than inputs the
    left side is 0, and the assumption can only hold if K_S is singular too. A linear Phi has J constant and D <= d_S.
    """
    features = np.asarray(jax.vmap(phi)(jnp.asarray(x_s)))
    grams = [theta_s_a(phi, one) for one in s]
    left = np.array([smallest_eigenvalue(gram) for gram in grams])
    right = smallest_eigenvalue(features @ features.T)
    rank = np.array([spectrum(gram).rank for gram in grams])
    return Assumption3(left, right, rank, s[0].size, features.shape[1], bool((left >= right).all()))


class GeneralisationTerm(NamedTuple):
    """The two terms of Theorem 2's bound on the generalisation gap."""

    kernel: float
    confidence: float


def generalisation_term(
    theta: Float[np.ndarray, "N c N c"], *, rho: float, B: float, T: float, L: float, Gamma: float, delta: float
) -> GeneralisationTerm:
    """Theorem 2: (2 rho B sqrt(T) / N) sum_{t,t'} |Theta_T(x_t, x_t')|, and 3 L Gamma sqrt(log(2 / delta) / (2 N)).

    |Theta_T(x, x')| of a c x c block is read here as the sum of its entries' absolute values, the largest of the usual
    readings. Stated, not derived; known at second hand only, as all of the paper.

    Parameters
    ----------
    theta : Theta_T on the target inputs.
    rho, B, L, Gamma : the theorem's constants (Assumption 1: Lipschitz constants and bounds).
    T : the training time.
    delta : one minus the confidence.

    Raises
    ------
    MrntkError
        If delta is not between 0 and 1.
    """
    if not 0 < delta < 1:
        raise MrntkError(f"delta={delta}: one minus the confidence lies strictly between 0 and 1.")
    n = len(theta)
    kernel = 2 * rho * B * T**0.5 / n * np.abs(theta).sum()
    return GeneralisationTerm(float(kernel), float(3 * L * Gamma * (np.log(2 / delta) / (2 * n)) ** 0.5))
