"""The theory's own source: a kernel ridge machine f_S(s) = Y_S^T [K_S + sigma_S I]^{-1} k_S(X_S, s).

A kernel is a JAX function `kernel(x1, x2)` from inputs (N, ...) and (M, ...) to the matrix (N, M). Three are made here: the
infinite-width NTK of a ReLU network in closed form, any kernel of neural-tangents, and <Phi(s), Phi(s')> for an explicit Phi.
"""

from collections.abc import Callable
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float

from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.precision import in_float64
from .networks import BIAS_STD


def coefficients(
    k_s: Float[np.ndarray, "N N"], y: Float[np.ndarray, "N cS"], ridge: float
) -> Float[np.ndarray, "N cS"]:
    """[K_S + ridge I]^{-1} Y_S by Cholesky, in float64.

    Raises
    ------
    MrntkError
        If K_S + ridge I is not positive definite, or so close to singular that nothing of the solution could be trusted:
        its reciprocal condition number is below N times the rounding unit.
    """
    if ridge < 0:
        raise MrntkError(f"ridge={ridge}: it is added to eigenvalues that are not negative: give zero or more.")
    n = len(k_s)
    matrix = np.asarray(k_s, np.float64) + ridge * np.eye(n)
    try:
        factor = scipy.linalg.cho_factor(matrix)
        reciprocal_condition, _ = scipy.linalg.lapack.dpocon(factor[0], np.abs(matrix).sum(0).max())
    except scipy.linalg.LinAlgError:
        reciprocal_condition = 0.0
    if reciprocal_condition < n * np.finfo(np.float64).eps:
        raise MrntkError(
            f"ridge={ridge}: K_S + ridge I is singular in double precision (two equal source inputs, or more inputs than "
            "features): raise ridge, or remove duplicates."
        )
    return scipy.linalg.cho_solve(factor, np.asarray(y, np.float64))


class KernelMachine(eqx.Module):
    """f_S(s) = alpha^T k_S(X_S, s), with alpha = [K_S + sigma_S I]^{-1} Y_S. Call it on ONE input; make it with `fit`.

    X_S and alpha are kept as float64 NumPy arrays, so `empirical_ntk` and everything else in 64-bit JAX sees them in full;
    in 32-bit JAX they are rounded, which an alpha made from a nearly singular K_S feels.
    """

    x: Float[Array, "N *dS"]
    alpha: Float[Array, "N cS"]
    kernel: Callable = eqx.field(static=True)
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    @classmethod
    @in_float64
    def fit(
        cls,
        kernel: Callable,
        x: Float[Array, "N *dS"],
        y: Float[Array, "N cS"],
        *,
        ridge: float = 0.0,
        name: str | None = None,
    ) -> "KernelMachine":
        """Ridge regression on the source data, in float64.

        Parameters
        ----------
        kernel : JAX function from (N, ...) and (M, ...) to (N, M); two machines share compiled code if it is the same object.
        x, y : source inputs X_S (N_S, ...) and targets Y_S (N_S, c_S).
        ridge : sigma_S, in the units of the kernel.
        name : default, the kernel's.

        Raises
        ------
        MrntkError
            If x and y differ in length or hold NaN or infinite values, the kernel has the wrong shape, or K_S + sigma_S I
            is singular.

        Examples
        --------
        >>> import numpy as np
        >>> from mrntk import KernelMachine
        >>> from mrntk.sources import relu_ntk
        >>> x, y = np.eye(3), np.array([[1.0], [2.0], [3.0]])
        >>> machine = KernelMachine.fit(relu_ntk(2), x, y)
        >>> machine.name, machine.input_shape, machine.num_outputs
        ('relu-ntk-d2', (3,), 1)
        >>> [round(float(machine(s)[0]), 3) for s in x]  # without a ridge it interpolates
        [1.0, 2.0, 3.0]
        """
        for argument, values in (("x", x), ("y", y)):
            if not np.isfinite(values).all():
                raise MrntkError(f"{argument} holds NaN or infinite values: remove or replace those examples first.")
        k_s = np.asarray(jax.jit(kernel)(x, x))
        if k_s.shape != (len(x), len(x)):
            raise MrntkError(
                f"kernel gives shape {k_s.shape} for {len(x)} inputs: it must map (N,...), (M,...) to (N, M)."
            )
        alpha = coefficients(k_s, y, ridge)
        return cls(x, alpha, kernel, tuple(x.shape[1:]), y.shape[1], name or kernel.__name__)

    def __call__(self, s: Float[Array, "*dS"]) -> Float[Array, " cS"]:
        return self.kernel(self.x, s[None])[:, 0] @ self.alpha


def arc_cosine(s11: Array, s12: Array, s22: Array) -> tuple[Array, Array]:
    """E[relu(u) relu(v)] and E[step(u) step(v)] for Gaussian (u, v) with that covariance (Cho & Saul 2009).

    Where u = +-v the angle between them has a kink: one-sided derivatives of opposite sign, no derivative. Its gradient is
    set to zero there, the mean of the two sides, which is also what central differences give.
    """
    positive = s11 * s22 > 0
    norm = jnp.sqrt(jnp.where(positive, s11 * s22, 1))
    cos = s12 / norm
    squared = 1 - cos**2
    apart = squared > 32 * jnp.finfo(cos.dtype).eps  # below, it is rounding
    sin = jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1)), 0)  # two `where`, so that no gradient meets 1/0
    angle = jnp.arctan2(sin, cos)
    relu = jnp.where(positive, norm, 0) * (sin + (jnp.pi - angle) * cos) / (2 * jnp.pi)
    return relu, (jnp.pi - angle) / (2 * jnp.pi)


@cache  # equal arguments give the same object, hence the same compiled code
def relu_ntk(depth: int, w_std: float = 2**0.5, b_std: float = BIAS_STD) -> Callable:
    """Infinite-width NTK of a fully connected ReLU network, in closed form and differentiable.

    The same convention as `mrntk.ntk.infinite.depth_kernels(x, "dnn")`: `depth` counts linear layers, and

        S_0 = w_std^2 x.x'/d + b_std^2,  S_h = w_std^2 E[sigma sigma'] + b_std^2,  D_h = w_std^2 E[dsigma dsigma'],
        Theta_0 = S_0,                   Theta_h = S_h + D_h Theta_{h-1}.

    From depth 2 on, k_S(s, s') has a kink at s = s'; see `arc_cosine` for the gradient there.

    Source: Jacot et al. 2018; the recursion of `mrntk.ntk.infinite` with D of the last linear layer equal to 1.
    """
    if depth < 1:
        raise MrntkError(f"depth={depth} is too small: a network has at least one layer.")
    w2, b2 = w_std**2, b_std**2

    def kernel(x1: Float[Array, "N *dS"], x2: Float[Array, "M *dS"]) -> Float[Array, "N M"]:
        x1, x2 = (jnp.asarray(x).reshape(len(x), -1) for x in (x1, x2))
        d = x1.shape[1]
        s11 = w2 * jnp.sum(x1**2, 1)[:, None] / d + b2  # (N, 1)
        s22 = w2 * jnp.sum(x2**2, 1)[None, :] / d + b2  # (1, M)
        theta = s12 = w2 * (x1 @ x2.T) / d + b2  # (N, M)
        for _ in range(depth - 1):
            relu, slope = arc_cosine(s11, s12, s22)
            s11, s12, s22 = w2 * s11 / 2 + b2, w2 * relu + b2, w2 * s22 / 2 + b2
            theta = s12 + w2 * slope * theta
        return theta

    kernel.__name__ = f"relu-ntk-d{depth}"
    return kernel


@cache
def nt_kernel(kernel_fn: Callable, name: str = "nt-kernel") -> Callable:
    """The NTK of a neural-tangents `kernel_fn`, the third of what `stax.serial` returns, as a kernel for `KernelMachine`.

    Images come as (N, channels, height, width), as everywhere in `mrntk`, and go to `kernel_fn` with channels last. A purely
    fully connected network needs `stax.Flatten()` first. Build the network after `mrntk.ntk.compat.neural_tangents()`.
    """

    def kernel(x1: Float[Array, "N *dS"], x2: Float[Array, "M *dS"]) -> Float[Array, "N M"]:
        x1, x2 = (jnp.moveaxis(jnp.asarray(x), 1, -1) for x in (x1, x2))
        return kernel_fn(x1, x2, "ntk")

    kernel.__name__ = name
    return kernel


@cache
def feature_kernel(phi: Callable) -> Callable:
    """k_S(s, s') = <Phi(s), Phi(s')> for an explicit feature map `phi` of ONE input, R^{d_S} -> R^D, kept as `kernel.phi`.

    Arrays that `phi` closes over should be NumPy's in float64: JAX's own may have been rounded to float32 already.
    """

    def kernel(x1: Float[Array, "N *dS"], x2: Float[Array, "M *dS"]) -> Float[Array, "N M"]:
        return jax.vmap(phi)(jnp.asarray(x1)) @ jax.vmap(phi)(jnp.asarray(x2)).T

    kernel.__name__, kernel.phi = "feature-kernel", phi
    return kernel
