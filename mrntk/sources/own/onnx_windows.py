"""ONNX operators that move a window over the spatial axes: convolutions and pooling.

Arrays are (batch, channels, *spatial); pads are (low, high) pairs, one per spatial axis.
"""

import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from .onnx_node import Node


def _same(total: int, auto_pad: str) -> tuple[int, int]:
    """Padding of that total, shared between both ends; an odd one goes to the end that the attribute names."""
    total = max(total, 0)
    return (total // 2, (total + 1) // 2) if auto_pad == "SAME_UPPER" else ((total + 1) // 2, total // 2)


def _spans(node: Node, kernel) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(strides, dilations, extents of the dilated window) per spatial axis."""
    ones = (1,) * len(kernel)
    strides, dilations = tuple(node.get("strides", ones)), tuple(node.get("dilations", ones))
    return strides, dilations, tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True))


def _pads(node: Node, sizes, strides, extents) -> list[tuple[int, int]]:
    auto_pad, axes = node.get("auto_pad", "NOTSET"), len(sizes)
    if auto_pad.startswith("SAME"):
        geometry = zip(sizes, strides, extents, strict=True)
        return [_same((math.ceil(n / s) - 1) * s + e - n, auto_pad) for n, s, e in geometry]
    pads = node.get("pads", (0,) * 2 * axes) if auto_pad == "NOTSET" else (0,) * 2 * axes
    return list(zip(pads[:axes], pads[axes:], strict=True))


def conv(node: Node, x, w, b=None):
    strides, dilations, extents = _spans(node, w.shape[2:])
    pads = _pads(node, x.shape[2:], strides, extents)
    out = lax.conv_general_dilated(
        x, w, strides, pads, rhs_dilation=dilations, feature_group_count=node.get("group", 1)
    )
    return out if b is None else out + per_channel(b, x)


def per_channel(b, x):
    return jnp.reshape(b, (-1, *(1,) * (x.ndim - 2)))


def conv_transpose(node: Node, x, w, b=None):
    """The transpose of a convolution, as one over an input with gaps; w is (channels in, channels out / group, *kernel)."""
    strides, dilations, extents = _spans(node, w.shape[2:])
    sizes, group, axes = x.shape[2:], node.get("group", 1), w.ndim - 2
    more = node.get("output_padding", (0,) * axes)
    full = [s * (n - 1) + e + m for s, n, e, m in zip(strides, sizes, extents, more, strict=True)]
    auto_pad, wanted = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    if wanted is None and auto_pad.startswith("SAME"):
        wanted = [n * s for n, s in zip(sizes, strides, strict=True)]
    if wanted is None:
        cuts = _pads(node, sizes, strides, extents)
    else:
        cuts = [_same(f - n, auto_pad) for f, n in zip(full, wanted[-axes:], strict=True)]
        more = [m + max(n - f, 0) for m, f, n in zip(more, full, wanted[-axes:], strict=True)]
    pads = [(e - 1 - low, e - 1 - high + m) for e, (low, high), m in zip(extents, cuts, more, strict=True)]
    w = w.reshape(group, -1, *w.shape[1:]).swapaxes(1, 2)
    w = jnp.flip(w.reshape(-1, *w.shape[2:]), range(2, w.ndim - 1))
    out = lax.conv_general_dilated(
        x, w, (1,) * axes, pads, lhs_dilation=strides, rhs_dilation=dilations, feature_group_count=group
    )
    return out if b is None else out + per_channel(b, x)


def _pool_geometry(node: Node, x):
    """(kernel, strides, dilations, pads, further padding at the end that `ceil_mode` asks for)."""
    kernel, sizes = node.get("kernel_shape"), x.shape[2:]
    strides, dilations, extents = _spans(node, kernel)
    pads, beyond = _pads(node, sizes, strides, extents), [0] * len(kernel)
    for axis, (n, s, e, (low, high)) in enumerate(zip(sizes, strides, extents, pads, strict=True)):
        steps = math.ceil((n + low + high - e) / s) if node.get("ceil_mode", 0) else 0
        steps -= steps * s >= n + low  # no window begins behind the input
        beyond[axis] = max(steps * s + e - (n + low + high), 0)
    return kernel, strides, dilations, pads, beyond


def _window(x, start, operation, kernel, strides, dilations, pads):
    spread = [(1, 1, *sizes) for sizes in (kernel, strides)]
    return lax.reduce_window(x, start, operation, *spread, [(0, 0)] * 2 + pads, None, (1, 1, *dilations))


def _max_of_blocks(x, kernel):
    """Maxima of windows side by side: the derivative of XLA's own maximum is twenty times slower on a CPU.

    The last axis comes first, so that of equal entries the first in the order of memory is taken.
    """
    for axis, size in reversed(list(enumerate(kernel, 2))):
        kept = x.shape[axis] // size * size
        parts = [lax.slice_in_dim(x, i, kept, size, axis) for i in range(size)]
        x = functools.reduce(lambda one, other: jnp.where(one >= other, one, other), parts)
    return x


def max_pool(node: Node, x):
    """Where several entries of a window are the largest, the first takes the derivative, as in PyTorch."""
    kernel, strides, dilations, pads, beyond = _pool_geometry(node, x)
    pads = [(low, high + b) for (low, high), b in zip(pads, beyond, strict=True)]
    if tuple(kernel) == tuple(strides) and set(dilations) == {1} and not np.any(pads):
        return _max_of_blocks(x, kernel)
    if set(dilations) == {1}:
        return _window(x, -np.inf, lax.max, kernel, strides, dilations, pads)
    x = jnp.pad(x, [(0, 0)] * 2 + pads, constant_values=-np.inf)  # JAX has no derivative of a dilated maximum
    ends = [n - d * (k - 1) for n, d, k in zip(x.shape[2:], dilations, kernel, strict=True)]
    shifts = [tuple(d * i for d, i in zip(dilations, place, strict=True)) for place in np.ndindex(*kernel)]
    parts = (x[(..., *(slice(a, a + n, s) for a, n, s in zip(shift, ends, strides, strict=True)))] for shift in shifts)
    return jnp.max(jnp.stack(list(parts)), 0)


def average_pool(node: Node, x):
    kernel, strides, dilations, pads, beyond = _pool_geometry(node, x)
    counted = jnp.pad(jnp.ones_like(x), [(0, 0)] * 2 + pads, constant_values=node.get("count_include_pad", 0))
    x = jnp.pad(x, [(0, 0)] * 2 + pads)
    total, count = (
        _window(part, 0.0, lax.add, kernel, strides, dilations, [(0, b) for b in beyond]) for part in (x, counted)
    )
    return total / count


def local_response_normalization(node: Node, x):
    """x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta."""
    size = node.get("size")
    before = (size - 1) // 2
    squares = jnp.pad(x * x, [(0, 0), (before, size - 1 - before)] + [(0, 0)] * (x.ndim - 2))
    total = sum(squares[:, i : i + x.shape[1]] for i in range(size))
    scale = node.get("bias", 1.0) + node.get("alpha", 1e-4) / size * total
    return x / scale ** node.get("beta", 0.75)
