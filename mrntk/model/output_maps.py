"""Output mappings b: R^{c_S} -> R^{c_T}, linear; fixed (Assumption 2) or, going beyond it, trained.

A trained b adds its own term to Theta_T: with s = f_S(a(x)), the gradient of b(s) with respect to theta_B alone. `factors`
gives it in the form that `mrntk.model.input_maps` uses, a sum of (u . u') (v v'^T); fixed mappings give none.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.pinned import pinned
from .input_maps import Factor


class OutputMap(eqx.Module):
    """The contract: call it on the scores of ONE input; with `trained = True` its inexact array leaves are theta_B."""

    trained: ClassVar[bool] = False

    def __call__(self, scores: Float[Array, " cS"]) -> Float[Array, " cT"]:
        raise TypeError(f"{type(self).__name__} must define __call__, the map b(s)")

    @property
    def num_source(self) -> int | None:
        """Number of source scores c_S that it takes; None if any number will do."""
        return None

    def factors(self, scores: Float[Array, " cS"]) -> tuple[Factor, ...]:
        """The factors of its own term of Theta_T. Here by automatic differentiation, with v = db/dtheta_B."""
        if not self.trained:
            return ()
        theta, rest = eqx.partition(self, eqx.is_inexact_array)
        value, pull = jax.vjp(lambda theta: eqx.combine(theta, rest)(scores), theta)
        rows = jnp.eye(len(value), dtype=value.dtype)
        v = jax.vmap(lambda row: jax.flatten_util.ravel_pytree(pull(row)[0])[0])(rows)
        return (Factor(jnp.ones(1, v.dtype), v),)


def _check_fit(argument: str, matrix: Array, scores: Array):
    if scores.shape != matrix.shape[1:]:
        raise MrntkError(
            f"{argument} has shape {matrix.shape}, (c_T, c_S), but the source's scores have shape {scores.shape}: "
            f"give {argument} one column for each score of the source."
        )


class IdentityOutput(OutputMap):
    """b = I: class i of the source means class i of the target."""

    def __call__(self, scores: Float[Array, " cS"]) -> Float[Array, " cT"]:
        return scores


class LinearOutput(OutputMap):
    """b as a given c_T x c_S matrix, not trained.

    Raises
    ------
    MrntkError
        When it is called on scores whose number is not c_S.
    """

    matrix: Float[Array, "cT cS"]

    @property
    def num_source(self) -> int:
        return self.matrix.shape[-1]

    def __call__(self, scores: Float[Array, " cS"]) -> Float[Array, " cT"]:
        _check_fit("matrix", self.matrix, scores)
        return self.matrix @ scores


class TrainedLinear(OutputMap):
    """b(s) = W s + d with W and d trained; its own term of Theta_T(x, x') is (s . s' + 1) I, without d (s . s') I.

    `TrainedLinear(matrix)` starts from a given matrix and has no bias, `TrainedLinear(matrix, bias)` has one, and
    `TrainedLinear.random` starts from N(0, 1/c_S).

    Raises
    ------
    MrntkError
        When it is called on scores whose number is not c_S.
    """

    trained: ClassVar[bool] = True
    weight: Float[Array, "cT cS"]
    bias: Float[Array, " cT"] | None = None

    @classmethod
    def random(cls, key: PRNGKeyArray, num_source: int, num_target: int, *, use_bias: bool = True) -> "TrainedLinear":
        """Weights N(0, 1/c_S), biases (where there are any) zero."""
        with pinned():
            weight = jax.random.normal(key, (num_target, num_source)) * num_source**-0.5
        return cls(jnp.asarray(weight, float), jnp.zeros(num_target) if use_bias else None)

    @property
    def num_source(self) -> int:
        return self.weight.shape[-1]

    def __call__(self, scores: Float[Array, " cS"]) -> Float[Array, " cT"]:
        _check_fit("weight", self.weight, scores)
        value = self.weight @ scores
        return value if self.bias is None else value + self.bias

    def factors(self, scores: Float[Array, " cS"]) -> tuple[Factor, ...]:
        u = scores if self.bias is None else jnp.append(scores, 1)  # u . u' = s . s' + 1
        return (Factor(u, jnp.eye(len(self.weight), dtype=u.dtype)),)


def one_to_one(chosen: np.ndarray, num_source: int) -> LinearOutput:
    """b that reads, for target class t, the score of source class chosen[t]."""
    return LinearOutput(jnp.asarray(np.eye(num_source)[chosen]))


def _check_enough(num_source: int, num_target: int):
    if not 1 <= num_target <= num_source:
        raise MrntkError(
            f"num_target={num_target}: a one-to-one mapping needs 1 to {num_source} target classes, "
            "as many as the source has at most; use bayesian_mapping or TrainedLinear for more."
        )


def random_mapping(key: PRNGKeyArray, num_source: int, num_target: int) -> LinearOutput:
    """Every target class gets its own source class, drawn at random (Elsayed et al. 2019 fix one arbitrarily too).

    Raises
    ------
    MrntkError
        If there are more target than source classes.
    """
    _check_enough(num_source, num_target)
    with pinned():
        order = np.asarray(jax.random.permutation(key, num_source))
    return one_to_one(order[:num_target], num_source)


def many_to_one_mapping(key: PRNGKeyArray, num_source: int, num_target: int, each: int) -> LinearOutput:
    """Every target class is the mean of `each` source scores of its own, drawn at random (Tsai et al. 2020, Yang et al. 2021).

    Raises
    ------
    MrntkError
        If there are not as many source scores.

    Examples
    --------
    >>> import jax
    >>> from mrntk.model.output_maps import many_to_one_mapping
    >>> many_to_one_mapping(jax.random.key(0), 4, 2, 2).matrix.sum(0).tolist()  # every score speaks for one class
    [0.5, 0.5, 0.5, 0.5]
    """
    if each < 1 or each * num_target > num_source:
        raise MrntkError(
            f"each={each}: {num_target} target classes can have 1 to {num_source // num_target} of {num_source} source scores."
        )
    with pinned():
        order = np.asarray(jax.random.permutation(key, num_source))
    chosen = order[: each * num_target].reshape(num_target, each)
    return LinearOutput(jnp.asarray(np.eye(num_source)[chosen].mean(1)))


def joint_counts(
    source_scores: Float[Array, "N cS"], labels: Shaped[Array, " M"], num_target: int
) -> Int[np.ndarray, "cT cS"]:
    """How often the source predicts class s (its largest score) for an input of target class t.

    Raises
    ------
    MrntkError
        If the scores are not finite, or the labels are not N integers from 0 to c_T - 1.
    """
    scores, labels = np.asarray(source_scores), np.asarray(labels)
    if not np.isfinite(scores).all():
        raise MrntkError("source_scores holds NaN or infinite values: look at the inputs and the source first.")
    if len(labels) != len(scores) or not np.issubdtype(labels.dtype, np.integer):
        raise MrntkError(
            f"labels has shape {labels.shape} and type {labels.dtype}: give {len(scores)} class numbers, "
            "one for each row of source_scores."
        )
    if len(labels) and not (0 <= labels.min() and labels.max() < num_target):
        raise MrntkError(
            f"num_target={num_target}, but labels run from {labels.min()} to {labels.max()}: number them from 0."
        )
    counts = np.zeros((num_target, scores.shape[1]), int)
    np.add.at(counts, (labels, scores.argmax(1)), 1)
    return counts


def frequency_mapping(
    source_scores: Float[Array, "N cS"], labels: Shaped[Array, " M"], num_target: int
) -> LinearOutput:
    """Frequency label mapping (FLM; Tsai et al. 2020, Chen et al. 2023): one source class for each target class, greedily.

    Of all pairs whose target and source class are both still free, the one with the largest joint count is taken, until
    every target class has its source class. Among equal counts the smallest target class goes first, then the smallest source
    class; so a target class that is predicted nothing free gets the first free source class.

    Parameters
    ----------
    source_scores : f_S(a(x_i)), row by row.
    labels : target class numbers y_i.
    num_target : c_T.

    Raises
    ------
    MrntkError
        If there are more target than source classes, or for bad scores or labels (see `joint_counts`).

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk import frequency_mapping
    >>> scores = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [0.0, 0.0, 1.0]])
    >>> frequency_mapping(scores, np.array([0, 1, 1]), 2).matrix.tolist()  # class 1 is read where the source says 2
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    counts = joint_counts(source_scores, labels, num_target)
    _check_enough(counts.shape[1], num_target)
    chosen = np.zeros(num_target, int)
    for _ in range(num_target):
        t, s = np.unravel_index(counts.argmax(), counts.shape)
        chosen[t] = s
        counts[t, :] = counts[:, s] = -1  # neither is free any more
    return one_to_one(chosen, counts.shape[1])


def bayesian_mapping(
    source_scores: Float[Array, "N cS"], labels: Shaped[Array, " M"], num_target: int, *, smoothing: float = 1.0
) -> LinearOutput:
    """Bayesian-guided label mapping (BLM; Cai et al. 2024): every source class speaks for every target class, weighted.

    With N_ts the number of inputs of target class t for which the source predicts class s, the matrix is made in two steps:

        P_ts = N_ts / (sum_t' N_t's + smoothing)      the smoothed estimate of P(y_T = t | y_S = s),
        b_ts = P_ts / sum_s' P_ts'                    so that the weights of every target class sum to 1.

    The smoothing stands in the denominator alone, as in the authors' code: it lowers the weight of source classes that are
    seldom predicted, and keeps zero weight on pairs that never occur.

    Parameters
    ----------
    source_scores : f_S(a(x_i)), row by row.
    labels : target class numbers y_i.
    num_target : c_T.
    smoothing : the Laplace smoothing lambda, in counts.

    Raises
    ------
    MrntkError
        If the smoothing is negative, a target class has no example, or for bad scores or labels (see `joint_counts`).

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk import bayesian_mapping
    >>> scores = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [0.0, 0.0, 1.0]])
    >>> mapping = bayesian_mapping(scores, np.array([0, 0, 1]), 2)
    >>> print(np.asarray(mapping.matrix).round(2))  # for class 0: 1/2 and 1/3, over 5/6
    [[0.6 0.  0.4]
     [0.  0.  1. ]]
    """
    if not smoothing >= 0:
        raise MrntkError(f"smoothing={smoothing}: give a number of counts that is not negative, for example 1.")
    counts = joint_counts(source_scores, labels, num_target)
    absent = np.flatnonzero(counts.sum(1) == 0)
    if len(absent):
        raise MrntkError(f"labels holds no example of class {absent[0]}: give at least one of each of {num_target}.")
    totals = counts.sum(0) + smoothing
    conditional = counts / np.where(totals > 0, totals, 1)  # a source class never predicted has zero counts anyway
    return LinearOutput(jnp.asarray(conditional / conditional.sum(1, keepdims=True)))
