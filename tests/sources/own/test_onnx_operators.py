"""ONNX operators agree with onnxruntime in value and with differences in derivative, or are refused by name."""

import importlib.util
import json
from collections import Counter

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from figures.making.registry import figures_folder
from mrntk import MrntkError
from mrntk.sources.own.onnx_file import from_onnx
from mrntk.sources.own.onnx_operators import OPERATORS

FOLDER = figures_folder().parent / "benchmarks"
PARTS = 8


def generated():
    spec = importlib.util.spec_from_file_location("benchmark_onnx_graphs", FOLDER / "onnx_graphs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def saved(nodes, tensors, folder, shape, *, opset=17, output=None):
    """A file of nodes (operator, inputs, attributes), the output of each of which is its place."""
    made = [
        helper.make_node(operator, inputs, [str(i)], **attributes)
        for i, (operator, inputs, attributes) in enumerate(nodes)
    ]
    graph = helper.make_graph(
        made,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [onnx.ValueInfoProto(name=output or str(len(nodes) - 1))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


# The generated set.


@pytest.mark.parametrize("part", range(PARTS))
def test_generated_graphs_agree_with_onnxruntime_or_are_refused(part, tmp_path):
    """Every operator in its newest version, and every tenth of all graphs: 250 of the 880 that the benchmark checks."""
    module = generated()
    graphs, x, outcomes = list(module.graphs()), module.example(), Counter()
    newest = {str(operators): place for place, (operators, _, _) in enumerate(graphs)}
    chosen = sorted({*newest.values(), *range(0, len(graphs), 10)})
    for operators, opset, proto in (graphs[place] for place in chosen[part::PARTS]):
        outcome, detail = module.checked(proto, x, tmp_path)
        outcomes[outcome] += 1
        assert outcome != "wrong", f"{operators} of set {opset}: {detail}\n{helper.printable_graph(proto.graph)}"
        assert outcome != "refused" or "has no derivative, since" in detail
    assert outcomes["agrees"] >= 20 and outcomes["refused"] <= 6


def test_the_generated_set_has_every_operator_and_its_committed_result_is_right():
    module = generated()
    graphs = list(module.graphs())
    assert {node.op_type for _, _, proto in graphs for node in proto.graph.node} >= OPERATORS.keys()
    results = json.loads((FOLDER / "results" / "onnx-graphs.json").read_text(encoding="utf-8"))
    assert "+changes" not in results["provenance"]["commit"]
    assert sum(results["graphs"].values()) == len(graphs) and results["graphs"]["agrees"] >= 300
    assert "wrong" not in results["graphs"]
    assert {int(name) for name in results["per set"]} >= {7, 9, 10, 12, 17, 18, 20, 21}


# Kinks.

Z, SIX = np.float32(0), np.float32(6)
TIES = {  # name: (operator, inputs, attributes, tensors, set, place of the tie, derivative there)
    "Relu": ("Relu", ["x"], {}, {}, 17, 0, 0),
    "Clip, below": ("Clip", ["x", "a", "b"], {}, {"a": Z, "b": SIX}, 17, 0, 0),
    "Clip, above": ("Clip", ["x", "a", "b"], {}, {"a": Z, "b": SIX}, 17, 6, 0),
    "Clip of old sets": ("Clip", ["x"], {"min": 0.0, "max": 6.0}, {}, 10, 0, 0),
    "Max": ("Max", ["x", "a"], {}, {"a": Z}, 17, 0, 0),
    "Max, other order": ("Max", ["a", "x"], {}, {"a": Z}, 17, 0, 0),
    "Max with a vector": ("Max", ["a", "x"], {}, {"a": np.zeros(2, np.float32)}, 17, 0, 0),
    "Min": ("Min", ["a", "x"], {}, {"a": SIX}, 17, 6, 0),
    "Max of the input and itself": ("Max", ["x", "x"], {}, {}, 17, 1, 1),
    "HardSigmoid, below": ("HardSigmoid", ["x"], {"alpha": 0.25}, {}, 17, -2, 0),
    "HardSigmoid, above": ("HardSigmoid", ["x"], {"alpha": 0.25}, {}, 17, 2, 0),
    "HardSwish, above": ("HardSwish", ["x"], {}, {}, 17, 3.0000001, 1),
    "LeakyRelu": ("LeakyRelu", ["x"], {"alpha": 0.25}, {}, 17, 0, 0.25),
    "PRelu": ("PRelu", ["x", "a"], {}, {"a": np.float32(0.25)}, 17, 0, 0.25),
    "Elu": ("Elu", ["x"], {"alpha": 0.5}, {}, 17, 0, 0.5),
    "Selu": ("Selu", ["x"], {"alpha": 0.5, "gamma": 0.5}, {}, 17, 0, 0.25),
    "ThresholdedRelu": ("ThresholdedRelu", ["x"], {}, {}, 17, 1, 0),
    "Abs": ("Abs", ["x"], {}, {}, 17, 0, 0),
}


@pytest.mark.parametrize("name", TIES)
def test_derivative_at_a_kink(name, tmp_path):
    """As the rule at the head of `onnx_operators` says; these are the values of PyTorch's layers, too."""
    operator, inputs, attributes, tensors, opset, place, derivative = TIES[name]
    source = from_onnx(saved([(operator, inputs, attributes)], tensors, tmp_path, ["N", 1], opset=opset))
    assert jax.grad(lambda s: source(s)[0])(np.array([place], np.float32))[0] == pytest.approx(derivative, abs=1e-6)


def test_of_several_largest_in_a_pool_the_first_takes_the_derivative(tmp_path):
    source = from_onnx(saved([("MaxPool", ["x"], {"kernel_shape": [3]})], {}, tmp_path, ["N", 1, 3]))
    assert jax.grad(lambda s: source(s)[0])(np.zeros((1, 3), np.float32)).tolist() == [[1, 0, 0]]


def test_of_several_largest_in_a_block_the_first_takes_the_derivative(tmp_path):
    """Windows side by side; the last column is in none of them."""
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
    source = from_onnx(saved([("MaxPool", ["x"], attributes)], {}, tmp_path, ["N", 1, 2, 5]))
    s = np.array([[[0, 1, 3, 3, 9], [1, 0, 3, 3, 9]]], np.float32)
    values, pull = jax.vjp(source, s)
    assert values.tolist() == [1, 3]
    assert pull(np.ones(2, np.float32))[0].tolist() == [[[0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]]


@pytest.mark.parametrize("operator", ["Elu", "Selu", "Celu", "Softplus", "Mish", "Gelu", "HardSwish", "Sigmoid"])
def test_far_from_zero_nothing_overflows(operator, tmp_path):
    source = from_onnx(saved([(operator, ["x"], {})], {}, tmp_path, ["N", 1], opset=20))
    for place in (-1e4, 1e4):
        value, slope = jax.value_and_grad(lambda s: source(s)[0])(np.array([place], np.float32))
        assert np.isfinite(value) and np.isfinite(slope).all()


# What is refused.

IMAGE = ["N", 4, 6, 6]
FOUR = np.ones(4, np.float32)
BRANCH = helper.make_graph([], "branch", [], [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)])
REFUSED = {
    "operators Loop are not supported": [("Loop", ["", "", "x"], {"body": BRANCH})],
    "operators LSTM are not supported": [("LSTM", ["x", "x", "x"], {"hidden_size": 2})],
    "operators DequantizeLinear, QuantizeLinear are not": [
        ("QuantizeLinear", ["x", "one"], {}), ("DequantizeLinear", ["0", "one"], {})
    ],
    "BatchNormalization with training_mode=1 is not": [("BatchNormalization", ["x", *["four"] * 4], {"training_mode": 1})],
    "Dropout with training_mode=True is not": [("Dropout", ["x", "one", "yes"], {})],
    "Resize with coordinate_transformation_mode=tf_crop_and_resize": [
        ("Resize", ["x", "roi", "scales"], {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"})
    ],
    "operator Reshape, which gives '2', needs a size": [
        ("ReduceSum", ["x"], {"keepdims": 0}), ("Cast", ["0"], {"to": TensorProto.INT64}), ("Reshape", ["x", "1"], {})
    ],
    "operator Reshape, which gives '0', cannot be": [("Reshape", ["x", "five"], {})],
    "no derivative, since ArgMax": [("ArgMax", ["x"], {}), ("Cast", ["0"], {"to": TensorProto.FLOAT})],
    "no derivative, since Cast": [("Cast", ["x"], {"to": TensorProto.INT32}), ("Cast", ["0"], {"to": TensorProto.FLOAT})],
    "no derivative, since Greater": [("Greater", ["x", "one"], {}), ("Where", ["0", "one", "four"], {})],
    "no derivative, since Sign": [("Sign", ["x"], {})],
    "no derivative, since Shape": [("Shape", ["x"], {}), ("Cast", ["0"], {"to": TensorProto.FLOAT})],
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_refused_at_loading_by_the_operators_name(words, tmp_path):
    tensors = {"four": FOUR, "one": np.float32(1), "yes": np.array(True), "roi": np.zeros(8, np.float32),
               "scales": np.array([1, 1, 2, 2], np.float32), "five": np.array([1, 5])}  # fmt: skip
    last = REFUSED[words][-1]
    tensors |= {"four": np.ones(6, np.float32)} if last[0] == "Where" else {}
    with pytest.raises(MrntkError, match=words) as raised:
        from_onnx(saved(REFUSED[words], tensors, tmp_path, IMAGE))
    assert "\n" not in str(raised.value)


def test_an_output_that_is_not_supported_is_refused(tmp_path):
    path = saved([("MaxPool", ["x"], {"kernel_shape": [2, 2]}), ("Mul", ["0", "0"], {})], {}, tmp_path, IMAGE)
    model = onnx.load(path)
    model.graph.node[0].output.append("places")
    onnx.save(model, path)
    with pytest.raises(MrntkError, match="MaxPool with the output places is not supported"):
        from_onnx(path)


# A transformer, with the shape arithmetic that exporters write.


def vit(batch="N"):
    """A vision transformer of one block on 3 x 8 x 8 images with patches of 4 x 4: width 8, two heads, 5 outputs."""
    rng = np.random.default_rng(4)
    weights = {"patch": (8, 3, 4, 4), "bias": (8,), "class": (1, 1, 8), "position": (1, 5, 8), "qkv": (8, 24), "out": (8, 8),
               "up": (8, 16), "down": (16, 8), "head": (8, 5), "scale": (8,), "shift": (8,)}  # fmt: skip
    tensors = {name: (0.5 * rng.normal(size=shape)).astype(np.float32) for name, shape in weights.items()}
    whole = {"zero": 0, "one": [1], "minus": [-1], "first": [0], "eight": [8], "three": [3], "two": [2], "four": [4],
             "end": [2**63 - 1], "token": 0}  # fmt: skip
    tensors |= {name: np.array(value, np.int64) for name, value in whole.items()}
    tensors |= {"half": np.float32(0.5), "root": np.float32(np.sqrt(2)), "plus": np.float32(1)}
    nodes = [
        "Conv x,patch,bias patches kernel_shape=4,4 strides=4,4", "Shape patches sizes", "Slice sizes,first,two,first front",
        "Concat front,minus flat axis=0", "Reshape patches,flat rows", "Transpose rows tokens perm=0,2,1",
        "Shape x size", "Gather size,zero batch axis=0", "Unsqueeze batch,first batch1", "Concat batch1,minus,minus asked axis=0",
        "Shape asked rank", "Expand one,rank ones", "Equal ones,asked empty", "Where empty,ones,asked kept",
        "Abs kept wanted", "Expand class,wanted classes", "Concat classes,tokens joined axis=1", "Add joined,position h",
        "LayerNormalization h,scale,shift normal axis=-1", "MatMul normal,qkv mixed", "Shape mixed around",
        "Gather around,zero b axis=0", "Unsqueeze b,first b1", "Slice around,one,two,first n1",
        "Concat b1,n1,three,two,four shape5 axis=0", "Reshape mixed,shape5 parted", "Transpose parted turned perm=2,0,3,1,4",
        "Split turned q1,k1,v1 axis=0", "Squeeze q1,first q", "Squeeze k1,first k", "Squeeze v1,first v",
        "Shape q sq", "Slice sq,minus,end,first width", "Cast width widthf to=1", "Sqrt widthf rootd", "Div plus,rootd factor",
        "Transpose k kt perm=0,1,3,2", "MatMul q,kt scores", "Mul scores,factor scaled", "Softmax scaled attention axis=-1",
        "MatMul attention,v taken", "Transpose taken back perm=0,2,1,3", "Concat b1,n1,eight shape3 axis=0",
        "Reshape back,shape3 merged", "MatMul merged,out projected", "Add h,projected h1",
        "ReduceMean h1 mean axes=-1", "Sub h1,mean centred", "Mul centred,centred squares", "ReduceMean squares var axes=-1",
        "Add var,half varied", "Sqrt varied deviation", "Div centred,deviation standard", "MatMul standard,up wide",
        "Div wide,root w1", "Erf w1 w2", "Add w2,plus w3", "Mul wide,w3 w4", "Mul w4,half gelu", "MatMul gelu,down narrow",
        "Add h1,narrow h2", "Gather h2,token chosen axis=1", "MatMul chosen,head y",
    ]  # fmt: skip
    made = []
    for line in nodes:
        operator, inputs, outputs, *rest = line.split()
        attributes = {}
        for name, value in (entry.split("=") for entry in rest):
            numbers = [int(number) for number in value.split(",")]
            attributes[name] = numbers[0] if name in ("axis", "to") else numbers
        made.append(helper.make_node(operator, inputs.split(","), outputs.split(","), **attributes))
    graph = helper.make_graph(
        made,
        "vit",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("batch", ["N", -1, 1])
def test_a_vision_transformer(batch, tmp_path):
    """Of its shape arithmetic nothing is left to compute."""
    path = tmp_path / "vit.onnx"
    onnx.save(vit(batch), path)
    image = np.random.default_rng(5).uniform(size=(3, 8, 8)).astype(np.float32)
    source = from_onnx(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(source(image), session.run(None, {"x": image[None]})[0][0], atol=1e-5)
    assert not {"Shape", "Slice", "ConstantOfShape", "Where"} & {node.operator for node in source.graph.nodes}
    with jax.enable_x64(True):
        direction, step = np.random.default_rng(6).normal(size=image.shape), 1e-6
        slope = jax.jvp(source, (image.astype(np.float64),), (direction,))[1]
        differences = (source(image + step * direction) - source(image - step * direction)) / (2 * step)
        np.testing.assert_allclose(slope, differences, rtol=1e-5, atol=1e-8)
