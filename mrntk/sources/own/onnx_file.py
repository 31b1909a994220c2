"""A source from an ONNX file, as a differentiable JAX function; jaxonnxruntime translates its operators.

The file is data, and nothing in it is executed. It is parsed as a protocol buffer, a format without code; the graph in it is a
list of operator names with tensors, and only names of the standard operator set that jaxonnxruntime implements are accepted. A
graph cannot name a Python function or a library, and no file outside its own folder: operators of other domains, control flow
and paths out of the folder are refused. What a hostile file can still do is ask for a large computation.

jaxonnxruntime 0.3 is complete for operator sets 16 to 19, so a file of another set is converted to 19 first (in older ones it
would also ignore some attributes). Shapes are fixed to one example, and what follows from shapes alone is computed beforehand.
`mrntk.sources.own.onnx_graph` does this. Four operators are lent to jaxonnxruntime while it reads a graph, and taken back: its
AveragePool has no gradient, its Clip and Pad call JAX in ways that JAX drops, and its Cast would narrow a float64 computation.
"""

import importlib
import math
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...support.arrays import Array
from ...support.errors import MrntkError, first_line
from ..contract import check_input
from .onnx_graph import OneInput, read_graph

# Operators that jaxonnxruntime 0.3 has, but not in a form that works here; its names of arguments.


@partial(jax.jit, static_argnames=("ceil_mode", "strides", "pads", "dilations", "kernel_shape", "count_include_pad"))
def _average_pool(x, *, ceil_mode, strides, pads, dilations, kernel_shape, count_include_pad):
    if ceil_mode:
        raise NotImplementedError("AveragePool with ceil_mode=1")

    def window_sum(x):  # a plain 0.0, by which JAX recognises the sum, which has a gradient
        return jax.lax.reduce_window(x, 0.0, jax.lax.add, kernel_shape, strides, pads, None, dilations)

    return window_sum(x) / (math.prod(kernel_shape) if count_include_pad else window_sum(jnp.ones_like(x)))


@jax.jit
def _clip(x, low=None, high=None):
    return jnp.clip(x, low, high)


@partial(jax.jit, static_argnames=("to", "from_type", "precision"))
def _cast(x, *, to, from_type, precision):
    """To an integer or boolean type as asked; to any floating type in the precision of the computation."""
    from onnx.helper import tensor_dtype_to_np_dtype

    dtype = np.dtype(tensor_dtype_to_np_dtype(to))
    return x.astype(precision if jnp.issubdtype(dtype, jnp.floating) else jax.dtypes.canonicalize_dtype(dtype))


@partial(jax.jit, static_argnames=("pads", "constant_value", "mode", "axes"))
def _pad(x, *_, pads, constant_value, mode, axes):
    widths = [(0, 0)] * x.ndim
    for axis, low, high in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        widths[axis] = (low, high)
    return jnp.pad(x, widths, mode, **({"constant_values": constant_value} if mode == "constant" else {}))


@contextmanager
def _lent(precision):
    """jaxonnxruntime with the operators above and without its check that constants are inside the graph.

    Here they are outside, as NumPy arrays; all else is a tracer, so a shape that depends on the input cannot go unseen.
    """
    from jaxonnxruntime import config_class

    lent = {
        "averagepool": _average_pool,
        "clip": _clip,
        "pad": _pad,
        "cast": partial(_cast, precision=precision),
    }
    homes = {name: importlib.import_module(f"jaxonnxruntime.onnx_ops.{name}") for name in lent}
    originals = {name: getattr(home, f"onnx_{name}") for name, home in homes.items()}
    try:
        for name, home in homes.items():
            setattr(home, f"onnx_{name}", lent[name])
        with config_class.jaxort_only_allow_initializers_as_static_args(False):
            yield
    finally:
        for name, home in homes.items():
            setattr(home, f"onnx_{name}", originals[name])


class Graph:
    """The computation of a file. It holds no weights; equal only to itself, so that calls share compiled code."""

    def __init__(self, content: OneInput):
        self.graph, self.opset = content.graph, content.opset
        self.input_name, self.constants = content.input_name, content.constants
        self.functions = {}

    def _tensors(self, weights, s):
        constants = {
            name: value.astype(s.dtype) if jnp.issubdtype(value.dtype, jnp.floating) else value
            for name, value in self.constants.items()
        }
        return {**constants, **{name: jnp.asarray(value, s.dtype) for name, value in weights.items()}}

    def prepare(self, weights, s):
        """Resolve all that must be known before tracing; s is a tracer, which no shape and no index can depend on."""
        from jaxonnxruntime import call_onnx
        from onnx.helper import make_opsetid

        tensors = {**self._tensors(weights, s), self.input_name: s[None]}
        with _lent(s.dtype):
            function = call_onnx.call_onnx_graph(self.graph, tensors, opset=[make_opsetid("", self.opset)])
        self.functions[s.dtype.name] = function
        return self(weights, s)

    def __call__(self, weights, s):
        return self.functions[s.dtype.name](self._tensors(weights, s), {self.input_name: s[None]})[0]


class OnnxSource(eqx.Module):
    """f_S(s), the output of an ONNX graph on a batch of one, flattened; make it with `from_onnx`."""

    weights: dict[str, Array]
    graph: Graph = eqx.field(static=True)
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __call__(self, s: Float[Array, "*dS"]) -> Float[Array, " cS"]:
        check_input(self, s)
        s = jnp.asarray(s)
        return self.graph(self.weights, s if s.dtype == np.float64 else s.astype(np.float32)).ravel()


def from_onnx(
    path: str | Path,
    *,
    input_shape: tuple[int, ...] | None = None,
    output: str | None = None,
    max_bytes: int = 2_000_000_000,
) -> OnnxSource:
    """A source from an ONNX file with one floating input (batch, ...).

    What the input means, the graph decides: images in [0, 1] must be normalised inside it, or before it in a function that is
    given to `from_function`. Weights are kept as stored and used in the precision of s, float32 or float64.

    Parameters
    ----------
    path : the file. Weights in files beside it are read if they lie in its folder or below.
    input_shape : shape of ONE input, without the batch axis; needed where the file leaves sizes open.
    output : name of the output to take, needed where there are several. Its values for one example are flattened.
    max_bytes : refuse a model, weights in other files included, that is larger.

    Raises
    ------
    MrntkError
        If the file is missing, too large, damaged or no ONNX model; if it has several inputs, one that is not floating, a batch
        fixed to more than 1, or open sizes without `input_shape`; if it uses operators that jaxonnxruntime lacks (they are
        named) or shapes that depend on the values of the input.
    """
    path = Path(path)
    content = read_graph(path, None if input_shape is None else tuple(input_shape), output, max_bytes)
    graph = Graph(content)
    weights = {  # JAX would cut float64 to float32 here
        name: value if value.dtype == np.float64 else jnp.asarray(value) for name, value in content.weights.items()
    }
    size = _prepared_size(path, graph, weights, content.input_shape)
    return OnnxSource(weights, graph, content.input_shape, size, path.stem)


def _prepared_size(path: Path, graph: Graph, weights, input_shape: tuple[int, ...]) -> int:
    """Prepare the graph for both precisions by tracing; the number of its outputs."""
    try:
        for dtype in (np.float32, np.float64):
            with jax.enable_x64(dtype == np.float64):
                out = jax.eval_shape(graph.prepare, weights, jax.ShapeDtypeStruct(input_shape, dtype))
    except jax.errors.JAXTypeError as error:
        raise MrntkError(
            f"path={path}: a shape or an index in the graph depends on the values of the input ({first_line(error)}): "
            "export the model with fixed shapes."
        ) from error
    except Exception as error:
        raise MrntkError(
            f"path={path}: jaxonnxruntime cannot translate the graph ({first_line(error)}): simplify the model, or export "
            "it with operator set 17."
        ) from error
    if not jnp.issubdtype(out.dtype, jnp.floating):
        raise MrntkError(f"path={path} gives {out.dtype} values, which have no gradient: choose an output before that.")
    return out.size
