"""Infinite-width kernels of source networks, by neural-tangents.

The recursion (Jacot et al. 2018; PAPER notation) for an activation sigma, weights of standard deviation W_std and biases of
standard deviation b_std:

    S_0(x, x') = W_std^2 x.x' / d + b_std^2,
    S_h        = W_std^2 E[sigma sigma'] + b_std^2,      D_h = W_std^2 E[dsigma dsigma'],
    K_S        = sum_h S_{h-1} prod_{h' >= h} D_{h'}.

Every depth shares the recursion of the shallower ones, so `depth_kernels` walks it once and reads K_S off at each depth.
"""

from itertools import combinations_with_replacement

import jax
import numpy as np
from jaxtyping import Float

from ..errors import MrntkError
from .compat import neural_tangents

W_STD = 2**0.5
B_STD = 0.1**0.5
ARCHITECTURES = ("dnn", "cnn_flatten", "cnn_gap")


def _layers(architecture: str, w_std: float, b_std: float):
    """(what enters the first layer, one more layer of depth, the head) as neural-tangents kernel functions."""
    neural_tangents()
    from neural_tangents import stax

    def dense():
        return stax.Dense(1, W_std=w_std, b_std=b_std, parameterization="ntk")

    def conv():
        return stax.Conv(1, (3, 3), padding="SAME", W_std=w_std, b_std=b_std, parameterization="ntk")

    if architecture == "dnn":  # depth counts linear layers, so depth 1 is a linear model
        return dense()[2], stax.serial(stax.Relu(), dense())[2], stax.Identity()[2]
    head = stax.GlobalAvgPool() if architecture == "cnn_gap" else stax.Flatten()
    return (  # depth counts convolutions; a 2x2 average pooling before the global one would change nothing
        stax.serial(conv(), stax.Relu())[2],
        stax.serial(conv(), stax.Relu())[2],
        stax.serial(head, dense())[2],
    )


def _sweep(x1, x2, architecture, max_depth, w_std, b_std):
    first, deeper, head = _layers(architecture, w_std, b_std)
    # Global pooling sums over pairs of pixels, so it needs the covariance of every pair; the others only equal ones.
    kernel = first(x1, x2, None, diagonal_batch=False, diagonal_spatial=architecture == "cnn_flatten")
    out = [head(kernel).ntk]
    for _ in range(max_depth - 1):
        kernel = deeper(kernel)
        out.append(head(kernel).ntk)
    return jax.numpy.stack(out)


_jitted_sweep = jax.jit(_sweep, static_argnums=(2, 3, 4, 5))


def _as_network_input(x: np.ndarray, architecture: str) -> np.ndarray:
    x = np.asarray(x, np.float64)
    if not np.isfinite(x).all():
        raise MrntkError("x holds NaN or infinite values: remove or replace those inputs first.")
    if architecture == "dnn":
        return x.reshape(len(x), -1)
    if x.ndim != 4:
        raise MrntkError(f"x has shape {x.shape}, but a CNN needs images of shape (N, channels, height, width).")
    return x.transpose(0, 2, 3, 1)  # neural-tangents wants channels last


def depth_kernels(
    x: Float[np.ndarray, "N *shape"],
    architecture: str = "dnn",
    max_depth: int = 9,
    *,
    w_std: float = W_STD,
    b_std: float = B_STD,
    block: int | None = None,
    progress=lambda blocks: blocks,
) -> Float[np.ndarray, "depth N N"]:
    """Infinite-width source NTK K_S on `x` for every depth from 1 to `max_depth`, in float64.

    Parameters
    ----------
    x : inputs of shape (N, ...); images are (N, channels, height, width).
    architecture : "dnn" (depth = linear layers), "cnn_flatten" or "cnn_gap" (depth = 3x3 convolutions, then a flatten or a
        global average pooling head). ReLU throughout, NTK parameterisation.
    block : images a block; memory grows with block^2 times pixels^2 for "cnn_gap". Default: chosen from the input size.
    progress : wraps the iterable of blocks, for example `tqdm`.

    Returns
    -------
    Array (max_depth, N, N); entry [d - 1] is K_S at depth d. Source: PAPER.md's recursion; paper Table 1, Fig. 2.

    Raises
    ------
    MrntkError
        For an unknown architecture, a depth below 1, or inputs of the wrong shape or with NaN.
    """
    if architecture not in ARCHITECTURES:
        raise MrntkError(f"architecture={architecture!r} is unknown: choose one of {', '.join(ARCHITECTURES)}.")
    if max_depth < 1:
        raise MrntkError(f"max_depth={max_depth} is too small: a network has at least one layer.")
    x = _as_network_input(x, architecture)
    n = len(x)
    if block is None:
        pixels = x.shape[1] * x.shape[2] if architecture != "dnn" else 1
        per_pair = 8 * pixels ** (2 if architecture == "cnn_gap" else 1)
        block = int(max(1, min(n, (6e7 / per_pair) ** 0.5)))  # about 60 MB an array
    out = np.empty((max_depth, n, n))
    starts = list(combinations_with_replacement(range(0, n, block), 2))
    with jax.enable_x64(True):
        for i, j in progress(starts):
            rows, columns = slice(i, i + block), slice(j, j + block)
            out[:, rows, columns] = _jitted_sweep(x[rows], x[columns], architecture, max_depth, w_std, b_std)
            out[:, columns, rows] = out[:, rows, columns].transpose(0, 2, 1)
    return out
