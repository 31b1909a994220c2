"""The operators of ONNX as functions of JAX arrays: `OPERATORS[name](node, *inputs)`, for operator sets from 7 on.

What ONNX itself defines by simpler operators (LayerNormalization, Gelu, HardSwish, ...) has no entry here unless older sets have
it without such a definition, or the definition overflows where the operator does not.

One rule for kinks. Where an operator gives the larger or the smaller of an argument and of something that does not depend on the
input of the model (Relu, Clip, Max, Min, HardSigmoid), its derivative at the tie is 0, as that of `jax.nn.relu`. Where it has
another formula below 0 than above (LeakyRelu, PRelu, Elu, Selu), the derivative at 0 is that from below, which for Relu is 0 too.
Abs has the derivative 0 at 0. These are the values of PyTorch's layers.
"""

from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from . import onnx_resize, onnx_windows
from .onnx_node import Node, known


def _plain(function):
    """An operator without attributes."""
    return lambda node, *inputs: function(*inputs)


# Numbers, entry by entry.


def _extreme(pick):
    def operator(node: Node, *inputs):
        first, *others = sorted(zip(node.varies, inputs, strict=True), key=lambda one: not one[0])
        result = first[1]
        for varies, other in others:
            picked = pick(result, other)
            result = picked if varies else jnp.where(result == other, other, picked)
        return result

    return operator


def _between(x, low=None, high=None):
    """`jnp.clip` with the derivative 0 at both bounds."""
    x = x if low is None else jnp.where(x > low, x, jnp.asarray(low, x.dtype))
    return x if high is None else jnp.where(x < high, x, jnp.asarray(high, x.dtype))


def _clip(node: Node, x, low=None, high=None):
    return _between(x, node.get("min") if low is None else low, node.get("max") if high is None else high)


def _absolute(x):
    return x * jnp.sign(x)


def _above(x, below):
    """x where it is positive, elsewhere `below`."""
    return jnp.where(x > 0, x, below)


def _divide(x, y):
    return lax.div(*jnp.broadcast_arrays(x, y)) if jnp.issubdtype(jnp.result_type(x, y), jnp.integer) else x / y


def _cast(node: Node, x):
    """To an integer or boolean type as asked; floating types keep the precision of the computation."""
    from onnx.helper import tensor_dtype_to_np_dtype

    return _as_type(x, tensor_dtype_to_np_dtype(node.get("to")))


def _as_type(x, dtype):
    if jnp.issubdtype(dtype, jnp.floating):
        return x if jnp.issubdtype(x.dtype, jnp.floating) else jnp.asarray(x, float)
    return jnp.asarray(x).astype(jax.dtypes.canonicalize_dtype(dtype))


def _shrink(node: Node, x):
    bound, bias = node.get("lambd", 0.5), node.get("bias", 0.0)
    return jnp.where(x < -bound, x + bias, jnp.where(x > bound, x - bias, 0))


def _is_inf(node: Node, x):
    return (jnp.isposinf(x) & bool(node.get("detect_positive", 1))) | (
        jnp.isneginf(x) & bool(node.get("detect_negative", 1))
    )


# Along axes.


def _softmax(function):
    def operator(node: Node, x):
        if node.opset >= 13:
            return function(x, axis=node.get("axis", -1))
        rows = int(np.prod(x.shape[: node.get("axis", 1) % x.ndim]))  # all later axes are one
        return function(x.reshape(rows, -1), axis=1).reshape(x.shape)

    return operator


def _reduction(function):
    def operator(node: Node, x, axes=None):
        axes = node.integers("axes", axes)
        if not axes:
            axes = () if node.get("noop_with_empty_axes", 0) else None
        return function(x, axis=axes, keepdims=bool(node.get("keepdims", 1)))

    return operator


def _sum_of(function, then=lambda total: total):
    return _reduction(lambda x, **along: then(jnp.sum(function(x), **along)))


def _largest_at(pick):
    def operator(node: Node, x):
        axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
        if not node.get("select_last_index", 0):
            return pick(x, axis=axis, keepdims=keep)
        return x.shape[axis] - 1 - pick(jnp.flip(x, axis), axis=axis, keepdims=keep)

    return operator


def _top(node: Node, x, count=None):
    """The `k` largest along an axis, or smallest, in order, and their places."""
    axis, (count,) = node.get("axis", -1), (node.get("k"),) if count is None else node.integers("k", count)
    sign = 1 if node.get("largest", 1) else -1
    values, places = lax.top_k(sign * jnp.moveaxis(x, axis, -1), count)
    return jnp.moveaxis(sign * values, -1, axis), jnp.moveaxis(places, -1, axis)


def _cumulative_sum(node: Node, x, axis):
    axis, back = int(known(axis)), node.get("reverse", 0)
    x = jnp.flip(x, axis) if back else x
    total = jnp.cumsum(x, axis) - (x if node.get("exclusive", 0) else 0)
    return jnp.flip(total, axis) if back else total


def _standardised(x, axes, epsilon: float):
    centred = x - jnp.mean(x, axes, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axes, keepdims=True) + epsilon)


def _channels(x, *vectors):
    return (onnx_windows.per_channel(vector, x) for vector in vectors)


def _instance_normalization(node: Node, x, scale, shift):
    scale, shift = _channels(x, scale, shift)
    return scale * _standardised(x, tuple(range(2, x.ndim)), node.get("epsilon", 1e-5)) + shift


def _batch_normalization(node: Node, x, scale, shift, mean, var):
    if node.get("training_mode", 0) or not node.get("spatial", 1):
        node.refuse("training_mode=1" if node.get("training_mode", 0) else "spatial=0")
    scale, shift, mean, var = _channels(x, scale, shift, mean, var)
    return (x - mean) / jnp.sqrt(var + node.get("epsilon", 1e-5)) * scale + shift


def _length_normalization(node: Node, x):
    order, axis = node.get("p", 2), node.get("axis", -1)
    return x / jnp.linalg.norm(x, ord=order, axis=axis, keepdims=True)


def _dropout(node: Node, x, ratio=None, training=None):
    if training is not None and known(training):
        node.refuse("training_mode=True")
    return x, jnp.ones(x.shape, bool)


# Products.


def _gemm(node: Node, a, b, c=None):
    a, b = a.T if node.get("transA", 0) else a, b.T if node.get("transB", 0) else b
    product = node.get("alpha", 1.0) * (a @ b)
    return product if c is None else product + node.get("beta", 1.0) * c


# Shapes and places.


def _reshape(node: Node, x, shape):
    sizes = [int(size) for size in known(shape)]
    if not node.get("allowzero", 0):
        sizes = [size or x.shape[axis] for axis, size in enumerate(sizes)]
    return jnp.reshape(x, sizes)


def _flatten(node: Node, x):
    axis = node.get("axis", 1)
    return jnp.reshape(x, (int(np.prod(x.shape[:axis])), -1))


def _squeeze(node: Node, x, axes=None):
    return jnp.squeeze(x, node.integers("axes", axes))


def _unsqueeze(node: Node, x, axes=None):
    return jnp.expand_dims(x, node.integers("axes", axes))


def _expand(node: Node, x, shape):
    return jnp.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(known(shape).tolist())))


def _slice(node: Node, x, starts=None, ends=None, axes=None, steps=None):
    starts, ends = node.integers("starts", starts), node.integers("ends", ends)
    axes = node.integers("axes", axes) or range(len(starts))
    steps = node.integers("steps", steps) or (1,) * len(starts)
    places = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        places[axis] = slice(start, end, step)
    return x[tuple(places)]


def _split(node: Node, x, sizes=None):
    sizes, axis, parts = node.integers("split", sizes), node.get("axis", 0), len(node.proto.output)
    if sizes is None:
        size = -(-x.shape[axis] // parts)  # the last part may be smaller
        sizes = [size] * parts
    return tuple(jnp.split(x, np.cumsum(sizes)[:-1], axis))


def _pad(node: Node, x, pads=None, value=None, axes=None):
    pads = node.integers("pads", pads)
    axes = node.integers("", axes) or range(x.ndim)
    mode = node.get("mode", "constant")
    widths = [(0, 0)] * x.ndim
    for axis, low, high in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        widths[axis] = (low, high)
    kept = (slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(x.shape, widths, strict=True))
    x, widths = x[tuple(kept)], [(max(low, 0), max(high, 0)) for low, high in widths]
    if mode == "constant":
        return jnp.pad(x, widths, constant_values=node.get("value", 0) if value is None else value)
    return jnp.pad(x, widths, mode)


def _depth_to_space(node: Node, x):
    size, (n, _, h, w) = node.get("blocksize"), x.shape
    if node.get("mode", "DCR") == "DCR":
        blocks = x.reshape(n, size, size, -1, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        blocks = x.reshape(n, -1, size, size, h, w).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, -1, h * size, w * size)


def _space_to_depth(node: Node, x):
    size, (n, c, h, w) = node.get("blocksize"), x.shape
    blocks = x.reshape(n, c, h // size, size, w // size, size).transpose(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, -1, h // size, w // size)


def _gather_elements(node: Node, x, places):
    axis = node.get("axis", 0) % x.ndim
    kept = tuple(slice(n if i != axis else None) for i, n in enumerate(places.shape))
    return jnp.take_along_axis(x[kept], jnp.asarray(places), axis)


def _gather_nd(node: Node, x, places):
    def gather(x, places):
        return x[tuple(jnp.moveaxis(jnp.asarray(places), -1, 0))]

    for _ in range(node.get("batch_dims", 0)):
        gather = jax.vmap(gather)
    return gather(x, jnp.asarray(places))


REDUCED = {"none": "set", "add": "add", "mul": "multiply", "max": "max", "min": "min"}


def _scatter_nd(node: Node, x, places, updates):
    at = jnp.asarray(x).at[tuple(jnp.moveaxis(jnp.asarray(places), -1, 0))]
    return getattr(at, REDUCED[node.get("reduction", "none")])(updates)


def _one_hot(node: Node, places, depth, values):
    depth = int(known(depth).item())
    hot = jax.nn.one_hot(jnp.mod(places, depth), depth, axis=node.get("axis", -1), dtype=bool)
    return jnp.where(hot, values[1], values[0])


def _triangle(node: Node, x, k=None):
    return (jnp.triu if node.get("upper", 1) else jnp.tril)(x, 0 if k is None else int(known(k).item()))


def _filled(node: Node, shape):
    from onnx import numpy_helper

    value = node.get("value")
    return jnp.full(tuple(known(shape).tolist()), 0.0 if value is None else numpy_helper.to_array(value).item())


PLAIN = {
    "Abs": _absolute, "Acos": jnp.arccos, "Acosh": jnp.arccosh, "Add": jnp.add, "And": jnp.logical_and, "Asin": jnp.arcsin,
    "Asinh": jnp.arcsinh, "Atan": jnp.arctan, "Atanh": jnp.arctanh, "Ceil": jnp.ceil, "Cos": jnp.cos, "Cosh": jnp.cosh,
    "Div": _divide, "Equal": jnp.equal, "Erf": lax.erf, "Exp": jnp.exp, "Floor": jnp.floor, "Greater": jnp.greater,
    "GreaterOrEqual": jnp.greater_equal, "Identity": lambda x: x, "IsNaN": jnp.isnan, "Less": jnp.less,
    "LessOrEqual": jnp.less_equal, "Log": jnp.log, "MatMul": jnp.matmul, "Mul": jnp.multiply, "Neg": jnp.negative,
    "Not": jnp.logical_not, "Or": jnp.logical_or, "Reciprocal": jnp.reciprocal, "Relu": jax.nn.relu, "Round": jnp.round,
    "Sigmoid": jax.nn.sigmoid, "Sign": jnp.sign, "Sin": jnp.sin, "Sinh": jnp.sinh, "Softplus": jax.nn.softplus,
    "Softsign": jax.nn.soft_sign, "Sqrt": jnp.sqrt, "Sub": jnp.subtract, "Tan": jnp.tan, "Tanh": jnp.tanh,
    "Where": jnp.where, "Xor": jnp.logical_xor,
    "PRelu": lambda x, slope: _above(x, slope * x),
    "Pow": lambda x, power: jnp.power(x, power).astype(x.dtype),
    "Sum": lambda *inputs: reduce(jnp.add, inputs),
    "Mean": lambda *inputs: reduce(jnp.add, inputs) / len(inputs),
    "GlobalAveragePool": lambda x: jnp.mean(x, tuple(range(2, x.ndim)), keepdims=True),
    "GlobalMaxPool": lambda x: jnp.max(x, tuple(range(2, x.ndim)), keepdims=True),
    "CastLike": lambda x, other: _as_type(x, other.dtype),
    "Tile": lambda x, counts: jnp.tile(x, tuple(known(counts).tolist())),
    "Range": lambda *bounds: jnp.arange(*(known(bound).item() for bound in bounds)),
}  # fmt: skip

OPERATORS = {
    **{name: _plain(function) for name, function in PLAIN.items()},
    "Max": _extreme(jnp.maximum),
    "Min": _extreme(jnp.minimum),
    "Clip": _clip,
    "Cast": _cast,
    "Elu": lambda node, x: jax.nn.elu(x, node.get("alpha", 1.0)),
    "Selu": lambda node, x: (
        node.get("gamma", 1.0507010221481323) * jax.nn.elu(x, node.get("alpha", 1.6732631921768188))
    ),
    "HardSigmoid": lambda node, x: _between(node.get("alpha", 0.2) * x + node.get("beta", 0.5), 0, 1),
    "LeakyRelu": lambda node, x: _above(x, node.get("alpha", 0.01) * x),
    "ThresholdedRelu": lambda node, x: jnp.where(x > node.get("alpha", 1.0), x, 0),
    "Shrink": _shrink,
    "IsInf": _is_inf,
    "Mod": lambda node, x, y: (jnp.fmod if node.get("fmod", 0) else jnp.mod)(x, y),
    "Softmax": _softmax(jax.nn.softmax),
    "LogSoftmax": _softmax(jax.nn.log_softmax),
    "ReduceMax": _reduction(jnp.max),
    "ReduceMean": _reduction(jnp.mean),
    "ReduceMin": _reduction(jnp.min),
    "ReduceProd": _reduction(jnp.prod),
    "ReduceSum": _reduction(jnp.sum),
    "ReduceLogSumExp": _reduction(jax.nn.logsumexp),
    "ReduceL1": _sum_of(_absolute),
    "ReduceL2": _sum_of(jnp.square, jnp.sqrt),
    "ReduceLogSum": _sum_of(lambda x: x, jnp.log),
    "ReduceSumSquare": _sum_of(jnp.square),
    "ArgMax": _largest_at(jnp.argmax),
    "ArgMin": _largest_at(jnp.argmin),
    "TopK": _top,
    "CumSum": _cumulative_sum,
    "InstanceNormalization": _instance_normalization,
    "BatchNormalization": _batch_normalization,
    "LpNormalization": _length_normalization,
    "LRN": onnx_windows.local_response_normalization,
    "Dropout": _dropout,
    "Gemm": _gemm,
    "Einsum": lambda node, *inputs: jnp.einsum(node.get("equation"), *inputs),
    "Conv": onnx_windows.conv,
    "ConvTranspose": onnx_windows.conv_transpose,
    "MaxPool": onnx_windows.max_pool,
    "AveragePool": onnx_windows.average_pool,
    "Resize": onnx_resize.resize,
    "Upsample": onnx_resize.resize,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": lambda node, x: jnp.transpose(x, node.get("perm")),
    "Expand": _expand,
    "Concat": lambda node, *inputs: jnp.concatenate(inputs, node.get("axis", 1)),
    "Slice": _slice,
    "Split": _split,
    "Pad": _pad,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Gather": lambda node, x, places: jnp.take(x, places, node.get("axis", 0)),
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterND": _scatter_nd,
    "OneHot": _one_hot,
    "Trilu": _triangle,
    "ConstantOfShape": _filled,
    "Shape": lambda node, x: np.array(x.shape[node.get("start") : node.get("end")], np.int64),
    "Size": lambda node, x: np.array(np.prod(x.shape), np.int64),
}
STEPS = {"Ceil", "Floor", "Round", "Sign", "OneHot"}  # of which every derivative is 0
