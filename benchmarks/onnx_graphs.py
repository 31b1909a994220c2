"""ONNX graphs of every supported operator and set of operators, and random chains of them, held to onnxruntime.

    python benchmarks/onnx_graphs.py [--quick]

A graph is generated for each operator, each of its everyday forms, and each version that it has in the sets 7 to 21; chains of
several operators follow, drawn at random. Each is run by onnxruntime, and read as a source, which must give the same values; its
derivative along a random direction must be that of central differences. Or it must be refused at loading, in one sentence.
Counts per operator and per set go to benchmarks/results/onnx-graphs.json.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent
SHAPE = (4, 6, 5)  # of one example: channels, height, width
SETS = range(7, 22)
STEP, VALUES, DERIVATIVES = 1e-5, 2e-5, 1e-5  # of differences; relative errors that are allowed

# From which set on an argument is an input, in this order, instead of an attribute.
MOVED = {
    "Clip": (11, ("min", "max")), "Pad": (11, ("pads", "value")), "Slice": (10, ("starts", "ends", "axes", "steps")),
    "Split": (13, ("split",)), "Squeeze": (13, ("axes",)), "Unsqueeze": (13, ("axes",)), "TopK": (10, ("k",)),
    "Upsample": (9, ("scales",)), "ReduceSum": (13, ("axes",)), "Dropout": (12, ("ratio",)),
    **{f"Reduce{kind}": (18, ("axes",)) for kind in "Max Min Mean Prod L1 L2 LogSum LogSumExp SumSquare".split()},
}  # fmt: skip
FLOATS = {"min", "max", "value", "scales", "ratio"}  # all other arguments that moved are integers

# x lies in (0.1, 0.9), z in (-1.2, 1.2) and u in (1.1, 1.9); each depends on the input.
BEFORE = {
    "x": [],
    "z": [("Sub", ["x", "half"], "centred"), ("Mul", ["centred", "three"], "z")],
    "u": [("Add", ["x", "one"], "u")],
}
NUMBERS = {"half": 0.5, "three": 3.0, "one": 1.0}


def _tensors() -> dict[str, np.ndarray]:
    """What graphs take by name."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return (0.4 * rng.normal(size=shape)).astype(np.float32)

    return {
        "to two": np.array([1, -1]), "kept": np.array([0, 2, -1]), "wide": np.array([3, 4, 6, 5]),
        "twice": np.array([1, 2, 1, 3]),
        "places": np.array([[0, 2], [1, 1]]), "along": np.array([[[[0, 5, 2, 1, 3]]] * 1]), "axis 2": np.array(2),
        "at": np.array([[0, 1], [0, 3]]), "depth": np.array(3), "mask": rng.random((6, 5)) > 0.5,
        "w": normal(3, 4, 3, 3), "w1": normal(8, 1, 3, 2), "w2": normal(4, 3, 3, 3), "wt": normal(4, 3, 3, 2),
        "wg": normal(4, 2, 3, 3),
        "b3": normal(3), "b8": normal(8), "b6": normal(6), "b4": normal(4), "s4": 1 + normal(4), "v4": 1 + np.abs(normal(4)),
        "m": normal(5, 7),
        "s5": 1 + normal(5), "b5": normal(5), "g": normal(120, 6), "gt": normal(6, 120), "slope": normal(4, 1, 1),
        "other": normal(4, 6, 5),
        "s2": 1 + normal(2), "b2": normal(2), "two": np.array([0.3, 1.7], np.float32), "rows": normal(2, 6, 5),
        "q": rng.integers(-9, 9, (3, 4, 3, 3)).astype(np.int8), "qs": np.float32(0.05), "qz": np.int8(2),
        "scales": np.array([1, 1, 2, 1.4], np.float32), "down": np.array([1, 1, 0.6, 0.75], np.float32),
        "sizes": np.array([1, 4, 9, 8]), "none": np.array([], np.float32),
        "0 i": np.array(0), "1 i": np.array(1), "5 i": np.array(5),
        **{name: np.array(value, np.float32) for name, value in NUMBERS.items()},
    }  # fmt: skip


TENSORS = _tensors()


def forms():
    """(operator, inputs, attributes) of every form; or a chain of such, whose outputs are named by their places."""
    for name in (
        "Abs Asinh Atan Cos Elu Erf Exp HardSigmoid HardSwish Identity LeakyRelu Mish Neg Relu Selu Sigmoid Sin".split()
    ):
        yield name, ["z"], {}
    for (
        name
    ) in "Cosh Sinh Softplus Softsign Tan Tanh ThresholdedRelu Celu Gelu Shrink Softmax LogSoftmax Dropout".split():
        yield name, ["z"], {}
    for name in "Acos Asin Atanh Log Reciprocal Sqrt".split():
        yield name, ["x"], {}
    yield "Acosh", ["u"], {}
    for name in "Ceil Floor Round Sign".split():  # whose derivative is 0: refused
        yield name, ["z"], {}
    yield "Elu", ["z"], {"alpha": 0.6}
    yield "Celu", ["z"], {"alpha": 0.6}
    yield "Selu", ["z"], {"alpha": 1.2, "gamma": 0.7}
    yield "Gelu", ["z"], {"approximate": "tanh"}
    yield "HardSigmoid", ["z"], {"alpha": 0.6, "beta": 0.4}
    yield "LeakyRelu", ["z"], {"alpha": 0.3}
    yield "ThresholdedRelu", ["z"], {"alpha": 0.4}
    yield "Shrink", ["z"], {"lambd": 0.4, "bias": 0.1}
    yield "PRelu", ["z", "slope"], {}
    for axis in (0, 1, 2, -1):
        yield "Softmax", ["z"], {"axis": axis}
        yield "LogSoftmax", ["z"], {"axis": axis}
    for name in "Add Sub Mul Div Max Min Sum Mean".split():
        yield name, ["z", "s5"], {}
        yield name, ["u", "z"] if name != "Div" else ["z", "u"], {}
    yield "Sum", ["z", "other", "s5"], {}
    yield "Pow", ["x", "three"], {}
    yield "Pow", ["u", "z"], {}
    yield "Mod", ["u", "half"], {"fmod": 1}
    yield "Clip", ["z"], {"min": -0.5, "max": 0.7}
    yield "Clip", ["z"], {"min": 0.0}
    for name in "Greater Less GreaterOrEqual LessOrEqual Equal".split():
        yield [(name, ["z", "half"], {}), ("Where", ["0", "x", "u"], {})], None, None
    for name in ("And", "Or", "Xor"):
        compared = [("Less", ["z", "half"], {}), (name, ["0", "mask"], {}), ("Where", ["1", "z", "u"], {})]
        yield compared, None, None
    yield [("Not", ["mask"], {}), ("Where", ["0", "z", "u"], {})], None, None
    yield [("IsNaN", ["z"], {}), ("Where", ["0", "x", "z"], {})], None, None
    yield [("IsInf", ["z"], {}), ("Where", ["0", "x", "z"], {})], None, None
    yield [("Less", ["z", "half"], {}), ("Cast", ["0"], {"to": TensorProto.FLOAT}), ("Mul", ["1", "x"], {})], None, None
    for kind in "Max Min Mean Sum Prod L1 L2 LogSum LogSumExp SumSquare".split():
        yield f"Reduce{kind}", ["x"], {"axes": [1, 3]}
        yield f"Reduce{kind}", ["x"], {"axes": [-1], "keepdims": 0}
        yield f"Reduce{kind}", ["x"], {}
    for name in ("ArgMax", "ArgMin"):  # refused
        yield name, ["x"], {"axis": 2}
    yield "TopK", ["x"], {"k": [3], "axis": 2}
    yield "TopK", ["x"], {"k": [2], "largest": 0}
    yield "CumSum", ["x", "axis 2"], {"exclusive": 1, "reverse": 1}
    # Convolutions and pooling.
    yield "Conv", ["x", "w", "b3"], {"pads": [1, 0, 0, 2], "strides": [2, 1]}
    yield "Conv", ["x", "w"], {"dilations": [2, 1], "auto_pad": "SAME_LOWER"}
    yield "Conv", ["x", "w1", "b8"], {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}
    yield "Conv", ["x", "w"], {"auto_pad": "VALID"}
    yield "ConvTranspose", ["x", "wt", "b3"], {"strides": [2, 2], "pads": [1, 0, 0, 1]}
    yield "ConvTranspose", ["x", "wt"], {"strides": [3, 2], "output_padding": [1, 1], "dilations": [1, 2]}
    yield "ConvTranspose", ["x", "wg"], {"group": 2, "strides": [2, 1]}
    yield "ConvTranspose", ["x", "wt"], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}
    yield "ConvTranspose", ["x", "wt"], {"strides": [2, 2], "output_shape": [12, 11]}
    for more in ({}, {"strides": [2, 2]}, {"strides": [2, 2], "ceil_mode": 1},
                 {"pads": [1, 0, 1, 1], "strides": [2, 2], "ceil_mode": 1},
                 {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, {"auto_pad": "SAME_LOWER"}, {"dilations": [2, 1]},
                 {"strides": [3, 3], "ceil_mode": 1, "pads": [1, 1, 1, 1]}):  # fmt: skip
        yield "MaxPool", ["z"], {"kernel_shape": [3, 2], **more}
        yield "AveragePool", ["z"], {"kernel_shape": [3, 2], **more}
        if "pads" in more:
            yield "AveragePool", ["z"], {"kernel_shape": [3, 2], "count_include_pad": 1, **more}
    yield "GlobalAveragePool", ["x"], {}
    yield "GlobalMaxPool", ["x"], {}
    yield "LRN", ["x"], {"size": 3, "alpha": 0.5}
    yield "LRN", ["x"], {"size": 2, "beta": 0.5, "bias": 2.0, "alpha": 0.3}
    # Normalisation.
    yield "BatchNormalization", ["x", "s4", "b4", "b4", "v4"], {"epsilon": 1e-3}
    yield "InstanceNormalization", ["x", "s4", "b4"], {}
    yield "LpNormalization", ["x"], {"axis": 1}
    yield "LpNormalization", ["x"], {"p": 1}
    yield "MeanVarianceNormalization", ["x"], {}
    yield "LayerNormalization", ["x", "s5", "b5"], {}
    yield "LayerNormalization", ["x", "other"], {"axis": 1, "epsilon": 1e-3}
    yield "GroupNormalization", ["x", "s2", "b2"], {"num_groups": 2}
    yield "GroupNormalization", ["x", "s4", "b4"], {"num_groups": 2}
    # Products.
    yield "MatMul", ["x", "m"], {}
    yield "Einsum", ["x", "m"], {"equation": "nchw,wk->nkh"}
    yield [("Flatten", ["x"], {}), ("Gemm", ["0", "g", "b6"], {"alpha": 0.5, "beta": 2.0})], None, None
    yield [("Flatten", ["x"], {}), ("Gemm", ["0", "gt", "b6"], {"transB": 1, "beta": 0.0})], None, None
    yield [("DequantizeLinear", ["q", "qs", "qz"], {}), ("Conv", ["x", "0"], {})], None, None
    # Shapes and places.
    yield "Reshape", ["x", "to two"], {}
    yield "Reshape", ["x", "kept"], {}
    for axis in (0, 2, -1):
        yield "Flatten", ["x"], {"axis": axis}
    yield "Transpose", ["x"], {}
    yield "Transpose", ["x"], {"perm": [0, 2, 3, 1]}
    yield [("Unsqueeze", ["x"], {"axes": [0, 3]}), ("Squeeze", ["0"], {"axes": [0]})], None, None
    yield "Squeeze", ["x"], {}
    yield "Expand", ["x", "wide"], {}
    yield "Tile", ["x", "twice"], {}
    yield "Concat", ["x", "z"], {"axis": 1}
    yield "Concat", ["x", "z", "u"], {"axis": -1}
    yield "Slice", ["x"], {"starts": [1, 0], "ends": [3, 2**31 - 1], "axes": [1, 3]}
    yield "Slice", ["x"], {"starts": [-1, 4], "ends": [-(2**31), 0], "axes": [2, 3], "steps": [-2, -1]}
    yield "Split", ["x"], {"axis": 1, "split": [1, 3]}
    yield "Split", ["x"], {"axis": 2}
    for mode in ("constant", "reflect", "edge", "wrap"):
        yield "Pad", ["x"], {"pads": [0, 0, 1, 2, 0, 0, 0, 1], "mode": mode}
        yield "Pad", ["x"], {"pads": [0, 0, -1, 2, 0, 0, 0, -1], "mode": mode}
    yield "Pad", ["x"], {"pads": [0, 1, 0, 0, 0, 0, -2, 0], "value": 0.7}
    yield "Gather", ["x", "places"], {"axis": 2}
    yield "GatherElements", ["x", "along"], {"axis": 2}
    yield "GatherND", ["x", "at"], {}
    yield "ScatterND", ["x", "at", "rows"], {}
    yield [("DepthToSpace", ["x"], {"blocksize": 2}), ("SpaceToDepth", ["0"], {"blocksize": 2})], None, None
    yield "DepthToSpace", ["x"], {"blocksize": 2, "mode": "CRD"}
    yield "SpaceToDepth", ["x"], {"blocksize": 1}
    yield "Trilu", ["x"], {"upper": 0}
    yield "Trilu", ["x"], {}
    yield [("Shape", ["x"], {}), ("ConstantOfShape", ["0"], {}), ("Add", ["1", "x"], {})], None, None
    yield [("Shape", ["x"], {}), ("Expand", ["b5", "0"], {}), ("Mul", ["1", "z"], {})], None, None
    yield [("Size", ["x"], {}), ("Cast", ["0"], {"to": TensorProto.FLOAT}), ("Mul", ["1", "z"], {})], None, None
    counted = [("Range", ["0 i", "5 i", "1 i"], {}), ("Cast", ["0"], {"to": TensorProto.FLOAT})]
    yield [*counted, ("Mul", ["1", "z"], {})], None, None
    yield [("Less", ["z", "half"], {}), ("CastLike", ["0", "x"], {}), ("Mul", ["1", "x"], {})], None, None
    yield [("OneHot", ["places", "depth", "two"], {}), ("ReduceMean", ["0"], {}), ("Mul", ["1", "z"], {})], None, None
    # Resize and its older form.
    for mode in ("nearest", "linear"):
        yield "Upsample", ["x"], {"mode": mode, "scales": [1, 1, 2, 2]}
    places = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
    for place in places:
        for mode in ("linear", "cubic"):
            yield "Resize", ["x", "none", "scales"], {"mode": mode, "coordinate_transformation_mode": place}
        yield "Resize", ["x", "none", "none", "sizes"], {"mode": "linear", "coordinate_transformation_mode": place}
    for rounded in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        for place in ("asymmetric", "half_pixel"):
            yield "Resize", ["x", "none", "scales"], {"nearest_mode": rounded, "coordinate_transformation_mode": place}
    yield "Resize", ["x", "scales"], {"mode": "linear"}
    yield "Resize", ["x", "scales"], {}
    yield "Resize", ["x", "", "scales"], {}
    yield "Resize", ["x", "none", "down"], {"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5}
    for mode in ("linear", "cubic"):
        yield "Resize", ["x", "none", "down"], {"mode": mode, "antialias": 1}
    yield "Resize", ["x", "none", "none", "sizes"], {"mode": "linear", "keep_aspect_ratio_policy": "not_larger"}


def chains(number: int):
    """Random chains: a convolution, then what keeps the shape, then a pool or a reduction, then a product."""
    rng = np.random.default_rng(1)
    keep = [("Relu", {}), ("LeakyRelu", {}), ("Sigmoid", {}), ("Tanh", {}), ("Elu", {}), ("HardSwish", {}), ("Softplus", {}),
            ("Clip", {"min": 0.0, "max": 6.0}), ("Softmax", {"axis": 1}), ("Erf", {}), ("Abs", {})]  # fmt: skip
    ends = [("GlobalAveragePool", {}), ("GlobalMaxPool", {}), ("ReduceMean", {"axes": [2, 3]}), ("ReduceL2", {"axes": [1]}),
            ("MaxPool", {"kernel_shape": [2, 2], "ceil_mode": 1, "strides": [2, 2]}), ("Flatten", {}),
            ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}),
            ("ReduceMax", {"axes": [3], "keepdims": 0})]  # fmt: skip
    for _ in range(number):
        chain = [("Conv", ["z", "w", "b3"], {"pads": [1, 1, 1, 1]})]
        for operator, attributes in (keep[i] for i in rng.integers(len(keep), size=rng.integers(1, 4))):
            chain.append((operator, [str(len(chain) - 1)], attributes))
            if rng.random() < 0.4:
                chain.append((rng.choice(["Add", "Mul", "Sub"]).item(), [str(len(chain) - 1), "0"], {}))
        operator, attributes = ends[rng.integers(len(ends))]
        yield [*chain, (operator, [str(len(chain) - 1)], attributes)]


def versions(operators) -> list[int]:
    """One set for each combination of versions that the operators have: the last one with it."""
    found = {}
    for opset in SETS:
        try:
            found[tuple(defs.get_schema(name, opset, "").since_version for name in operators)] = opset
        except defs.SchemaError:
            pass  # an operator of a later set
    return list(found.values())


def model(chain, opset: int):
    """The chain in that set, as a ModelProto; the output of each of its nodes is the node's place."""
    nodes, tensors = [], {}
    for place, (operator, inputs, attributes) in enumerate(chain):
        inputs, attributes = list(inputs), dict(attributes)
        since, names = MOVED.get(operator, (0, ()))
        if since and opset >= since:
            for name in [*names][: max((i + 1 for i, name in enumerate(names) if name in attributes), default=0)]:
                value = attributes.pop(name, None)
                inputs.append("" if value is None else f"{place} {name}")
                if value is not None:
                    tensors[inputs[-1]] = np.array(value, np.float32 if name in FLOATS else np.int64)
        elif operator == "TopK":
            attributes["k"] = attributes["k"][0]
        if operator == "Split" and "split" not in attributes and opset >= 18 and len(inputs) == 1:
            attributes["num_outputs"] = 2
        outputs = [str(place), *(["unused"] if operator in ("Split", "TopK") else [])]
        nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
    used = {name for node in nodes for name in node.input}
    before = [node for name in BEFORE if name in used for node in BEFORE[name]]
    nodes = [*(helper.make_node(operator, ins, [out]) for operator, ins, out in before), *nodes]
    used = {name for node in nodes for name in node.input}
    tensors |= {name: TENSORS[name] for name in used if name in TENSORS}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *SHAPE])],
        [onnx.ValueInfoProto(name=str(len(chain) - 1))],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def graphs(random_chains: int = 60):
    """(operators, set, model) of the whole generated set."""
    every = [form if inputs is None else [(form, inputs, attributes)] for form, inputs, attributes in forms()]
    for chain in every:
        for opset in versions([operator for operator, *_ in chain]):
            yield [operator for operator, *_ in chain], opset, model(chain, opset)
    for place, chain in enumerate(chains(random_chains)):
        sets = versions([operator for operator, *_ in chain])
        opset = sets[place % len(sets)]
        yield [operator for operator, *_ in chain], opset, model(chain, opset)


def expected(proto, x):
    """What onnxruntime gives; None if it does not run the graph."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
        return session.run(None, {"x": x[None]})[0]
    except Exception:
        return None


def checked(proto, x, folder: Path) -> tuple[str, str]:
    """(outcome, detail): "agrees", "refused" with the sentence, "wrong" with what differs, or "not run" by onnxruntime."""
    import jax
    import jax.numpy as jnp

    from mrntk import MrntkError, load_source

    wanted = expected(proto, x)
    if wanted is None:
        return "not run", ""
    path = folder / "graph.onnx"
    path.write_bytes(proto.SerializeToString())
    try:
        source = load_source(path)
    except MrntkError as error:
        return "refused", str(error).split(": ", 1)[1]
    rng = np.random.default_rng(2)
    direction, weight = rng.normal(size=SHAPE), rng.normal(size=source.num_outputs)

    def everything(s):
        values = jax.vmap(source)(s + STEP * jnp.array([0, 1, -1])[:, None, None, None] * direction)
        return values, jnp.vdot(jax.vjp(source, s)[1](weight)[0], direction)

    with jax.enable_x64(True):
        fast = {"xla_backend_optimization_level": 1}
        values, exact = jax.jit(everything, compiler_options=fast)(x.astype(np.float64))
    value, above, below = np.asarray(values)
    if value.shape != (wanted.size,):
        return "wrong", f"{value.shape} values, not {wanted.shape}"
    error = float(np.abs(value - wanted.ravel()).max() / max(1, np.abs(wanted).max()))
    differences = float((above - below) @ weight / (2 * STEP))
    slope = abs(float(exact) - differences) / max(1, abs(differences))
    if error > VALUES or slope > DERIVATIVES or not np.isfinite([error, slope]).all():
        return "wrong", f"values differ by {error:.1e}, derivatives by {slope:.1e}"
    return "agrees", ""


def example():
    """One input; no entry lies where an operator of the set has a kink."""
    return np.random.default_rng(3).uniform(0.1, 0.9, SHAPE).astype(np.float32)


def main():
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--quick", action="store_true", help="every tenth graph; nothing is written")
    arguments = command.parse_args()
    from mrntk.support.provenance import provenance

    start, x, outcomes, wrong, refused = time.perf_counter(), example(), [], [], Counter()
    with tempfile.TemporaryDirectory() as folder:
        for operators, opset, proto in list(graphs())[:: 10 if arguments.quick else 1]:
            outcome, detail = checked(proto, x, Path(folder))
            outcomes.append((outcome, operators, opset))
            if outcome == "wrong":
                wrong.append(f"{operators} {opset} {helper.printable_graph(proto.graph)}: {detail}")
                print("\n".join(wrong[-1:]), flush=True)
            if outcome == "refused":
                refused[detail] += 1
    results = {
        "provenance": provenance() | {"onnx": onnx.__version__, "onnxruntime": __import__("onnxruntime").__version__},
        "seconds": round(time.perf_counter() - start),
        "graphs": dict(Counter(outcome for outcome, *_ in outcomes)),
        "per set": _counts((str(opset), outcome) for outcome, _, opset in outcomes),
        "per operator": _counts((name, outcome) for outcome, operators, _ in outcomes for name in sorted({*operators})),
        "refused": dict(sorted(refused.items())),
    }
    print(json.dumps({"graphs": results["graphs"], "refused": results["refused"]}, indent=2))
    if not arguments.quick:
        path = FOLDER / "results" / "onnx-graphs.json"
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(1 if wrong else 0)


def _counts(pairs) -> dict[str, dict[str, int]]:
    found = {}
    for name, outcome in pairs:
        found.setdefault(name, Counter())[outcome] += 1
    return {
        name: dict(found[name]) for name in sorted(found, key=lambda name: name.zfill(2) if name.isdigit() else name)
    }


if __name__ == "__main__":
    main()
