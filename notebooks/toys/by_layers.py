"""Fully connected networks, layer by layer: their NTK at infinite width, and that of one random network.

The recursion is that of `mrntk.ntk.infinite`, which goes the general way. Here it stands for the two activations whose Gaussian
means have closed forms, in plain NumPy: nothing is compiled, so that new shapes, depths and variances cost milliseconds.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import scipy.special
from jaxtyping import Float

from mrntk.ntk.infinite import B_STD, W_STD
from mrntk.support.errors import MrntkError


class Activation(NamedTuple):
    """An activation sigma, as finite and as infinite networks need it.

    Attributes
    ----------
    with_slope : z -> (sigma(z), sigma'(z)).
    means : covariances (n, n) of z and their diagonal (n,) -> (E[sigma sigma'], E[dsigma dsigma']), each (n, n).
    """

    with_slope: Callable
    means: Callable


def _relu(z):
    return np.maximum(z, 0), (z > 0).astype(float)


def _relu_means(s, s_diagonal):
    """Arc-cosine kernels (Cho & Saul 2009)."""
    size = np.sqrt(s_diagonal[:, None] * s_diagonal)
    angle = np.arccos(np.clip(s / size, -1, 1))
    return size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)


def _erf(z):
    return scipy.special.erf(z), 2 / np.pi**0.5 * np.exp(-(z**2))


def _erf_means(s, s_diagonal):
    """Williams 1998."""
    one = 1 + 2 * s_diagonal
    outer = one[:, None] * one
    return 2 / np.pi * np.arcsin(2 * s / np.sqrt(outer)), 4 / np.pi / np.sqrt(outer - 4 * s**2)


ACTIVATIONS = {"relu": Activation(_relu, _relu_means), "erf": Activation(_erf, _erf_means)}


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise MrntkError(f"activation={name!r} is unknown: choose one of {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]


def _upwards(s: Float[np.ndarray, "n n"], w_std: float, b_std: float, activation: str) -> Iterator[tuple]:
    """(S_h, D_h) for h = 1, 2, ... without end, from S_0."""
    means = _activation(activation).means
    while True:
        mean, slope = means(s, np.diag(s))
        s = w_std**2 * mean + b_std**2
        yield s, w_std**2 * slope


def kernels_by_depth(
    x: Float[np.ndarray, "N d"],
    max_depth: int,
    *,
    w_std: float = W_STD,
    b_std: float = B_STD,
    activation: str = "relu",
) -> Float[np.ndarray, "depth N N"]:
    """The infinite-width NTK of fully connected networks of every depth from 1 to `max_depth`.

    Theta_1 = S_0 and Theta_{h+1} = S_h + D_h Theta_h, entry by entry: the sum over layers of `mrntk.ntk.infinite`, by Horner.

    Parameters
    ----------
    x : inputs.
    max_depth : number of linear layers of the deepest network.
    w_std : W_std; weights have standard deviation W_std / sqrt(fan_in).
    b_std : standard deviation of the biases.
    activation : "relu" or "erf".

    Raises
    ------
    MrntkError
        For another activation.

    Examples
    --------
    Two orthogonal inputs, no biases. The linear network of depth 1 sees them so; that of depth 2 does not:

    >>> import numpy as np
    >>> from .by_layers import kernels_by_depth
    >>> kernels_by_depth(np.eye(2), 2, b_std=0.0).round(3).tolist()
    [[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.318], [0.318, 2.0]]]
    """
    s = w_std**2 * x @ x.T / x.shape[1] + b_std**2
    kernels = [(s + s.T) / 2]  # rounding of the product
    for s, d in islice(_upwards(kernels[0], w_std, b_std, activation), max_depth - 1):
        kernels.append(s + d * kernels[-1])
    return np.stack(kernels)


def gain(w_std: float, b_std: float, activation: str = "relu") -> float:
    """chi, the value of D_h(x, x) far down the network: below 1 inputs become alike exponentially fast ("order").

    W_std^2 E[sigma'(u)^2] with the variance of u that 300 layers lead to from 1. ReLU: W_std^2 / 2, whatever the variance.
    """
    *_, (_, d) = islice(_upwards(np.ones((1, 1)), w_std, b_std, activation), 300)
    return float(d[0, 0])


class Hidden(NamedTuple):
    """A hidden layer in NTK parameterisation: all of it is drawn from N(0, 1), the standard deviations stand in front."""

    weight: Float[np.ndarray, "n m"]
    bias: Float[np.ndarray, " n"]
    readout: Float[np.ndarray, " n"]  # weights of the output, for the network that is cut off behind this layer


def random_layers(rng: np.random.Generator, d: int, width: int, count: int) -> list[Hidden]:
    """`count` random hidden layers of that width, for inputs of d entries."""
    sizes = [d] + [width] * count
    return [
        Hidden(rng.standard_normal((n, m)), rng.standard_normal(n), rng.standard_normal(n))
        for m, n in zip(sizes[:-1], sizes[1:], strict=True)
    ]


def finite_kernels(
    x: Float[np.ndarray, "N d"],
    layers: list[Hidden],
    *,
    w_std: float = W_STD,
    b_std: float = B_STD,
    activation: str = "relu",
) -> Float[np.ndarray, "depth N N"]:
    """The NTK of one network, cut off behind each of its layers by a readout of its own: of depth 1 to len(layers) + 1.

    A sum over layers: the Gram matrix of what comes in, times that of the derivatives that come back. The other parameters are
    those of `kernels_by_depth`, which is the limit for wide layers.
    """
    h, grams, slopes = x, [w_std**2 * x @ x.T / x.shape[1] + b_std**2], []
    for layer in layers:
        z = w_std * h @ layer.weight.T / h.shape[1] ** 0.5 + b_std * layer.bias
        h, slope = _activation(activation).with_slope(z)
        grams.append(w_std**2 * h @ h.T / h.shape[1] + b_std**2)
        slopes.append(slope)
    kernels = np.stack(grams)  # what the readouts themselves contribute; depth 1 is linear, whatever its weights
    back = np.empty((0, *h.shape))  # d output / d z of this layer, for all readouts behind it, (depths, N, n)
    for number in reversed(range(len(layers))):
        weight, _, readout = layers[number]
        if len(back):
            back = w_std * back @ layers[number + 1].weight / len(weight) ** 0.5
        own = np.broadcast_to(w_std * readout / len(readout) ** 0.5, slopes[number].shape)
        back = np.concatenate([own[None], back]) * slopes[number]
        kernels[number + 1 :] += grams[number] * (back @ back.transpose(0, 2, 1))
    return kernels
