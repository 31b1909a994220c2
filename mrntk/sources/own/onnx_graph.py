"""Reading an ONNX file and making its graph one that jaxonnxruntime can translate: one input of fixed shape, one output.

`read_graph` does it all: parse, fix the shapes to one example, bring the operators to a set that jaxonnxruntime knows in full,
compute beforehand what follows from shapes alone.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ...support.errors import MrntkError, first_line
from .onnx_parse import damaged, keep_output, parse, replace

OPSETS = range(16, 20)  # the sets for which jaxonnxruntime 0.3 has a version of every operator that it knows
SMALL = 1024  # entries of what is computed beforehand: shapes and indices, not weights
FOLDED = set(
    "Add Sub Mul Div Neg Mod Floor Ceil Sqrt Min Max Equal Where Cast Identity Gather Concat Slice Squeeze Unsqueeze "
    "Reshape Transpose ReduceProd ConstantOfShape".split()
)


class OneInput(NamedTuple):
    """A graph without tensors of its own, and the tensors: weights are floating arrays, constants are all others."""

    graph: Any  # onnx.GraphProto
    opset: int
    input_name: str
    input_shape: tuple[int, ...]  # of one example
    weights: dict[str, np.ndarray]
    constants: dict[str, np.ndarray]


def read_graph(path: Path, input_shape: tuple[int, ...] | None, output: str | None, max_bytes: int) -> OneInput:
    """The file at `path` for one example of `input_shape`; see `from_onnx`, whose arguments and errors these are."""
    model = parse(path, max_bytes)
    keep_output(path, model.graph, output)
    weights, constants = {}, {}
    _take_tensors(path, model.graph, weights, constants)
    value = _only_input(path, model.graph, {*weights, *constants})
    shape = _shape_of_one(path, value, input_shape)
    try:
        graph, opset = _simplified(model, value, shape, weights, constants)
    except MrntkError:
        raise
    except Exception as error:
        raise MrntkError(
            f"path={path} is not a valid ONNX graph ({first_line(error)}): export it again, with operator set 17 if possible."
        ) from error
    used = {name for node in graph.node for name in node.input}
    weights, constants = ({name: kind[name] for name in kind if name in used} for kind in (weights, constants))
    return OneInput(graph, opset, value.name, shape, weights, constants)


def _add_tensor(name: str, array: np.ndarray, weights: dict, constants: dict):
    """To the weights or to the constants; single numbers are constants: some operators must know them before tracing."""
    kind = weights if jnp.issubdtype(array.dtype, jnp.floating) and array.size > 1 else constants
    kind[name] = array


def _take_tensors(path: Path, graph, weights: dict, constants: dict):
    """Move the tensors out of the graph."""
    from onnx import numpy_helper

    if graph.sparse_initializer:
        raise MrntkError(f"path={path} has sparse weights: export it with dense ones.")
    for tensor in graph.initializer:
        try:
            _add_tensor(tensor.name, np.asarray(numpy_helper.to_array(tensor)), weights, constants)
        except Exception as error:
            raise damaged(path, f"tensor {tensor.name}", error) from error
    del graph.initializer[:]


# One input of fixed shape.


def _only_input(path: Path, graph, known: set[str]):
    used = {name for node in graph.node for name in node.input}
    values = [value for value in graph.input if value.name not in known and value.name in used]
    if len(values) != 1:
        names = ", ".join(value.name for value in values) or "none"
        raise MrntkError(
            f"path={path} has {len(values)} inputs ({names}): a source takes one; export the model with one."
        )
    return values[0]


def _shape_of_one(path: Path, value, input_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of one example, from the file where it says it, else from the caller."""
    from onnx import TensorProto

    kind = value.type.tensor_type
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        raise MrntkError(
            f"path={path}: input {value.name} is not floating, so it has no gradient: export it with float input."
        )
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    if not dims and kind.HasField("shape"):
        raise MrntkError(f"path={path}: input {value.name} has no batch axis: export the model for a batch.")
    if dims and dims[0] not in (None, 0, 1):
        raise MrntkError(
            f"path={path} takes {dims[0]} examples at a time: export it with a batch of 1 or an open batch."
        )
    stated = tuple(size or None for size in dims[1:])
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


def _simplified(model, value, shape: tuple[int, ...], weights: dict, constants: dict):
    """(graph, operator set) for jaxonnxruntime; tensors found on the way are added to `weights` and `constants`."""
    import onnx
    from onnx import helper, numpy_helper

    for node in model.graph.node:
        node.domain = "" if node.domain == "ai.onnx" else node.domain
        replace(node.attribute, [a for a in node.attribute if (a.name, a.s) != ("auto_pad", b"NOTSET")])
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    inputs = [helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, (1, *shape))]
    inputs += [_typed(name, array) for name, array in weights.items()]  # without their values: the graph stays small
    initial = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(model.graph.node, "graph", inputs, model.graph.output, initial)
    skeleton = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    _check_operators(skeleton.graph)
    if opset not in OPSETS:
        skeleton = onnx.version_converter.convert_version(skeleton, OPSETS[-1])
    opset = skeleton.opset_import[0].version
    while _fold(skeleton, opset, weights, constants):
        pass
    del skeleton.graph.input[:], skeleton.graph.initializer[:], skeleton.graph.value_info[:]
    return skeleton.graph, opset


def _typed(name: str, array: np.ndarray):
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _check_operators(graph):
    """Raise unless jaxonnxruntime has every operator, by name and by domain."""
    from jaxonnxruntime import call_onnx  # noqa: F401 - it registers the operators
    from jaxonnxruntime.core.handler import Handler

    known = {handler.OP_TYPE for handler in Handler.__subclasses__() if not handler.DOMAIN} - {"If"}
    names = {f"{node.domain}.{node.op_type}".lstrip(".") for node in graph.node}
    if names - known:
        raise MrntkError(
            f"operators {', '.join(sorted(names - known))} are not supported by jaxonnxruntime: export the model without them."
        )


def _fold(skeleton, opset: int, weights: dict, constants: dict) -> bool:
    """Compute the nodes that depend on constants and on shapes alone; True if there were any."""
    import onnx
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    graph = onnx.shape_inference.infer_shapes(skeleton, data_prop=True).graph
    shapes = {value.name: _static_shape(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    shapes |= {name: array.shape for name, array in (*weights.items(), *constants.items())}
    outputs = {value.name for value in graph.output}
    found, rest = {}, []
    for node in skeleton.graph.node:
        given = {name: found.get(name, constants.get(name)) for name in node.input if name}
        small = all(array is not None and array.size <= SMALL for array in given.values())
        if node.op_type == "Shape" and shapes.get(node.input[0]) is not None and node.output[0] not in outputs:
            bounds = {attribute.name: attribute.i for attribute in node.attribute}
            dims = shapes[node.input[0]][bounds.get("start") : bounds.get("end")]
            found[node.output[0]] = np.array(dims, np.int64)
        elif node.op_type == "Constant" and node.output[0] not in outputs:
            found[node.output[0]] = np.asarray(ReferenceEvaluator(node, opsets={"": opset}).run(None, {})[0])
        elif node.op_type in FOLDED and small and node.output[0] not in outputs and _stays_small(node, given):
            results = ReferenceEvaluator(node, opsets={"": opset}).run(None, given)
            found |= {name: np.asarray(array) for name, array in zip(node.output, results, strict=True)}
        else:
            rest.append(node)
    for name, array in found.items():
        _add_tensor(name, array, weights, constants)
        if name in constants:
            skeleton.graph.initializer.append(numpy_helper.from_array(array, name))
        else:
            skeleton.graph.input.append(_typed(name, array))
    replace(skeleton.graph.node, rest)
    return bool(found)


def _static_shape(value) -> tuple[int, ...] | None:
    kind = value.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    return None if not kind.HasField("shape") or None in dims else tuple(dims)


def _stays_small(node, given: dict) -> bool:
    return node.op_type != "ConstantOfShape" or math.prod(next(iter(given.values())).tolist()) <= SMALL
