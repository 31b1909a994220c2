r"""What the NTK predicts of training.

The loss convention of the whole project stands here: with targets y_i and residuals r_i = f(x_i) - y_i,

    L = 1/(2N) sum_i ||r_i||^2   (cross-entropy: L = -1/N sum_i y_i . log softmax f(x_i)),
    one step of size eta: theta <- theta - eta grad L; one unit of time of gradient flow is one step.

While the model stays close to its linearisation, the outputs evolve by the kernel alone. On the training inputs r is one
vector of length N c, and with Theta = J J^T, J = d f / d theta,

    r(t) = (I - eta Theta / N)^t r(0)        after t steps of gradient descent,
    r(t) = exp(-eta Theta t / N) r(0)        after time t of gradient flow,

so along an eigenvector of eigenvalue lambda it shrinks by the factor (1 - eta lambda / N) per step. It shrinks for every
eigenvector as long as eta < 2 N / lambda_max: the stability limit. Elsewhere, with J_test at the test inputs,

    theta(t) - theta(0) = -(eta / N) J^T sum_{s<t} r(s),      f_test(t) = f_test(0) + J_test (theta(t) - theta(0)),
    r_test(t) = r_test(0) - (eta / N) Theta_test,train sum_{s<t} (I - eta Theta / N)^s r(0)
              = r_test(0) - sum_k Theta_test,train q_k [1 - (1 - eta lambda_k / N)^t] / lambda_k (q_k . r(0)),

the geometric sum, mode by mode. A mode with lambda_k = 0 moves nothing: ||J^T q_k||^2 = lambda_k, so that the limit t eta / N
of its factor multiplies Theta_test,train q_k = J_test J^T q_k = 0. Source: Lee et al. 2019, discrete in time.
Where there is no closed form, as for cross-entropy, `mrntk.prediction.function_space` goes step by step.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from ..model.accuracy import accuracy
from ..spectrum import Spectrum, as_matrix, spectrum
from ..support.arrays import Array
from ..support.errors import MrntkError

Times = Float[Array, " T"] | Int[Array, " T"] | Sequence[int] | Sequence[float]
LOSSES = ("mse", "ce")


def stability_limit(spectrum: Spectrum, num_examples: int, loss: str = "mse") -> float:
    """The step size above which gradient descent on the linearised model diverges: 2 N / lambda_max.

    For `loss="ce"` it is 4 N / lambda_max: the Hessian of -y . log softmax f with respect to f,
    diag(p) - p p^T, has no eigenvalue above 1/2. Below it the loss falls at every step. Above it training need not diverge,
    because the curvature is smaller wherever the model is sure of its answer. Infinite if lambda_max = 0.

    Parameters
    ----------
    spectrum : of Theta_T on the training inputs.
    num_examples : N.
    loss : "mse" or "ce".

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk import stability_limit
    >>> from mrntk.spectrum import spectrum
    >>> round(stability_limit(spectrum(np.diag([1.0, 8.0])), 2), 6)
    0.5
    """
    curvature = {"mse": 1, "ce": 0.5}[checked_loss(loss)]
    return 2 * num_examples / (curvature * spectrum.max) if spectrum.max > 0 else math.inf


def mse(residual: Float[Array, "N c"]) -> float:
    """L = 1/(2N) sum ||r_i||^2."""
    return float((residual**2).sum() / (2 * len(residual)))


def cross_entropy(outputs: Float[Array, "N c"], y: Float[Array, "N c"]) -> float:
    """L = -1/N sum_i y_i . log softmax f_i, for outputs f and targets y that are one-hot or probabilities."""
    return float(-(y * scipy.special.log_softmax(np.asarray(outputs), axis=-1)).sum() / len(outputs))


def checked_loss(loss: str) -> str:
    if loss not in LOSSES:
        raise MrntkError(f"loss={loss!r} is unknown: choose one of {', '.join(LOSSES)}.")
    return loss


def checked_step(step: float) -> float:
    if not 0 < step < math.inf:
        raise MrntkError(f"step={step}: a step size is a positive number, for example 0.1 * stability_limit(...).")
    return float(step)


def checked_times(times: Times, flow: bool) -> np.ndarray:
    t = np.asarray(times, np.float64)
    if t.ndim != 1 or len(t) == 0 or not np.isfinite(t).all() or (t < 0).any():
        raise MrntkError("times holds something else than finite numbers from 0: give a list such as [0, 10, 100].")
    if not flow and (t != np.floor(t)).any():
        raise MrntkError("times holds fractions of a step: give whole numbers of steps, or ask for flow=True.")
    return t


def checked_matrix(kernel: Array, rows: Array, columns: Array, argument: str) -> np.ndarray:
    """The kernel between two sets of outputs as a float64 matrix."""
    matrix, shape = as_matrix(np.asarray(kernel)), (np.size(rows), np.size(columns))
    if matrix.shape != shape:
        raise MrntkError(
            f"{argument} has shape {np.shape(kernel)}, but outputs of shapes {np.shape(rows)} and {np.shape(columns)} "
            f"need a {shape[0]} x {shape[1]} matrix: use the same inputs, in the same order, for both."
        )
    if matrix.dtype != np.float64:
        raise MrntkError(f"{argument} is {matrix.dtype}: compute it in float64.")
    if not np.isfinite(matrix).all():
        raise MrntkError(f"{argument} holds NaN or infinite values: look at the inputs and weights that made it.")
    return matrix


def check_targets(y: Array, outputs: Array, loss: str = "mse"):
    if np.shape(y) != np.shape(outputs):
        raise MrntkError(f"y has shape {np.shape(y)}: give one target for every output, {np.shape(outputs)}.")
    if loss == "ce" and not (np.min(y) >= 0 and np.allclose(np.sum(y, axis=1), 1, atol=1e-6)):
        raise MrntkError("y has rows that are no probabilities: give one-hot labels or rows from 0 that sum to 1.")


def check_pair(test_kernel, test_outputs, name: str):
    if (test_kernel is None) != (test_outputs is None):
        raise MrntkError(f"test_kernel and {name} belong together: give both or neither.")


class Prediction:
    """Training with the squared loss, in closed form, at any time and any step size, from the kernel at the start.

    Every method takes `times`, numbers of steps from 0 in any order, and returns one entry (along the first axis) per time.
    Eigenvalues within the spectrum's rank tolerance count as zero, so a singular kernel needs no care. Above the stability
    limit the numbers grow, as in real training, and in the end are inf or NaN.

    Parameters
    ----------
    kernel : Theta_T on the training inputs, (N, c, N, c) or (N c, N c), or its `Spectrum` with eigenvectors; float64.
    residual : (N, c), r(0) = f(x_i) - y_i before training.
    step : the step size eta.
    test_kernel, test_residual : (M, c, N, c) or (M c, N c) and (M, c), to predict elsewhere as well. With test outputs
        instead of residuals, the predicted test residuals are outputs.
    flow : gradient flow instead of gradient descent; a unit of time is a step of size eta, and times may be fractions.

    Raises
    ------
    MrntkError
        For a step that is not positive, negative times, shapes that do not fit, a Spectrum without eigenvectors.

    Examples
    --------
    Two modes, of eigenvalues 3 and 1: with eta / N = 1/4 they shrink by 1/4 and 3/4 per step.

    >>> import numpy as np
    >>> from mrntk import Prediction
    >>> prediction = Prediction(np.diag([3.0, 1.0]), residual=np.ones((2, 1)), step=0.5)
    >>> prediction.residual([0, 1])[:, :, 0].round(6).tolist()
    [[1.0, 1.0], [0.25, 0.75]]
    >>> prediction.loss([0, 1, 100]).round(6).tolist()
    [0.5, 0.15625, 0.0]
    >>> prediction.steps_to(0.1)
    2
    """

    def __init__(
        self,
        kernel: Float[Array, "..."] | Spectrum,
        residual: Float[Array, "N c"],
        step: float,
        *,
        test_kernel: Float[Array, "..."] | None = None,
        test_residual: Float[Array, "M c"] | None = None,
        flow: bool = False,
    ):
        found = kernel if isinstance(kernel, Spectrum) else spectrum(kernel, vectors=True)
        if found.vectors is None:
            raise MrntkError("kernel is a Spectrum without eigenvectors: make it with spectrum(kernel, vectors=True).")
        if np.size(residual) != len(found.values):
            raise MrntkError(
                f"residual has shape {np.shape(residual)}, but kernel has {len(found.values)} eigenvalues: give (N, c) "
                "residuals for the inputs, and the outputs, that the kernel was computed for."
            )
        check_pair(test_kernel, test_residual, "test_residual")
        learned = found.values > found.tolerance
        values, vectors = found.values[learned], found.vectors[:, learned]
        residual = np.asarray(residual, np.float64)
        self.flow = flow
        self.rates = checked_step(step) * values / len(residual)  # eta lambda / N
        self.vectors = vectors
        self.modes = vectors.T @ residual.ravel()
        self.unlearned = residual - (vectors @ self.modes).reshape(residual.shape)
        if test_kernel is not None:
            matrix = checked_matrix(test_kernel, test_residual, residual, "test_kernel")
            self.test_start, self.test_vectors = np.asarray(test_residual, np.float64), matrix @ vectors / values
        else:
            self.test_start = self.test_vectors = None

    def _factors(self, times: Times) -> tuple[Float[np.ndarray, "T k"], Float[np.ndarray, "T k"]]:
        """(d, 1 - d) for every time and mode, d = (1 - x)^t or exp(-x t), x = eta lambda / N; neither loses digits."""
        t, x = checked_times(times, self.flow)[:, None], self.rates
        with np.errstate(divide="ignore", over="ignore"):
            logarithm = -x if self.flow else np.log1p(np.where(x < 1, -x, x - 2))  # of |1 - x|
            exponent = t * np.maximum(logarithm, -800)  # exp(-800) = 0, and 0 * -800 is not NaN
            size, remainder = np.exp(exponent), -np.expm1(exponent)
        flips = (x > 1) & (t % 2 == 1) & (not self.flow)
        return np.where(flips, -size, size), np.where(flips, 1 + size, remainder)

    def residual(self, times: Times) -> Float[np.ndarray, "T N c"]:
        """r(t) on the training inputs."""
        decay, _ = self._factors(times)
        return self.unlearned + ((decay * self.modes) @ self.vectors.T).reshape(-1, *self.unlearned.shape)

    def test_residual(self, times: Times) -> Float[np.ndarray, "T M c"]:
        """r_test(t)."""
        if self.test_start is None:
            raise MrntkError("test_kernel is missing: give Prediction a test_kernel and a test_residual.")
        _, done = self._factors(times)
        return self.test_start - ((done * self.modes) @ self.test_vectors.T).reshape(-1, *self.test_start.shape)

    def loss(self, times: Times) -> Float[np.ndarray, " T"]:
        """L(t) on the training inputs."""
        decay, _ = self._factors(times)
        return mse(self.unlearned) + ((decay * self.modes) ** 2).sum(1) / (2 * len(self.unlearned))

    def test_loss(self, times: Times) -> Float[np.ndarray, " T"]:
        """L(t) on the test inputs."""
        return np.array([mse(one) for one in self.test_residual(times)])

    def accuracy(self, times: Times, y: Float[Array, "N c"]) -> Float[np.ndarray, " T"]:
        """Share of training inputs whose largest output f = r + y is the target's largest."""
        check_targets(y, self.unlearned)
        return accuracy(self.residual(times) + y, y)

    def test_accuracy(self, times: Times, y_test: Float[Array, "M c"]) -> Float[np.ndarray, " T"]:
        """The same on the test inputs."""
        residual = self.test_residual(times)
        check_targets(y_test, self.test_start)
        return accuracy(residual + y_test, y_test)

    def steps_to(self, loss: float) -> int | None:
        """The first number of steps after which the training loss is at most `loss`; None if it never is."""
        if not self.flow and self.rates.max(initial=0) >= 2:
            raise MrntkError("step is not below the stability limit, so the loss does not fall: choose a smaller one.")

        def reached(t):
            return bool(self.loss([t])[0] <= loss)

        return bisect_left(range(2**53), True, key=reached) if reached(2**53) else None


def predicted_loss(
    spectrum: Spectrum, residual: Float[Array, "N c"], step: float, times: Times
) -> Float[np.ndarray, " T"]:
    """Training loss after every number of gradient-descent steps in `times`, from the kernel at the start alone.

    Source: the paper's Theorem 1 (number inferred), discrete in time. More than the loss: `Prediction`.

    Parameters
    ----------
    spectrum : of Theta_T on the training inputs, with eigenvectors.
    residual : f_T(x_i) - y_i before training.
    step : the step size eta.
    times : numbers of steps, from 0.

    Returns
    -------
    numpy.ndarray
        L(t) for every t.
    """
    return Prediction(spectrum, residual, step).loss(times)
