"""The density of states of a symmetric operator from products K v alone: stochastic Lanczos quadrature with error bars."""

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
from matfree import decomp

from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.precision import in_float64
from .estimates import EPS, Estimate, check_matvec, check_sampling, leading


@dataclass(frozen=True)
class DensityOfStates:
    """How eigenvalues are spread over a grid of lambda > 0.

    `cumulative` is N(lambda) / n, the share of eigenvalues up to lambda. `density` is its derivative in log10 lambda, smoothed
    by a Gaussian of standard deviation `width` decades: the share of eigenvalues per decade.
    """

    grid: Float[np.ndarray, " k"]
    cumulative: Estimate
    density: Estimate
    width: float


@eqx.filter_jit
def _tridiagonals(matvec, starts, order: int):
    tridiagonalise = decomp.tridiag_sym(order, materialize=False, reortho="full", custom_vjp=False)
    return jax.lax.map(lambda start: tridiagonalise(matvec, start).J_small, starts)  # one Krylov basis at a time


@in_float64
def density_of_states(
    matvec: Callable,
    size: int,
    key: PRNGKeyArray,
    probes: int = 16,
    order: int = 64,
    grid: Float[Array, " k"] | None = None,
    *,
    width: float = 0.2,
    level: float = 0.95,
) -> DensityOfStates:
    """Density of states on a logarithmic grid, by stochastic Lanczos quadrature with Gaussian probes.

    Lanczos' method from a probe g gives nodes theta_j and weights tau_j^2, the Gauss quadrature of g's spectral measure; the
    mean over probes, weighted by ||g||^2, estimates the measure of all eigenvalues (Ubaru, Chen and Saad 2017).

    The error bars hold at every grid point by itself, with probability `level` or more. They join two errors:

    - Sampling: if m of n eigenvalues are at or below lambda, the weighted mean of B probes' shares has exactly the
      distribution Beta(m B / 2, (n - m) B / 2); `low` and `high` are the m / n at which it becomes improbable. No normality is
      assumed, so few probes and single eigenvalues are treated right. The density's bars are on the wide side here.
    - Quadrature: at theta_i <= lambda < theta_{i+1} a probe's true share lies between the sums of its first i - 1 and i + 1
      weights (Chebyshev, Markov, Stieltjes; Chen, Trogdon and Ubaru 2021), and the density follows by partial integration.
      This error vanishes once Lanczos' method has exhausted the Krylov space, so for order = n. Bars that narrow as the
      order grows are of this kind; the value itself is usually far better than they can promise.

    Parameters
    ----------
    matvec : a symmetric positive semi-definite operator, as `mrntk.spectrum.estimates` says.
    size : its dimension n.
    key : of the probes.
    probes : their number B, at least 2.
    order : Lanczos steps per probe, cut to n. An eigenvalue below about n * 2e-16 * lambda_max counts as 0.
    grid : ascending values of lambda > 0; by default 100 of them from the smallest to the largest node.
    width : standard deviation of the smoothing, in decades of lambda.
    level : probability with which each pair of bars holds.

    Returns
    -------
    DensityOfStates
        The grid, and the cumulative share and the density on it, each with its bars.

    Raises
    ------
    MrntkError
        If probes < 2, order < 1, the grid is not positive and ascending, width <= 0, level is no probability, or matvec is no
        symmetric float64 operator or returns NaN.
    """
    check_sampling(probes, level)
    if order < 1:
        raise MrntkError(f"order={order}: give the Lanczos steps per probe, at least 1.")
    if width <= 0:
        raise MrntkError(f"width={width}: give the smoothing in decades of lambda, above 0.")
    if grid is not None and not (len(grid) and grid[0] > 0 and np.isfinite(grid).all() and (np.diff(grid) > 0).all()):
        raise MrntkError("grid must be positive, finite and ascending, such as numpy.geomspace(1e-4, 1e2, 100).")
    check, key = jax.random.split(key)
    check_matvec(matvec, size, check)
    starts = jax.random.normal(key, (probes, size))
    rules = [
        _quadrature(*map(np.asarray, t), size)
        for t in zip(*_tridiagonals(matvec, starts, min(order, size)), strict=True)
    ]
    importance = np.asarray(jnp.sum(starts**2, axis=1) / jnp.sum(starts**2))
    grid = _default_grid(rules, size) if grid is None else np.asarray(grid)
    peak = 1 / (width * (2 * np.pi) ** 0.5)  # of the smoothing Gaussian: density / peak is a share

    def pooled(statistic):
        return np.tensordot(importance, [statistic(*rule) for rule in rules], 1)

    def estimate(statistic, unit):
        value, low, high = (np.where(share > 1 - 10 * size * EPS, 1.0, share) for share in pooled(statistic))
        return Estimate(unit * value, *(unit * bar for bar in _share_interval(low, high, size, probes, level)))

    cumulative = estimate(lambda *rule: _cumulative(grid, *rule), 1.0)
    density = estimate(lambda *rule: _smoothed(grid, width, *rule), peak)
    return DensityOfStates(grid, cumulative, density, float(width))


def _quadrature(diagonal, off_diagonal, size: int):
    """Nodes, ascending, their weights, and the nodes at which the weights stand in a lower and an upper bound.

    If the rule is not exact, the bounds of the cumulative sum put every weight at the next node and at the one before.
    """
    used = leading(diagonal, off_diagonal, size)
    nodes, vectors = scipy.linalg.eigh_tridiagonal(diagonal[:used], off_diagonal[: used - 1])
    weights = vectors[0] ** 2 / (vectors[0] ** 2).sum()
    exact = used < len(diagonal) or used == size
    late, early = (nodes, nodes) if exact else (np.append(nodes[1:], np.inf), np.append(0.0, nodes[:-1]))
    return nodes, weights, late, early


def _cumulative(grid, nodes, weights, late, early):
    """Sum of the weights up to every lambda, (3, k): the value, a lower and an upper bound."""
    sums = np.append(0.0, np.cumsum(weights))
    sums /= sums[-1]
    return np.array([sums[np.searchsorted(at, grid, side="right")] for at in (nodes, late, early)])


def _smoothed(grid, width: float, nodes, weights, late, early):
    """Sum of Gaussians of height 1 in log10 lambda at the nodes, (3, k): the value, a lower and an upper bound.

    With F between F_late and F_early, the integral of a bump that rises to lambda and then falls is largest for F_late on the
    left of lambda and F_early on its right, which leaves a mass F_early - F_late at lambda itself; smallest the other way.
    """

    def side(at, left: bool):
        with np.errstate(divide="ignore"):
            distance = (np.log10(grid)[:, None] - np.log10(np.maximum(at, 0.0))) / width
        return (np.exp(-(distance**2) / 2) * ((at <= grid[:, None]) == left)) @ weights

    _, below, above = _cumulative(grid, nodes, weights, late, early)
    value = side(nodes, True) + side(nodes, False)
    low = side(early, True) + side(late, False) - (above - below)
    high = side(late, True) + side(early, False) + (above - below)
    return np.array([value, np.maximum(low, 0.0), high])


def _default_grid(rules, size: int):
    nodes = np.concatenate([nodes for nodes, *_ in rules])
    top = nodes.max()
    if top <= 0:
        raise MrntkError(
            "matvec has no positive eigenvalue: nothing to show on a logarithmic grid, give another operator."
        )
    return np.geomspace(0.9 * nodes[nodes > size * EPS * top].min(), 1.1 * top, 100)


def _share_interval(low, high, size: int, probes: int, level: float):
    """From observed shares of n eigenvalues, low <= high, the confidence interval of the true share, both (k,).

    m eigenvalues' observed share has the distribution Beta(m B / 2, (n - m) B / 2). For a smoothed share, a sum of weights
    h_i <= 1 with sum m, it is less spread out than that, and for m < 1 than m times the share of one eigenvalue.
    """
    return _count(low, (1 + level) / 2, size, probes) / size, _count(high, (1 - level) / 2, size, probes) / size


def _count(share, probability: float, size: int, probes: int):
    """The m at which a share up to the observed one has this probability; it falls as m grows."""
    single = scipy.special.betaincinv(probes / 2, (size - 1) * probes / 2, probability) if size > 1 else 1.0
    below_one = share / single  # m if it is at most 1
    left, right = np.ones_like(share), np.full_like(share, size)
    for _ in range(60):
        middle = (left + right) / 2
        too_small = scipy.special.betainc(middle * probes / 2, (size - middle) * probes / 2, share) > probability
        left, right = np.where(too_small, middle, left), np.where(too_small, right, middle)
    return np.where(share == 1, size, np.where(below_one <= 1, below_one, left))
