"""ONNX's Resize and its older forms, Upsample among them: along each axis a weighted sum of a few neighbours."""

import math

import jax.numpy as jnp
import numpy as np

from .onnx_node import Node, known

ROUNDED = {
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _places(node: Node, size: int, out: int, scale: float, transform: str):
    """Where the output's entries lie on the input's axis; shape (out,). In float32, as runtimes have it: a place may be a tie."""
    i, scale = np.arange(out, dtype=np.float32), np.float32(scale)
    if transform == "align_corners":
        return i * ((size - 1) / (out - 1) if out > 1 else 0.0)
    if transform == "asymmetric":
        return i / scale
    if transform == "tf_half_pixel_for_nn":
        return (i + 0.5) / scale
    if transform == "half_pixel_symmetric":
        return size / 2 * (1 - out / (scale * size)) + (i + 0.5) / scale - 0.5
    if transform == "half_pixel" or (transform == "pytorch_half_pixel" and out > 1):
        return (i + 0.5) / scale - 0.5
    if transform == "pytorch_half_pixel":
        return np.zeros(1)
    return node.refuse(f"coordinate_transformation_mode={transform}")


def _linear(distance):
    return np.maximum(1 - distance, 0)


def _cubic(distance, a: float):
    inner = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    outer = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, inner, np.where(distance < 2, outer, 0))


def _neighbours(node: Node, size: int, out: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(places on the input's axis, their weights), each (out, taps)."""
    old = node.opset < 11
    mode = node.get("mode", "nearest")
    transform = node.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    at = _places(node, size, out, scale, transform)
    if mode == "nearest":
        nearest = ROUNDED[node.get("nearest_mode", "floor" if old else "round_prefer_floor")](at)
        return np.clip(nearest, 0, size - 1).astype(int)[:, None], np.ones((out, 1))
    if mode == "cubic":
        reach, a = 2, node.get("cubic_coeff_a", -0.75)
    elif mode == "linear":
        reach, a = 1, None
    else:
        node.refuse(f"mode={mode}")
    stretch = max(1.0, 1 / scale) if node.get("antialias", 0) else 1.0
    first = np.floor(at - reach * stretch).astype(int)
    taps = first[:, None] + np.arange(2 * math.ceil(reach * stretch) + 2)  # (out, taps)
    distance = np.abs(taps - at[:, None]) / stretch
    weights = _linear(distance) if mode == "linear" else _cubic(distance, a)
    if node.get("exclude_outside", 0):
        weights = np.where((taps >= 0) & (taps < size), weights, 0)
    return np.clip(taps, 0, size - 1), weights / weights.sum(1, keepdims=True)


def _extents(node: Node, shape, axes, scales, sizes):
    """(size, scale) of every resized axis of the output."""
    if scales is not None and len(scales):
        return [(math.floor(np.float32(shape[axis]) * s), float(s)) for axis, s in zip(axes, scales, strict=True)]
    ratios = [n / shape[axis] for axis, n in zip(axes, sizes, strict=True)]
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return list(zip(sizes, ratios, strict=True))
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    return [(math.floor(shape[axis] * ratio + 0.5), ratio) for axis in axes]


def resize(node: Node, x, *inputs):
    """Inputs are (scales) before operator set 11, then (roi, scales, sizes)."""
    _, scales, sizes = (*((None,) if node.opset < 11 else ()), *inputs, None, None, None)[:3]
    scales = node.get("scales") if scales is None else known(scales).astype(np.float32)
    axes = [axis % x.ndim for axis in node.get("axes", range(x.ndim))]
    for axis, (out, scale) in zip(axes, _extents(node, x.shape, axes, scales, node.integers("", sizes)), strict=True):
        if (out, scale) != (x.shape[axis], 1):
            places, weights = _neighbours(node, x.shape[axis], int(out), scale)
            around = jnp.take(jnp.moveaxis(x, axis, -1), places, -1)  # (..., out, taps)
            x = jnp.moveaxis(jnp.sum(around * weights.astype(x.dtype), -1), -1, axis)
    return x
