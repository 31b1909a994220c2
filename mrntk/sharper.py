"""Sharper statements than the paper's bound: not vacuous where that one is."""

from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from .arrays import Array
from .precision import in_float64
from .reprogram import Reprogram
from .spectrum import spectrum


def smallest(matrix: Float[np.ndarray, "..."]) -> float:
    """lambda_min of a kernel matrix, exactly 0 where it is not above the rank tolerance of `mrntk.spectrum`."""
    found = spectrum(matrix)
    return found.min if found.min > found.tolerance else 0.0


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
    """
    rows = np.asarray(g).reshape(g.shape[0] * g.shape[1], -1)
    return float(smallest(rows @ rows.T) * (1 + (x.reshape(len(x), -1) ** 2).sum(1).min()))


class Capacity(NamedTuple):
    """Whether Theta_T can be positive definite at all."""

    trained: int  # entries of theta: for a visual prompt, of the prompt
    outputs: int  # N c
    possible: bool
    largest: int  # the most examples for which it is possible


def capacity(model: Reprogram, x: Float[Array, "N *dT"]) -> Capacity:
    """The capacity law: lambda_min[Theta_T] > 0 needs N c <= the number of trained values.

    Theta_T is the Gram matrix of N c gradients, vectors of that many entries, and more vectors than entries are linearly
    dependent. It is necessary, not sufficient. It binds for visual prompts, which train few values.
    """
    trained = model.input_map.num_parameters + sum(leaf.size for leaf in jax.tree.leaves(model.theta()[1]))
    c = eqx.filter_eval_shape(model, x[0]).shape[0]
    return Capacity(trained, len(x) * c, len(x) * c <= trained, trained // c)


def training_floor(theta: Float[np.ndarray, "..."], residual: Float[np.ndarray, "N c"]) -> float:
    """The loss that is left after infinite training of the linearised model, 1/(2N) ||P r||^2.

    A component of the residual r = f - y along an eigenvector of eigenvalue lambda shrinks by 1 - eta lambda / N a step; where
    lambda = 0 it stays. P projects onto those eigenvectors, eigenvalues up to the rank tolerance of `mrntk.spectrum`.

    Parameters
    ----------
    theta : Theta_T, (N, c, N, c) or (N c, N c). residual : f_T(x_i) - y_i before training, (N, c).
    """
    found = spectrum(theta, vectors=True)
    stuck = found.vectors[:, : len(found.values) - found.rank].T @ residual.ravel()
    return float(stuck @ stuck / (2 * len(residual)))
