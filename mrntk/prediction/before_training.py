"""What is known of a reprogrammed model before anything is trained: one object for kernel, spectrum, residual and labels.

With Theta_T, the residual r(0) = f_T(x) - y and the labels, everything that the theory says of training follows: the spectrum,
how it lies to the labels, whether Theta_T can be positive definite at all, and the predicted learning curve.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from ..model.reprogram import Reprogram, predict_float64
from ..ntk.empirical import empirical_ntk
from ..spectrum import Spectrum, alignment, spectrum
from ..support.arrays import Array
from .closed_form import Prediction, check_targets, stability_limit


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


def training_floor(kernel: Float[np.ndarray, "..."] | Spectrum, residual: Float[np.ndarray, "N c"]) -> float:
    """The loss that is left after infinite training of the linearised model, 1/(2N) ||P r||^2.

    A component of the residual r = f - y along an eigenvector of eigenvalue lambda shrinks by 1 - eta lambda / N per step; where
    lambda = 0 it stays. P projects onto those eigenvectors, eigenvalues up to the rank tolerance of `mrntk.spectrum`.

    Parameters
    ----------
    kernel : Theta_T, (N, c, N, c) or (N c, N c), or its `Spectrum` with eigenvectors.
    residual : f_T(x_i) - y_i before training, (N, c).
    """
    found = kernel if isinstance(kernel, Spectrum) else spectrum(kernel, vectors=True)
    stuck = found.vectors[:, : len(found.values) - found.rank].T @ residual.ravel()
    return float(stuck @ stuck / (2 * len(residual)))


@dataclass(frozen=True)
class BeforeTraining:
    """A reprogrammed model on some examples, before anything is trained; all numbers in float64.

    `before_training` computes it. What follows from its five fields is computed when it is first asked for.
    """

    model: Reprogram
    x: Float[Array, "N *dT"]
    y: Float[Array, "N c"]
    kernel: Float[np.ndarray, "N c N c"] | Float[np.ndarray, "N N"]  # Theta_T; (N, N): the same for every class
    outputs: Float[np.ndarray, "N c"]  # f_T(x)

    @cached_property
    def residual(self) -> Float[np.ndarray, "N c"]:
        """r(0) = f_T(x) - y."""
        return self.outputs - self.y

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of Theta_T, with eigenvectors."""
        return spectrum(self.kernel, vectors=True)

    @cached_property
    def lambda_min(self) -> float:
        """The smallest eigenvalue, exactly 0 where Theta_T is singular in double precision."""
        return self.spectrum.min if self.spectrum.min > self.spectrum.tolerance else 0.0

    @cached_property
    def labels(self) -> Float[np.ndarray, "N c"]:
        """y without its mean over classes, from which a model learns nothing; the mean is taken in the precision of y."""
        return np.asarray(self.y, np.float64) - np.mean(self.y, axis=1, keepdims=True)

    @cached_property
    def alignment(self) -> float:
        """Kernel-target alignment of Theta_T with `labels`; 0 for the kernel of a model that trains nothing."""
        return (
            max(0.0, alignment(self.kernel, self.labels)) if self.spectrum.max > 0 else 0.0
        )  # below 0 by rounding only

    @cached_property
    def capacity(self) -> Capacity:
        """The capacity law: whether N c directions can be learned at all."""
        return capacity(self.model, self.x)

    @cached_property
    def training_floor(self) -> float:
        """The loss that infinite training of the linearised model leaves."""
        return training_floor(self.spectrum, self.residual)

    def stability_limit(self, loss: str = "mse") -> float:
        """The largest step size at which the linearised model does not diverge."""
        return stability_limit(self.spectrum, len(self.x), loss)

    def predict(
        self,
        step: float,
        *,
        x_test: Float[Array, "M *dT"] | None = None,
        y_test: Float[Array, "M c"] | None = None,
        flow: bool = False,
    ) -> Prediction:
        """Training with the squared loss, predicted in closed form.

        Parameters
        ----------
        step : the step size eta, for example `0.1 * self.stability_limit()`.
        x_test, y_test : other inputs and their targets, to predict there as well; without targets, residuals are outputs.
        flow : gradient flow instead of gradient descent.
        """
        if x_test is None:
            return Prediction(self.spectrum, self.residual, step, flow=flow)
        outputs = predict_float64(self.model, x_test)
        test = {
            "test_kernel": empirical_ntk(self.model, x_test, self.x),
            "test_residual": outputs if y_test is None else outputs - np.asarray(y_test, np.float64),
        }
        return Prediction(self.spectrum, self.residual, step, flow=flow, **test)


def before_training(model: Reprogram, x: Float[Array, "N *dT"], y: Float[Array, "N c"], **options) -> BeforeTraining:
    """Everything that is known of `model` on these examples before it is trained.

    Parameters
    ----------
    model : at its start.
    x : training inputs, the examples along the first axis.
    y : targets; one-hot rows for classes.
    **options : those of `empirical_ntk`, such as `memory_limit` and `progress`.

    Raises
    ------
    MrntkError
        As `empirical_ntk`, and if y has another shape than the outputs.

    Examples
    --------
    A fully connected layer in front of the identity: Theta_T(x, x') = (x . x' + 1) I.

    >>> import jax
    >>> import numpy as np
    >>> from mrntk import FullyConnected, Reprogram, before_training
    >>> model = Reprogram(FullyConnected((2,), (3,), key=jax.random.key(0)), lambda s: s)
    >>> before = before_training(model, x=np.eye(2), y=np.eye(3)[:2])
    >>> before.kernel[:, 0, :, 0].round(6).tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    >>> round(before.lambda_min, 6), round(before.stability_limit(), 6)
    (1.0, 1.333333)
    >>> before.capacity
    Capacity(trained=9, outputs=6, possible=True, largest=3)
    """
    kernel, outputs = empirical_ntk(model, x, **options), predict_float64(model, x)
    check_targets(y, outputs)
    return BeforeTraining(model, x, y, kernel, outputs)
