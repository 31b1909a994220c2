"""Reading an ONNX file as a list of nodes that `OPERATORS` can compute: one input of fixed shape, one output.

`read_graph` does it all: parse, fix the shape of one example, write what ONNX defines by simpler operators in these.
"""

from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ...support.errors import MrntkError, first_line
from .onnx_node import Node
from .onnx_operators import OPERATORS
from .onnx_parse import damaged, keep_output, parse, replace

FIRST_SET = 7  # before it, operators broadcast by rules of their own


class OneInput(NamedTuple):
    """Nodes in the order of computation, and the tensors: weights are floating arrays, constants are all others."""

    nodes: list[Node]
    input_name: str
    input_shape: tuple[int, ...]  # of one example
    output_name: str
    weights: dict[str, np.ndarray]
    constants: dict[str, np.ndarray]


def read_graph(path: Path, input_shape: tuple[int, ...] | None, output: str | None, max_bytes: int) -> OneInput:
    """The file at `path` for one example of `input_shape`; see `from_onnx`, whose arguments and errors these are."""
    model = parse(path, max_bytes)
    keep_output(path, model.graph, output)
    tensors = {}
    _take_tensors(path, model, tensors)
    value = _only_input(path, model.graph, tensors)
    shape = _shape_of_one(path, value, input_shape)
    try:
        model = _simplified(model, value, shape, tensors)
        _take_tensors(path, model, tensors)
        nodes = _dequantized(_nodes(model, value.name), tensors)
    except MrntkError:
        raise
    except Exception as error:
        raise MrntkError(f"path={path} is not a valid ONNX graph ({first_line(error)}): export it again.") from error
    _check_operators(path, nodes)
    _check_order(path, nodes, {*tensors, value.name})
    weights, constants = _sorted_by_use(nodes, tensors)
    return OneInput(nodes, value.name, shape, model.graph.output[0].name, weights, constants)


def _take_tensors(path: Path, model, tensors: dict):
    """Move the tensors out of the graph, those of Constant nodes too."""
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    graph, opset = model.graph, _opset(model)
    if graph.sparse_initializer:
        raise MrntkError(f"path={path} has sparse weights: export it with dense ones.")
    for tensor in graph.initializer:
        try:
            tensors[tensor.name] = np.asarray(numpy_helper.to_array(tensor))
        except Exception as error:
            raise damaged(path, f"tensor {tensor.name}", error) from error
    for node in graph.node:
        if node.op_type == "Constant":
            try:
                results = ReferenceEvaluator(node, opsets={"": opset}).run(None, {})
            except Exception as error:
                raise damaged(path, f"tensor {node.output[0]}", error) from error
            tensors[node.output[0]] = np.asarray(results[0])
    replace(graph.node, [node for node in graph.node if node.op_type != "Constant"])
    del graph.initializer[:]


def _opset(model) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


# One input of fixed shape.


def _only_input(path: Path, graph, known: dict):
    used = {name for node in graph.node for name in node.input}
    values = [value for value in graph.input if value.name not in known and value.name in used]
    if len(values) != 1:
        names = ", ".join(value.name for value in values) or "none"
        raise MrntkError(
            f"path={path} has {len(values)} inputs ({names}): a source takes one; export the model with one."
        )
    return values[0]


def _shape_of_one(path: Path, value, input_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of one example, from the file where it says it, else from the caller; a size of 0 or -1 is an open one."""
    from onnx import TensorProto

    kind = value.type.tensor_type
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        raise MrntkError(
            f"path={path}: input {value.name} is not floating, so it has no gradient: export it with float input."
        )
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in kind.shape.dim]
    if not dims and kind.HasField("shape"):
        raise MrntkError(f"path={path}: input {value.name} has no batch axis: export the model for a batch.")
    if dims and dims[0] not in (None, 1):
        raise MrntkError(
            f"path={path} takes {dims[0]} examples at a time: export it with a batch of 1 or an open batch."
        )
    stated = tuple(dims[1:])
    if input_shape is None:
        if not dims or None in stated:
            raise MrntkError(
                f"input_shape is missing: {path} leaves sizes open {stated}; give the shape of ONE example."
            )
        return stated
    fits = not dims or len(input_shape) == len(stated)
    if not fits or any(size not in (None, given) for size, given in zip(stated, input_shape)):  # noqa: B905
        raise MrntkError(f"input_shape={tuple(input_shape)} does not fit {path}, which takes {stated} (None: open).")
    return tuple(input_shape)


# Operators.


def _simplified(model, value, shape: tuple[int, ...], tensors: dict):
    """The graph in which operators that `OPERATORS` lacks stand as ONNX defines them by simpler ones, where it does."""
    from onnx import TensorProto, helper, inliner, numpy_helper, version_converter

    for node in model.graph.node:
        node.domain = "" if node.domain == "ai.onnx" else node.domain
    inputs = [helper.make_tensor_value_info(value.name, TensorProto.FLOAT, (1, *shape))]
    initial = []
    for name, array in tensors.items():
        if jnp.issubdtype(array.dtype, jnp.floating) and array.size > 1:  # without its values: the graph stays small
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
        else:
            initial.append(numpy_helper.from_array(array, name))
    graph = helper.make_graph(model.graph.node, "graph", inputs, model.graph.output, initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _opset(model))], ir_version=9)
    if _opset(model) < FIRST_SET:
        model = version_converter.convert_version(model, FIRST_SET)
    _state_defaults(model)
    kept = [("", name) for name in OPERATORS]
    return inliner.inline_selected_functions(model, kept, exclude=True, inline_schema_functions=True)


def _state_defaults(model):
    """Write the default attributes of operators that will be inlined, which would leave them out."""
    from onnx import defs

    for node in model.graph.node:
        if node.op_type not in OPERATORS and not node.domain and defs.has(node.op_type):
            stated = {entry.name for entry in node.attribute}
            attributes = defs.get_schema(node.op_type, _opset(model), "").attributes.values()
            node.attribute.extend(a.default_value for a in attributes if a.default_value.name and a.name not in stated)


def _nodes(model, input_name: str) -> list[Node]:
    from onnx.helper import get_attribute_value

    def attribute(entry):
        value = get_attribute_value(entry)
        return value.decode() if isinstance(value, bytes) else tuple(value) if isinstance(value, list) else value

    varying, nodes = {input_name}, []
    for proto in model.graph.node:
        varies = tuple(name in varying for name in proto.input)
        varying |= set(proto.output) if any(varies) else set()
        nodes.append(Node(proto, _opset(model), {entry.name: attribute(entry) for entry in proto.attribute}, varies))
    return nodes


def _dequantized(nodes: list[Node], tensors: dict) -> list[Node]:
    """The nodes without those that only give weights their values back, which is done here."""
    from onnx.reference import ReferenceEvaluator

    rest = []
    for node in nodes:
        if node.operator == "DequantizeLinear" and set(node.proto.input) - {""} <= tensors.keys():
            given = {name: tensors[name] for name in node.proto.input if name}
            evaluator = ReferenceEvaluator(node.proto, opsets={"": node.opset})
            tensors[node.proto.output[0]] = np.asarray(evaluator.run(None, given)[0])
        else:
            rest.append(node)
    return rest


def _check_operators(path: Path, nodes: list[Node]):
    names = {f"{node.proto.domain}.{node.operator}".lstrip(".") for node in nodes} - OPERATORS.keys()
    if names:
        raise MrntkError(
            f"path={path}: operators {', '.join(sorted(names))} are not supported: export the model without them."
        )


def _check_order(path: Path, nodes: list[Node], known: set[str]):
    """Every node's inputs are outputs of nodes before it, or known from the start."""
    for node in nodes:
        missing = set(node.proto.input) - known - {""}
        if missing:
            raise MrntkError(
                f"path={path} is not a valid ONNX graph: nothing before operator {node.operator} gives its input "
                f"{min(missing)!r}; export it again."
            )
        known = known | set(node.proto.output)


def _sorted_by_use(nodes: list[Node], tensors: dict) -> tuple[dict, dict]:
    """(weights, constants) among the tensors in use.

    Single numbers and the scales of Resize are constants: operators must know them before tracing.
    """
    used = {name for node in nodes for name in node.proto.input}
    scales = {name for node in nodes if node.operator in ("Resize", "Upsample") for name in node.proto.input[1:]}
    used = {name: array for name, array in tensors.items() if name in used}
    weights = {
        name: array
        for name, array in used.items()
        if jnp.issubdtype(array.dtype, jnp.floating) and array.size > 1 and name not in scales
    }
    return weights, {name: array for name, array in used.items() if name not in weights}
