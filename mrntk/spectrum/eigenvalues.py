"""Eigenvalues of a kernel matrix, in float64, and what they say about a target."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from ..support.arrays import Array
from ..support.errors import MrntkError


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues in ascending order and, when they were asked for, the orthonormal eigenvectors as columns."""

    values: Float[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n n"] | None
    tolerance: float

    @property
    def min(self) -> float:
        return float(self.values[0])

    @property
    def max(self) -> float:
        return float(self.values[-1])

    @property
    def mean(self) -> float:
        """trace / n."""
        return float(self.values.mean())

    @property
    def rank(self) -> int:
        """Number of eigenvalues above `tolerance`."""
        return int((self.values > self.tolerance).sum())

    @property
    def condition(self) -> float:
        """lambda_max / lambda_min; infinite when lambda_min is not above `tolerance`."""
        return self.max / self.min if self.min > self.tolerance else float("inf")

    @property
    def participation_ratio(self) -> float:
        """trace(K)^2 / ||K||_F^2, from 1 (one eigenvalue) to n (all equal); 0 for the zero matrix."""
        shares = self._shares()
        return float(1 / (shares**2).sum()) if len(shares) else 0.0

    @property
    def effective_rank(self) -> float:
        """exp of the entropy of the eigenvalues' shares of the trace (Roy and Vetterli 2007); 0 for the zero matrix.

        It lies between `participation_ratio` and `rank`: both are such exponentials of an entropy, of order 1 and 2.
        """
        shares = self._shares()
        return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0

    def _shares(self) -> Float[np.ndarray, " rank"]:
        """The positive eigenvalues over their sum."""
        positive = self.values[self.values > self.tolerance]
        return positive / positive.sum()

    def label_weights(self, y: Float[Array, "..."]) -> Float[np.ndarray, " n"]:
        """Share of ||y||^2 along every eigenvector, in the order of `values` (Arora et al. 2019).

        Parameters
        ----------
        y : n entries as (n,), or as (N, c) with N c = n; or (n, c), c target vectors whose shares are pooled.

        Raises
        ------
        MrntkError
            If there are no eigenvectors, or y does not fit them or is zero.
        """
        if self.vectors is None:
            raise MrntkError("vectors=False: call spectrum(kernel, vectors=True), label weights need the eigenvectors.")
        columns = _columns(y, len(self.values))
        return ((self.vectors.T @ columns) ** 2).sum(1) / (columns**2).sum()

    def cumulative_label_weight(self, y: Float[Array, "..."]) -> Float[np.ndarray, " n"]:
        """Share of ||y||^2 that the k eigenvectors of largest eigenvalue explain, k = 1 ... n.

        The label-weighted cumulative spectrum: y as for `label_weights`, and the same errors. The last entry is 1.
        """
        return np.cumsum(self.label_weights(y)[::-1])


def _columns(y: Float[Array, "..."], n: int) -> Float[np.ndarray, "n k"]:
    """Targets as columns of length n: an (N, c) array with N c = n is one of them."""
    y = np.atleast_1d(np.asarray(y, np.float64))
    if not y.size or (y.size != n and len(y) != n):
        raise MrntkError(f"y has shape {y.shape}, but the kernel matrix has {n} rows: give y (n,), (N, c) or (n, c).")
    if not np.isfinite(y).all():
        raise MrntkError("y holds NaN or infinite values: remove or replace those targets first.")
    if not y.any():
        raise MrntkError("y is zero everywhere: give targets that vary.")
    return y.reshape(n, -1)


def as_matrix(kernel: np.ndarray) -> Float[np.ndarray, "rows columns"]:
    """(N, c, N, c) as the (N c, N c) matrix of the theory; a matrix stays as it is."""
    if kernel.ndim == 4:
        n, c = kernel.shape[:2]
        return kernel.reshape(n * c, -1)
    return kernel


def spectrum(kernel: Float[np.ndarray, "..."], *, vectors: bool = False) -> Spectrum:
    """Eigen-decomposition of a symmetric positive semi-definite kernel matrix.

    Parameters
    ----------
    kernel : (n, n) or (N, c, N, c), float64.
    vectors : also return the eigenvectors.

    Returns
    -------
    Spectrum
        Its rank tolerance is n * eps * lambda_max, the usual one for a symmetric matrix in double precision.

    Raises
    ------
    MrntkError
        If the matrix is not float64, not square, not finite, not symmetric or not positive semi-definite.

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk.spectrum import spectrum
    >>> found = spectrum(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> found.values.round(6).tolist()
    [1.0, 3.0]
    >>> found.rank, round(found.condition, 6), round(found.effective_rank, 3)
    (2, 3.0, 1.755)
    """
    matrix = as_matrix(np.asarray(kernel))
    if matrix.dtype != np.float64:
        raise MrntkError(
            f"kernel is {matrix.dtype}: compute it in float64, small eigenvalues drown in rounding otherwise."
        )
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise MrntkError(f"kernel has shape {np.shape(kernel)}: give a square matrix or an (N, c, N, c) array.")
    if not np.isfinite(matrix).all():
        raise MrntkError("kernel holds NaN or infinite values: look at the inputs and weights that made it.")
    scale = np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > 1e-8 * scale:
        raise MrntkError("kernel is not symmetric: give the train-train kernel, not the test-train one.")
    decomposition = scipy.linalg.eigh(matrix, eigvals_only=not vectors)
    values, columns = decomposition if vectors else (decomposition, None)
    tolerance = len(matrix) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    if values[0] < -max(10 * tolerance, 1e-12 * scale):
        raise MrntkError(
            f"kernel is not positive semi-definite (smallest eigenvalue {values[0]:.3g}): it is no Gram matrix."
        )
    return Spectrum(values, columns, float(tolerance))


def smallest_eigenvalue(kernel: Float[np.ndarray, "..."]) -> float:
    """lambda_min of a kernel matrix, exactly 0 where it is not above the rank tolerance of `spectrum`."""
    found = spectrum(kernel)
    return found.min if found.min > found.tolerance else 0.0


def _centred(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Without its mean along every one of the axes: H = I - 11^T / N from each side."""
    for axis in axes:
        array = array - array.mean(axis, keepdims=True)
    return array


def alignment(kernel: Float[Array, "..."], y: Float[Array, "..."], *, centred: bool = False) -> float:
    """Kernel-target alignment <K, Y Y^T>_F / (||K||_F ||Y Y^T||_F), a number in [-1, 1].

    Source: Cristianini et al. 2001; centred: Cortes, Mohri and Rostamizadeh 2012.

    Parameters
    ----------
    kernel : (N, N), one kernel value for every pair of examples, or (N, c, N, c) as `empirical_ntk` returns it.
    y : for an (N, N) kernel (N,) or (N, c), whose c columns make Y; for an (N, c, N, c) kernel (N, c) or (N c,), which is
        ONE target vector, so that Y has one column of length N c.
    centred : centre K and Y first. For an (N, N) kernel with H = I - 11^T / N: H K H and H Y, every column of Y losing its
        mean. For an (N, c, N, c) kernel with H (x) I_c: the mean over the N examples is taken for every output by itself,
        as if every output had a free bias; means over outputs stay.

    Returns
    -------
    float
        1 for K = Y Y^T, at least 0 for every positive semi-definite K; a factor of K or y does not matter.

    Raises
    ------
    MrntkError
        If the shapes do not fit, values are not finite, or kernel or y is zero (when centred: constant).

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk import alignment
    >>> y = np.array([1.0, -1.0])
    >>> round(alignment(np.outer(y, y), y), 6), round(alignment(np.eye(2), y), 6)
    (1.0, 0.707107)
    """
    kernel = np.asarray(kernel, np.float64)
    half = kernel.ndim // 2
    if kernel.ndim not in (2, 4) or kernel.shape[:half] != kernel.shape[half:]:
        raise MrntkError(f"kernel has shape {kernel.shape}: give a square matrix or an (N, c, N, c) array.")
    if not np.isfinite(kernel).all():
        raise MrntkError("kernel holds NaN or infinite values: look at the inputs and weights that made it.")
    matrix = as_matrix(kernel)
    target = _columns(y, len(matrix))
    if half == 2 and target.shape[1] != 1:
        raise MrntkError(f"y has shape {np.shape(y)}: an (N, c, N, c) kernel takes one target, (N, c) or (N c,).")
    sizes = np.linalg.norm(matrix), np.linalg.norm(target)
    if centred:
        n = len(kernel)
        matrix = as_matrix(_centred(kernel, (0, half)))
        target = _centred(target.reshape(n, -1), (0,)).reshape(target.shape)
    for name, array, size in zip(("kernel", "y"), (matrix, target), sizes, strict=True):
        if np.linalg.norm(array) <= len(matrix) * np.finfo(np.float64).eps * size:
            raise MrntkError(f"{name} is {'constant' if centred else 'zero'}: its alignment is not defined, vary it.")
    matrix, target = (array / np.linalg.norm(array) for array in (matrix, target))
    return float(np.sum(target * (matrix @ target)) / np.linalg.norm(target.T @ target))
