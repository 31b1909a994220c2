"""What follows from the shapes and the constants of an ONNX graph alone, computed when it is read: exporters write much of it."""

import math

import numpy as np

from .onnx_node import Node

SMALL = 1024  # entries of what is computed beforehand: shapes and indices, not weights
FOLDED = set(
    "Add Sub Mul Div Neg Mod Floor Ceil Sqrt Min Max Equal Less Greater And Or Not Where Cast CastLike Identity Gather Concat "
    "Slice Squeeze Unsqueeze Reshape Flatten Transpose Split ReduceProd ReduceSum ReduceMax ReduceMin ConstantOfShape Expand "
    "Range Abs ScatterND".split()
)


def folded(node: Node, inputs: list) -> dict[str, np.ndarray] | None:
    """The node's results by name, if its inputs say all of them; inputs are tracers where they do not."""
    from onnx.reference import ReferenceEvaluator

    if node.operator in ("Shape", "Size"):
        size = inputs[0].shape[node.get("start") : node.get("end")]
        return {node.proto.output[0]: np.array(size if node.operator == "Shape" else math.prod(size), np.int64)}
    given = [value for value in inputs if value is not None]
    if node.operator not in FOLDED or not all(isinstance(value, np.ndarray | np.generic) for value in given):
        return None
    if any(value.size > SMALL for value in given) or _size(node, given) > SMALL:
        return None
    feed = {name: value for name, value in zip(node.proto.input, inputs, strict=True) if name}
    results = ReferenceEvaluator(node.proto, opsets={"": node.opset}).run(None, feed)
    return {name: np.asarray(result) for name, result in zip(node.proto.output, results, strict=True)}


def _size(node: Node, inputs: list[np.ndarray]) -> int:
    """Entries of the result, for operators that make more of them than they get."""
    if node.operator in ("ConstantOfShape", "Expand"):
        return math.prod(inputs[-1].tolist())
    if node.operator == "Range":
        start, limit, step = (value.item() for value in inputs)
        return max(math.ceil((limit - start) / step), 0) if step else 0
    return 0
