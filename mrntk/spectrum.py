"""Eigenvalues of a kernel matrix, in float64, and what they say about a target."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from .errors import MrntkError


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

    def label_weights(self, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Share of ||y||^2 along every eigenvector (Arora et al. 2019)."""
        projections = self.vectors.T @ y
        return projections**2 / (y @ y)


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
    Spectrum; its rank tolerance is n * eps * lambda_max, the usual one for a symmetric matrix in double precision.

    Raises
    ------
    MrntkError
        If the matrix is not float64, not square, not finite, not symmetric or not positive semi-definite.
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
