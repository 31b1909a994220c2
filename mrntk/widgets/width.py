"""Finite against infinite width: the NTK of random networks on a circle, beside the limit that they approach."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import scipy.special
from jaxtyping import Float

from ..support.style import OKABE_ITO
from .view import Choice, Slider, ViewModel

ANGLES = np.linspace(0, np.pi, 37)
POINTS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)  # (37, 2)
W_STD = 2**0.5
DRAWS = 6


def _relu(z):
    return np.maximum(z, 0), (z > 0).astype(float)


def _erf(z):
    return scipy.special.erf(z), 2 / np.pi**0.5 * np.exp(-(z**2))


ACTIVATIONS = {"relu": _relu, "erf": _erf}  # z -> (sigma(z), sigma'(z))


def _relu_means(s, s_diagonal):
    """Arc-cosine kernels (Cho & Saul 2009)."""
    size = np.sqrt(s_diagonal[:, None] * s_diagonal)
    angle = np.arccos(np.clip(s / size, -1, 1))
    return size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)


def _erf_means(s, s_diagonal):
    """Williams 1998."""
    one = 1 + 2 * s_diagonal
    outer = one[:, None] * one
    return 2 / np.pi * np.arcsin(2 * s / np.sqrt(outer)), 4 / np.pi / np.sqrt(outer - 4 * s**2)


MEANS = {"relu": _relu_means, "erf": _erf_means}  # covariances of z -> (E[sigma sigma'], E[dsigma dsigma'])


def kernels_by_depth(
    x: Float[np.ndarray, "N d"], max_depth: int, *, w_std: float, b_std: float, activation: str = "relu"
) -> Float[np.ndarray, "depth N N"]:
    """The infinite-width NTK of fully connected networks of depth 1 to `max_depth`, by the recursion of `mrntk.ntk.infinite`.

    Theta_1 = S_0 and Theta_{h+1} = S_h + D_h Theta_h, entry by entry; "relu" or "erf".
    """
    s = w_std**2 * x @ x.T / x.shape[1] + b_std**2
    s = (s + s.T) / 2  # rounding of the product
    kernels = [s]
    for _ in range(max_depth - 1):
        mean, slope = MEANS[activation](s, np.diag(s))
        s = w_std**2 * mean + b_std**2
        kernels.append(s + w_std**2 * slope * kernels[-1])
    return np.stack(kernels)


def infinite_ntk(x: Float[np.ndarray, "N d"], *, depth: int, activation: str = "relu") -> Float[np.ndarray, "N N"]:
    """The NTK at infinite width, without biases, W_std = sqrt(2)."""
    return kernels_by_depth(x, depth, w_std=W_STD, b_std=0.0, activation=activation)[-1]


def finite_ntk(
    x: Float[np.ndarray, "N d"], rng: np.random.Generator, *, width: int, depth: int, activation: str = "relu"
) -> Float[np.ndarray, "N N"]:
    """The NTK of one random network in NTK parameterisation: a sum over layers of <what comes in> times <what goes back>."""
    sizes = [x.shape[1]] + [width] * (depth - 1) + [1]
    weights = [rng.normal(size=(n, m)) * W_STD / m**0.5 for m, n in zip(sizes[:-1], sizes[1:], strict=True)]
    h, inputs, slopes = x, [], []
    for weight in weights[:-1]:
        inputs.append(h)
        h, slope = ACTIVATIONS[activation](h @ weight.T)
        slopes.append(slope)
    inputs.append(h)
    back, theta = np.ones((len(x), 1)), 0.0  # d output / d what the layer puts out
    for layer in reversed(range(depth)):
        theta = theta + W_STD**2 / sizes[layer] * (inputs[layer] @ inputs[layer].T) * (back @ back.T)
        if layer:
            back = (back @ weights[layer]) * slopes[layer - 1]
    return theta


@cache
def _draws(width: int, depth: int, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Of every draw, the kernel between the first point and all, (DRAWS, 37), and how far the whole kernel is off, (DRAWS,)."""
    limit = infinite_ntk(POINTS, depth=depth, activation=activation)
    kernels = [
        finite_ntk(POINTS, np.random.default_rng(seed), width=width, depth=depth, activation=activation)
        for seed in range(DRAWS)
    ]
    off = [np.linalg.norm(kernel - limit) / np.linalg.norm(limit) for kernel in kernels]
    return np.array([kernel[0] for kernel in kernels]), np.array(off)


class WidthView(ViewModel):
    """How far the NTK of a random network is from its limit, by width, depth and activation."""

    title = "The kernel of a random network, and its limit"
    alt = (
        "The NTK between a fixed point of the unit circle and a point at an angle to it, against the angle: thin lines for "
        "random networks of the chosen width, one thick line for infinite width."
    )
    controls = {
        "width": Choice("width", {str(2**k): 2**k for k in range(3, 10)}, 64),
        "depth": Slider("depth (linear layers)", 2, 6, 3),
        "activation": Choice("activation", {"ReLU": "relu", "erf": "erf"}, "relu"),
    }

    def compute(self, *, width: int, depth: int, activation: str) -> dict:
        drawn, off = _draws(width, depth, activation)
        limit = infinite_ntk(POINTS, depth=depth, activation=activation)[0]
        return {"drawn": drawn, "limit": limit, "off": off, "width": width, "depth": depth}

    def draw(self, data):
        figure, axis = plt.subplots(figsize=(5.4, 2.9))
        for number, row in enumerate(data["drawn"]):
            label = f"width {data['width']}, {len(data['drawn'])} draws" if number == 0 else None
            axis.plot(np.degrees(ANGLES), row, color=OKABE_ITO[1], lw=0.9, label=label)
        axis.plot(np.degrees(ANGLES), data["limit"], color=OKABE_ITO[0], lw=2.4, label="infinite width")
        axis.set(xlabel="angle between the two points (degrees)", ylabel="NTK", xticks=range(0, 181, 45))
        axis.legend()
        return figure

    def words(self, data) -> str:
        return (
            f"At width {data['width']} and depth {data['depth']}, the kernel of one random network differs from the limit by "
            f"{np.mean(data['off']):.0%} on average (Frobenius norm, {len(data['off'])} draws)."
        )
