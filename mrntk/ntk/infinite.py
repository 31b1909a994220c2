"""Infinite-width kernels, by neural-tangents: of sources, and of reprogrammed sources.

The recursion (Jacot et al. 2018) for an activation sigma, weights of standard deviation W_std / sqrt(fan_in)
and biases of standard deviation b_std:

    S_0(x, x') = W_std^2 x.x' / d + b_std^2,
    S_h        = W_std^2 E[sigma sigma'] + b_std^2,      D_h = W_std^2 E[dsigma dsigma'],
    K_S        = sum_h S_{h-1} prod_{h' >= h} D_{h'}.

The term of index h is what training layer h contributes. So freezing layers means leaving their terms out, and training an
input map in front of a frozen source leaves one product of D's: the limit of g g'^T, the Gram matrix of input gradients.
"""

from collections.abc import Callable
from itertools import combinations_with_replacement

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..model.input_maps import InputMap
from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.precision import in_float64
from .compat import neural_tangents

W_STD = 2**0.5
B_STD = 0.1**0.5


class _Layers:
    """Layers as functions from Kernel to Kernel, in NTK parameterisation; frozen ones do not add their own term."""

    def __init__(self, w_std: float, b_std: float, frozen: bool):
        neural_tangents()
        from neural_tangents import stax

        self.stax, self.frozen = stax, frozen
        self.std = {"W_std": w_std, "b_std": b_std, "parameterization": "ntk"}

    def _weights(self, kernel):
        # A layer makes ntk = nngp + W_std^2 (what came before); the first summand is its own term.
        return kernel.replace(ntk=kernel.ntk - kernel.nngp) if self.frozen else kernel

    def dense(self, kernel):
        return self._weights(self.stax.Dense(1, **self.std)[2](kernel))

    def conv(self, kernel, size: int = 3, stride: int = 1):
        pad = size // 2
        # Explicit padding, as in the networks; "SAME" would pad a strided convolution on one side only.
        padded = self._pad(kernel, pad) if stride > 1 else kernel
        layer = self.stax.Conv(1, (size, size), (stride, stride), "VALID" if stride > 1 else "SAME", **self.std)
        return self._weights(layer[2](padded))

    def _pad(self, kernel, pad: int):
        """Zero pixels around the image, in every array that has pixel axes."""

        def around(array, batches):
            if array is None or array.ndim <= batches:
                return array
            return jnp.pad(array, [(0, 0)] * batches + [(pad, pad)] * (array.ndim - batches))

        shapes = [(n, h + 2 * pad, w + 2 * pad, c) for n, h, w, c in (kernel.shape1, kernel.shape2)]
        return kernel.replace(
            cov1=around(kernel.cov1, 1 if kernel.diagonal_batch else 2),
            cov2=around(kernel.cov2, 1 if kernel.diagonal_batch else 2),
            nngp=around(kernel.nngp, 2),
            ntk=around(kernel.ntk, 2),
            shape1=shapes[0],
            shape2=shapes[1],
        )

    def relu(self, kernel):
        return self.stax.Relu()[2](kernel)

    def pool(self, kernel, size: int = 2):
        return self.stax.AvgPool((size, size), (2, 2))[2](kernel)

    def add(self, one, two):
        return self.stax.FanInSum()[2]([one, two])

    def pooled_head(self, kernel):
        return self.dense(self.stax.GlobalAvgPool()[2](kernel))

    def flat_head(self, kernel):
        return self.dense(self.stax.Flatten()[2](kernel))


def _dnn(layers: _Layers, kernel, *, depth: int):
    kernel = layers.dense(kernel)
    yield kernel
    for _ in range(depth - 1):
        kernel = layers.dense(layers.relu(kernel))
        yield kernel


def _cnn(layers: _Layers, kernel, *, depth: int, head: Callable):
    for _ in range(depth):
        kernel = layers.relu(layers.conv(kernel))
        yield head(kernel)  # a 2x2 average pooling before the global one would change nothing


def _cnn_gap(layers, kernel, *, depth: int):
    return _cnn(layers, kernel, depth=depth, head=layers.pooled_head)


def _cnn_flatten(layers, kernel, *, depth: int):
    return _cnn(layers, kernel, depth=depth, head=layers.flat_head)


def _vgg(layers: _Layers, kernel, *, levels: int, groups: int):
    for _ in range(groups):
        for _ in range(levels):
            kernel = layers.relu(layers.conv(kernel))
        kernel = layers.pool(kernel)
    yield layers.pooled_head(kernel)


def _resnet(layers: _Layers, kernel, *, levels: int, groups: int):
    stem_pool = 3 if kernel.shape1[2] > 32 else 2
    kernel = layers.pool(layers.conv(kernel, size=7, stride=2), stem_pool)
    for _ in range(groups):
        for level in range(levels):
            main = layers.conv(layers.relu(layers.conv(layers.relu(kernel))))
            # Channels change in the first block of a group, whose shortcut is therefore a 1x1 convolution.
            kernel = layers.add(main, layers.conv(kernel, size=1) if level == 0 else kernel)
        kernel = layers.pool(kernel)
    yield layers.pooled_head(kernel)


ARCHITECTURES = {"dnn": _dnn, "cnn_flatten": _cnn_flatten, "cnn_gap": _cnn_gap, "vgg": _vgg, "resnet": _resnet}
_EQUAL_PIXELS_ONLY = {"dnn", "cnn_flatten"}  # the others average over pixels, so they need the covariance of every pair


def _input_kernel(x1, x2, architecture: str):
    neural_tangents()
    from neural_tangents import stax

    diagonal = architecture in _EQUAL_PIXELS_ONLY
    return stax.Identity()[2](x1, x2, None, diagonal_batch=True, diagonal_spatial=diagonal)


def _all_depths(x1, x2, architecture, shape, w_std, b_std):
    layers = _Layers(w_std, b_std, frozen=False)
    kernels = ARCHITECTURES[architecture](layers, _input_kernel(x1, x2, architecture), **dict(shape))
    return jnp.stack([kernel.ntk for kernel in kernels])


def _frozen(x1, x2, moved, architecture, shape, w_std, b_std):
    """The kernel when only what stands before the network is trained and moves its inputs by `moved`, () or (h, w)."""
    kernel = _input_kernel(x1, x2, architecture)
    start = moved
    if (
        architecture not in _EQUAL_PIXELS_ONLY
    ):  # pairs of pixels are stored as (h, h, w, w); different ones do not move together
        start = jnp.diag(moved.ravel()).reshape(moved.shape * 2).transpose(0, 2, 1, 3)
    kernel = kernel.replace(ntk=jnp.broadcast_to(start, kernel.nngp.shape))
    *_, last = ARCHITECTURES[architecture](_Layers(w_std, b_std, frozen=True), kernel, **dict(shape))
    return last.ntk[None]


_jit_depths = jax.jit(_all_depths, static_argnums=(2, 3, 4, 5))
_jit_frozen = jax.jit(_frozen, static_argnums=(3, 4, 5, 6))


def _as_network_input(x, architecture: str) -> np.ndarray:
    x = np.asarray(x, np.float64)
    if not np.isfinite(x).all():
        raise MrntkError("x holds NaN or infinite values: remove or replace those inputs first.")
    if architecture not in ARCHITECTURES:
        raise MrntkError(f"architecture={architecture!r} is unknown: choose one of {', '.join(ARCHITECTURES)}.")
    if architecture == "dnn":
        return x.reshape(len(x), -1)
    if x.ndim != 4:
        raise MrntkError(f"x has shape {x.shape}, but a CNN needs images of shape (N, channels, height, width).")
    return x.transpose(0, 2, 3, 1)  # neural-tangents wants channels last


def _default_block(x: np.ndarray, architecture: str) -> int:
    pixels = 1 if architecture == "dnn" else x.shape[1] * x.shape[2]
    per_pair = 8 * (pixels if architecture in _EQUAL_PIXELS_ONLY else pixels**2)
    return int(max(1, min(len(x), (6e7 / per_pair) ** 0.5)))  # about 60 MB per array


def _by_blocks(one_block: Callable, x, x_other, block: int, leading: int, progress) -> np.ndarray:
    """Fill (leading, N, M) from blocks of pairs; each pair once when x_other is x."""
    symmetric = x_other is None
    other = x if symmetric else x_other
    out = np.empty((leading, len(x), len(other)))
    if symmetric:
        starts = list(combinations_with_replacement(range(0, len(x), block), 2))
    else:
        starts = [(i, j) for i in range(0, len(x), block) for j in range(0, len(other), block)]
    for i, j in progress(starts):
        rows, columns = slice(i, i + block), slice(j, j + block)
        out[:, rows, columns] = one_block(x[rows], other[columns])
        if symmetric:
            out[:, columns, rows] = out[:, rows, columns].transpose(0, 2, 1)
    return out


@in_float64
def depth_kernels(
    x: Float[Array, "N *shape"],
    architecture: str = "dnn",
    max_depth: int = 9,
    *,
    w_std: float = W_STD,
    b_std: float = B_STD,
    block: int | None = None,
    progress=iter,
) -> Float[np.ndarray, "depth N N"]:
    """Infinite-width source NTK K_S on `x` for every depth from 1 to `max_depth`, in float64, in one walk of the recursion.

    Parameters
    ----------
    x : inputs of shape (N, ...); images are (N, channels, height, width).
    architecture : "dnn" (depth = linear layers), "cnn_flatten" or "cnn_gap" (depth = 3x3 convolutions, then a flatten or a
        global average pooling head). ReLU throughout, NTK parameterisation.
    max_depth : the largest depth.
    w_std : W_std; weights have standard deviation W_std / sqrt(fan_in).
    b_std : standard deviation of the biases.
    block : images per block; memory grows with block^2 times pixels^2 for "cnn_gap". Default: chosen from the input size.
    progress : wraps the list of blocks, for example `tqdm`.

    Returns
    -------
    Float[np.ndarray, "depth N N"]
        Entry [d - 1] is K_S at depth d. Source: the recursion above; paper Table 1, Fig. 2.

    Raises
    ------
    MrntkError
        For an architecture without a depth, a depth below 1, or inputs of the wrong shape or with NaN.

    Examples
    --------
    One input of length sqrt(d) has S_0 = W_std^2 + b_std^2 = 2.1. At W_std^2 = 2 every layer adds its own term, which grows
    by b_std^2 = 0.1 from layer to layer, and hands on what came before.

    >>> import numpy as np
    >>> from mrntk.ntk.infinite import depth_kernels
    >>> depth_kernels(np.ones((1, 4)), "dnn", max_depth=3).round(6).ravel().tolist()
    [2.1, 4.3, 6.6]
    """
    if architecture not in ("dnn", "cnn_flatten", "cnn_gap"):
        raise MrntkError(f"architecture={architecture!r} has no depth: choose one of dnn, cnn_flatten, cnn_gap.")
    if max_depth < 1:
        raise MrntkError(f"max_depth={max_depth} is too small: a network has at least one layer.")
    x = _as_network_input(x, architecture)
    shape = (("depth", max_depth),)

    def one_block(x1, x2):
        return _jit_depths(x1, x2, architecture, shape, float(w_std), float(b_std))

    return _by_blocks(one_block, x, None, block or _default_block(x, architecture), max_depth, progress)


@in_float64
def source_kernel(
    x: Float[Array, "N *shape"],
    architecture: str,
    *,
    x_other: Float[Array, "M *shape"] | None = None,
    w_std: float = W_STD,
    b_std: float = B_STD,
    block: int | None = None,
    progress=iter,
    **shape: int,
) -> Float[np.ndarray, "N M"]:
    """Infinite-width source NTK K_S, with the parameters of `depth_kernels`.

    The finite twins are the networks in `mrntk.sources`. `shape` is `depth=` for "dnn", "cnn_flatten" and "cnn_gap", `levels=`
    and `groups=` for "vgg" and "resnet"; `x_other` gives the kernel between two sets.
    """
    x = _as_network_input(x, architecture)
    other = None if x_other is None else _as_network_input(x_other, architecture)
    fixed = tuple(sorted(shape.items()))

    def one_block(x1, x2):
        return _jit_depths(x1, x2, architecture, fixed, float(w_std), float(b_std))[-1:]

    return _by_blocks(one_block, x, other, block or _default_block(x, architecture), 1, progress)[0]


@in_float64
def target_kernel(
    x: Float[Array, "N *dT"],
    input_map: InputMap,
    architecture: str,
    *,
    w_std: float = W_STD,
    b_std: float = B_STD,
    block: int | None = None,
    progress=iter,
    **shape: int,
) -> Float[np.ndarray, "N N"]:
    """Theta_T of a random, frozen, infinitely wide source behind `input_map`, for one output; b adds a factor b b^T.

    For every factor (u, v) of the input map with diagonal v v^T = diag(q) at g = I, the source contributes the first-layer
    term of the recursion, started at q instead of 1. This is the limit in which both the source's width and the number of
    source inputs that move grow: with few moving inputs, a wide source's kernel fluctuates around it by 1/sqrt of that number.

    Returns (N, N), float64. Source: the recursion above, its term h = 1; `tests/ntk/test_infinite.py` shows the rate.
    """
    x = np.asarray(x)
    z = np.asarray(jax.vmap(input_map)(x))
    inputs = _as_network_input(z, architecture)
    size = block or _default_block(inputs, architecture)
    fixed = tuple(sorted(shape.items()))
    identity = jnp.eye(z[0].size).reshape(-1, *z.shape[1:])
    stacked = jax.vmap(lambda one: input_map.factors(one, identity))(x)
    total = np.zeros((len(x), len(x)))
    for factor in stacked:
        q = np.asarray((factor.v[0] ** 2).sum(1)).reshape(z.shape[1:])  # how far each source input moves
        moved = q.mean() if architecture == "dnn" else q.mean(0)  # a layer sums over all inputs, or over channels

        def one_block(x1, x2, moved=moved):
            return _jit_frozen(x1, x2, np.asarray(moved), architecture, fixed, float(w_std), float(b_std))

        total += np.asarray(factor.u @ factor.u.T) * _by_blocks(one_block, inputs, None, size, 1, progress)[0]
    return total
