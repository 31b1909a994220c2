"""A source from an ONNX file, as a differentiable JAX function.

The file is data, and nothing in it is executed. It is parsed as a protocol buffer, a format without code; the graph in it is a
list of operator names with tensors, and only the standard operators in `mrntk.sources.own.onnx_operators`, and those that ONNX
defines by them, are accepted. A graph cannot name a Python function or a library, and no file outside its own folder or its
hub's blobs: operators of other domains, control flow and paths out of the folder are refused. What a hostile file can still do is
ask for a large computation.
"""

from contextlib import contextmanager
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...support.arrays import Array
from ...support.errors import MrntkError, first_line
from ..contract import PRECISIONS, check_input, shapes_of
from .onnx_folding import folded
from .onnx_graph import OneInput, read_graph
from .onnx_node import DependsOnInput, Node, Unsupported
from .onnx_operators import OPERATORS, STEPS


class Graph:
    """The computation of a file. It holds no weights; equal only to itself, so that calls share compiled code."""

    def __init__(self, content: OneInput, path: Path):
        self.path = path
        self.nodes, self.constants = content.nodes, content.constants
        self.input_name, self.output_name = content.input_name, content.output_name

    def __call__(self, weights, s):
        values = self._given(weights, s)
        for node in self.nodes:
            values.update(self.results(node, values, s.dtype))
        return values[self.output_name]

    def _given(self, weights, s) -> dict:
        tensors = {**self.constants, **weights}
        return {**{name: _in_precision(value, s.dtype) for name, value in tensors.items()}, self.input_name: s[None]}

    def results(self, node: Node, values: dict, dtype) -> dict:
        """What a node gives, by name, for the values by name that are known before it."""
        with self._explained(node):
            results = OPERATORS[node.operator](node, *(values[name] if name else None for name in node.proto.input))
            results = results if isinstance(results, tuple) else (results,)
            names = [name for name in node.proto.output if name]
            if len(names) > len(results):
                node.refuse(f"the output {names[-1]}")
        return {name: _in_precision(value, dtype) for name, value in zip(node.proto.output, results, strict=False)}

    @contextmanager
    def _explained(self, node: Node):
        """What goes wrong in a node, in a sentence with its operator's name."""
        named = f"operator {node.operator}, which gives {node.proto.output[0]!r},"
        try:
            yield
        except Unsupported as error:
            raise MrntkError(f"path={self.path}: {error} is not supported: export the model without it.") from None
        except (DependsOnInput, jax.errors.JAXTypeError):
            raise MrntkError(
                f"path={self.path}: {named} needs a size or a place that depends on the values of the input or of weights: "
                "export the model with fixed shapes."
            ) from None
        except Exception as error:
            raise MrntkError(
                f"path={self.path}: {named} cannot be computed or differentiated ({first_line(error)}): export the model "
                "without it, or give another input_shape if its sizes are open."
            ) from error

    def fold(self, weights, s):
        """The output of an example s, and its shape; what follows from shapes and constants alone is computed for good.

        s and the weights are tracers here, which no shape and no index can depend on.
        """
        values = self._given(weights, s)
        kept, alive, stop = [], {self.input_name}, "nothing"  # what has a derivative, and what stopped one last
        for node in self.nodes:
            with self._explained(node):
                found = folded(node, [self.constants.get(name, values.get(name)) for name in node.proto.input])
            if found is None:
                kept.append(node)
                found = self.results(node, values, s.dtype)
            else:
                self.constants.update(found)
            values.update(found)
            if alive & set(node.proto.input):
                floating = {name for name, value in found.items() if jnp.issubdtype(value.dtype, jnp.floating)}
                alive |= floating if node.operator not in STEPS else set()
                stop = stop if floating <= alive and floating else node.operator
        if self.output_name not in alive:
            raise MrntkError(
                f"path={self.path}: output {self.output_name} has no derivative, since {stop} stands before it: choose an "
                "output before that."
            )
        self.nodes = kept
        return values[self.output_name]


def _in_precision(value, dtype):
    return value.astype(dtype) if jnp.issubdtype(value.dtype, jnp.floating) and value.dtype != dtype else value


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
    path : the file. Weights in files beside it are read if they lie in its folder or below, or in the blobs of a hub's cache.
    input_shape : shape of ONE input, without the batch axis; needed where the file leaves sizes open (a name, 0 or -1).
    output : name of the output to take, needed where there are several. Its values for one example are flattened.
    max_bytes : refuse a model, weights in other files included, that is larger.

    Raises
    ------
    MrntkError
        If the file is missing, too large, damaged or no ONNX model; if it has several inputs, one that is not floating, a batch
        fixed to more than 1, or open sizes without `input_shape`; if it uses operators that are not supported (they are named)
        or shapes that depend on the values of the input; if its output has no derivative, in float32 and in float64, with
        respect to the input. All this is found by tracing; the graph is not computed.
    """
    path = Path(path)
    content = read_graph(path, None if input_shape is None else tuple(input_shape), output, max_bytes)
    weights = {  # JAX would cut float64 to float32 here
        name: value if value.dtype == np.float64 else jnp.asarray(value) for name, value in content.weights.items()
    }
    graph = Graph(content, path)
    out = jax.eval_shape(graph.fold, weights, jax.ShapeDtypeStruct(content.input_shape, np.float32))
    source = OnnxSource(weights, graph, content.input_shape, out.size, path.stem)
    for dtype in PRECISIONS:
        try:
            shapes_of(source, source.input_shape, dtype, backwards=True)
        except MrntkError:
            raise  # which names the operator
        except Exception as error:
            raise MrntkError(
                f"path={path} cannot be differentiated in {np.dtype(dtype).name} ({first_line(error)}): export another model."
            ) from error
    return source
