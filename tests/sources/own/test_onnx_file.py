"""ONNX files agree with onnx's own reference evaluator, have gradients, keep float64, and fail in one sentence."""

import logging
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from mrntk import MrntkError, Reprogram, VisualPrompt, empirical_ntk
from mrntk.sources.own.onnx_file import from_onnx

SHAPE = (3, 8, 8)
RNG = np.random.default_rng(8)


def tensor(*shape, scale=0.3):
    return (scale * RNG.normal(size=shape)).astype(np.float32)


W, W1, DEPTHWISE, POINT = tensor(4, 3, 3, 3), tensor(4, 4, 3, 3), tensor(4, 1, 3, 3), tensor(5, 4, 1, 1)
BIAS, DENSE, DENSE_BIAS = tensor(4), tensor(6, 64), tensor(6)
CONV = ("Conv", ["x", "w", "b"], {"pads": [1, 1, 1, 1]})
FIRST = {"w": W, "b": BIAS}
NORM = {"scale": 1 + tensor(4), "shift": tensor(4), "mean": tensor(4), "var": 0.5 + np.abs(tensor(4))}

# name: (nodes of (operator, inputs, attributes), each node's output is the operator's place; tensors)
GRAPHS = {
    "conv, relu, max pool, flatten, gemm": (
        [CONV, ("Relu", ["0"], {}), ("MaxPool", ["1"], {"kernel_shape": [2, 2], "strides": [2, 2]}), ("Flatten", ["2"], {}),
         ("Gemm", ["3", "d", "db"], {"transB": 1, "alpha": 0.7, "beta": 1.3})],
        {**FIRST, "d": DENSE, "db": DENSE_BIAS},
    ),
    "conv stride 2, batch norm, average pool with padding": (
        [("Conv", ["x", "w"], {"strides": [2, 2], "pads": [0, 0, 1, 1]}),
         ("BatchNormalization", ["0", "scale", "shift", "mean", "var"], {"epsilon": 1e-3}),
         ("AveragePool", ["1"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]})],
        {"w": W, **NORM},
    ),
    "average pool counting the padding": (
        [CONV, ("AveragePool", ["0"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1})], FIRST,
    ),
    "depthwise, pointwise, clip, global average pool": (
        [CONV, ("Conv", ["0", "dw"], {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2, 2]}), ("Clip", ["1", "lo", "hi"], {}),
         ("Conv", ["2", "p"], {"auto_pad": "NOTSET"}), ("GlobalAveragePool", ["3"], {})],
        {**FIRST, "dw": DEPTHWISE, "p": POINT, "lo": np.float32(0), "hi": np.float32(0.4)},
    ),
    "residual add, dilation, softmax": (
        [CONV, ("Conv", ["0", "w1"], {"pads": [2, 2, 2, 2], "dilations": [2, 2]}), ("Add", ["0", "1"], {}),
         ("GlobalAveragePool", ["2"], {}), ("Squeeze", ["3", "axes"], {}), ("Softmax", ["4"], {"axis": 1})],
        {**FIRST, "w1": W1, "axes": np.array([2, 3])},
    ),
    "reshape by the shape of the input": (
        [CONV, ("Shape", ["x"], {}), ("Gather", ["1", "zero"], {"axis": 0}), ("Unsqueeze", ["2", "axis"], {}),
         ("Concat", ["3", "rest"], {"axis": 0}), ("Reshape", ["0", "4"], {}), ("MatMul", ["5", "m"], {})],
        {**FIRST, "zero": np.array(0), "axis": np.array([0]), "rest": np.array([-1]), "m": tensor(256, 6)},
    ),
    "normalisation, pad, slice, transpose, sigmoid": (
        [("Sub", ["x", "mean"], {}), ("Div", ["0", "std"], {}), ("Pad", ["1", "pads", "value"], {}),
         ("Slice", ["2", "starts", "ends", "axes"], {}), ("Transpose", ["3"], {"perm": [0, 2, 3, 1]}), ("Sigmoid", ["4"], {}),
         ("ReduceMean", ["5"], {"axes": [1, 2], "keepdims": 0})],
        {"mean": tensor(1, 3, 1, 1), "std": 1 + np.abs(tensor(1, 3, 1, 1)), "pads": np.array([0, 0, 1, 1, 0, 0, 0, 2]),
         "value": np.float32(0.5), "starts": np.array([1]), "ends": np.array([2**63 - 1]), "axes": np.array([2])},
    ),
    "mask by a comparison, cast between types": (
        [CONV, ("Less", ["zero", "0"], {}), ("Cast", ["1"], {"to": TensorProto.FLOAT}), ("Mul", ["0", "2"], {}),
         ("Cast", ["3"], {"to": TensorProto.DOUBLE}), ("Cast", ["4"], {"to": TensorProto.FLOAT}),
         ("Conv", ["5", "w1"], {}), ("Dropout", ["6"], {})],
        {**FIRST, "w1": W1, "zero": np.float32(0)},
    ),
}  # fmt: skip


def make_model(
    nodes, tensors, *, batch: int | str = 1, opset=17, shape=SHAPE, outputs=(), kind=TensorProto.FLOAT, extra=()
):
    """The last node's output, or those in `outputs`, from an input x."""
    made = [helper.make_node(op, ins, [str(i)], **attributes) for i, (op, ins, attributes) in enumerate(nodes)]
    names = outputs or [str(len(nodes) - 1)]
    graph = helper.make_graph(
        made,
        "test",
        [helper.make_tensor_value_info("x", kind, [batch, *shape]), *extra],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 2) for name in names],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    del graph.output[0].type.tensor_type.shape.dim[:]
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def saved(model, folder, name="model.onnx"):
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def reference(model, s):
    return ReferenceEvaluator(model).run(None, {"x": s[None]})[0].ravel()


@pytest.fixture
def image():
    return np.random.default_rng(1).uniform(size=SHAPE).astype(np.float32)


@pytest.mark.parametrize("name", GRAPHS)
def test_agrees_with_the_reference_evaluator(name, tmp_path, image):
    """In float32, and in float64 to far more digits than float32 has: no operator narrows the computation."""
    model = make_model(*GRAPHS[name])
    source = from_onnx(saved(model, tmp_path))
    expected = reference(model, image)
    got = source(image)
    assert (source.input_shape, (source.num_outputs,), source.name) == (SHAPE, got.shape, "model")
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-4 * max(1, np.abs(expected).max()))
    with jax.enable_x64(True):
        precise = eqx.filter_jit(source)(image.astype(np.float64))
        assert precise.dtype == np.float64
        np.testing.assert_allclose(precise, expected, atol=1e-5)


@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_in_float64(name, tmp_path, image):
    """Against central differences along a random direction; the step is small enough to meet no kink."""
    source = from_onnx(saved(make_model(*GRAPHS[name]), tmp_path))
    direction, step = np.random.default_rng(2).normal(size=SHAPE), 1e-6

    @eqx.filter_jit
    def both(source, s):
        jacobian = jax.jacrev(source)(s)
        return jnp.tensordot(jacobian, direction, 3), (source(s + step * direction) - source(s - step * direction)) / (
            2 * step
        )

    with jax.enable_x64(True):
        exact, differences = both(source, image.astype(np.float64))
    assert np.abs(exact).max() > 1e-3
    np.testing.assert_allclose(exact, differences, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("opset", [11, 13, 22])
@pytest.mark.parametrize(
    "name", ["conv, relu, max pool, flatten, gemm", "depthwise, pointwise, clip, global average pool"]
)
def test_other_operator_sets(name, opset, tmp_path, image):
    model = make_model(*GRAPHS[name], opset=opset)
    np.testing.assert_allclose(from_onnx(saved(model, tmp_path))(image), reference(model, image), atol=1e-4)


def test_open_sizes(tmp_path, image):
    graph = GRAPHS["reshape by the shape of the input"]
    path = saved(make_model(*graph, batch="N"), tmp_path)
    source = from_onnx(path)
    images = np.stack([image, image[:, ::-1]])
    expected = ReferenceEvaluator(make_model(*graph, batch="N")).run(None, {"x": images})[0]
    np.testing.assert_allclose(jax.jit(jax.vmap(source))(images), expected, atol=1e-4)

    path = saved(make_model(*graph, batch="N", shape=(3, "H", "W")), tmp_path)
    np.testing.assert_allclose(from_onnx(path, input_shape=SHAPE)(image), expected[0], atol=1e-4)
    with pytest.raises(MrntkError, match=r"input_shape is missing: .*\(3, None, None\)"):
        from_onnx(path)
    for wrong in ((1, 8, 8), (3, 8)):
        with pytest.raises(MrntkError, match="does not fit"):
            from_onnx(path, input_shape=wrong)


@pytest.mark.parametrize("size", [-1, 0])
def test_sizes_written_as_minus_one_or_zero_are_open(size, tmp_path, image):
    graph = GRAPHS["conv, relu, max pool, flatten, gemm"]
    path = saved(make_model(*graph, batch=size, shape=(3, size, size)), tmp_path)
    np.testing.assert_allclose(
        from_onnx(path, input_shape=SHAPE)(image), reference(make_model(*graph), image), atol=1e-4
    )
    with pytest.raises(MrntkError, match=r"input_shape is missing: .*\(3, None, None\)"):
        from_onnx(path)


def test_weights_in_any_place_and_precision(tmp_path, image):
    """Half precision, double precision, and as Constant nodes."""
    model = make_model(*GRAPHS["conv, relu, max pool, flatten, gemm"])
    expected = reference(model, image)
    as_nodes = onnx.ModelProto.FromString(model.SerializeToString())
    for entry in reversed(model.graph.initializer):
        as_nodes.graph.node.insert(0, helper.make_node("Constant", [], [entry.name], value=entry))
    del as_nodes.graph.initializer[:]
    np.testing.assert_allclose(from_onnx(saved(as_nodes, tmp_path))(image), expected, atol=1e-4)
    for dtype, rounding in ((np.float16, 5e-3), (np.float64, 1e-5)):
        nodes, tensors = GRAPHS["conv, relu, max pool, flatten, gemm"]
        other = make_model(nodes, {name: value.astype(dtype) for name, value in tensors.items()})
        source = from_onnx(saved(other, tmp_path))
        np.testing.assert_allclose(source(image), expected, atol=rounding)
        assert all(value.dtype == dtype for value in source.weights.values())


def test_choice_of_an_output(tmp_path, image):
    """What only other outputs need is not looked at."""
    nodes, tensors = GRAPHS["conv, relu, max pool, flatten, gemm"]
    nodes = [*nodes, ("Det", ["1"], {}), ("Mul", ["5", "factor"], {})]
    model = make_model(nodes, {**tensors, "factor": BIAS.reshape(-1, 1, 1)}, outputs=["4", "6"])
    path = saved(model, tmp_path)
    source = from_onnx(path, output="4")
    np.testing.assert_allclose(source(image), reference(model, image), atol=1e-4)
    assert source.weights.keys() == {"w", "b", "d", "db"}
    for output in (None, "logits"):
        with pytest.raises(MrntkError, match=f"output={output!r}: .* gives 4, 6"):
            from_onnx(path, output=output)
    with pytest.raises(MrntkError, match="operators Det are not supported"):
        from_onnx(path, output="6")


def test_as_the_source_of_a_reprogrammed_model(tmp_path, images):
    source = from_onnx(saved(make_model(*GRAPHS["conv, relu, max pool, flatten, gemm"]), tmp_path))
    rgb = np.repeat(images, 3, axis=1)
    model = Reprogram(VisualPrompt(SHAPE, (4, 4)), source)
    kernel = empirical_ntk(model, rgb)
    assert kernel.dtype == np.float64 and kernel.shape == (6, 6, 6, 6)
    matrix = kernel.reshape(36, 36)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix)[0] > -1e-10 and np.trace(matrix) > 0


def with_external(folder, location):
    model = make_model(*GRAPHS["conv, relu, max pool, flatten, gemm"])
    entry = model.graph.initializer[0]
    (folder / "weights.bin").write_bytes(entry.raw_data)
    onnx.external_data_helper.set_external_data(entry, location)
    entry.ClearField("raw_data")
    return model


def test_weights_beside_the_model(tmp_path, image):
    folder = tmp_path / "model"
    folder.mkdir()
    model = with_external(folder, "weights.bin")
    expected = reference(make_model(*GRAPHS["conv, relu, max pool, flatten, gemm"]), image)
    path = saved(model, folder)
    np.testing.assert_allclose(from_onnx(path)(image), expected, atol=1e-4)
    with pytest.raises(MrntkError, match="more than max_bytes"):
        from_onnx(path, max_bytes=path.stat().st_size + 50)
    (folder / "weights.bin").write_bytes(b"short")
    with pytest.raises(MrntkError, match="tensor w is damaged"):
        from_onnx(path)


@pytest.mark.parametrize("location", ["../weights.bin", "{absolute}", "link.bin", "missing.bin"])
def test_no_file_outside_the_folder_is_read(location, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    location = location.format(absolute=tmp_path / "weights.bin")
    model = with_external(tmp_path, location)
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(MrntkError, match="tensor w should be in the file .*, which is not in the folder"):
        from_onnx(saved(model, folder))


@pytest.mark.parametrize("inside", ["", "onnx"])
def test_weights_in_a_hubs_cache_are_links_to_its_blobs(inside, tmp_path, image):
    """A link to the blobs of this model is followed; one to anywhere else is refused, and so is a path out of the folder."""
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshots" / "0123" / inside
    blobs.mkdir()
    folder.mkdir(parents=True)
    model = with_external(blobs, "weights.bin")
    (saved(model, blobs)).rename(blobs / "4567")
    (folder / "model.onnx").symlink_to(blobs / "4567")
    (folder / "weights.bin").symlink_to(blobs / "weights.bin")
    expected = reference(make_model(*GRAPHS["conv, relu, max pool, flatten, gemm"]), image)
    np.testing.assert_allclose(from_onnx(folder / "model.onnx")(image), expected, atol=1e-4)

    elsewhere = tmp_path / "other" / "blobs"
    elsewhere.mkdir(parents=True)
    for secret in (elsewhere / "secret", tmp_path / "secret"):
        (blobs / "weights.bin").replace(secret)
        (folder / "weights.bin").unlink()
        (folder / "weights.bin").symlink_to(secret)
        with pytest.raises(MrntkError, match="not in the folder"):
            from_onnx(folder / "model.onnx")
        secret.replace(blobs / "weights.bin")
    named = saved(with_external(blobs, "../" * (3 if inside else 2) + "blobs/weights.bin"), folder, "named.onnx")
    with pytest.raises(MrntkError, match="not in the folder"):
        from_onnx(named)


def test_every_truncation_is_seen(tmp_path):
    content = saved(make_model(*GRAPHS["average pool counting the padding"]), tmp_path).read_bytes()
    path = tmp_path / "short.onnx"
    for length in {*range(0, len(content) - 1, 41), *range(len(content) - 12, len(content) - 1)}:
        path.write_bytes(content[:length])
        with pytest.raises(MrntkError, match="truncated|damaged|not a valid"):
            from_onnx(path)


def test_what_is_not_a_source(tmp_path):
    nodes, tensors = GRAPHS["conv, relu, max pool, flatten, gemm"]
    other = helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 6])
    two = [*nodes, ("Add", ["4", "other"], {})]
    data_dependent = [("ReduceSum", ["x"], {"keepdims": 0}), ("Cast", ["0"], {"to": TensorProto.INT64}),
                      ("Unsqueeze", ["1", "axis"], {}), ("Reshape", ["x", "2"], {})]  # fmt: skip
    cases = {
        r"has 2 inputs \(x, other\)": make_model(two, tensors, extra=[other]),
        "input x is not floating": make_model(nodes, tensors, kind=TensorProto.UINT8),
        "takes 4 examples at a time": make_model(nodes, tensors, batch=4),
        "depends on the values of the input": make_model(data_dependent, {"axis": np.array([0])}),
        "operators Det, NonZero are": make_model([("Det", ["x"], {}), ("NonZero", ["0"], {})], {}, opset=18),
        "nothing before operator Conv gives its input 'nowhere'": make_model([("Conv", ["x", "nowhere"], {})], {}),
    }
    for message, model in cases.items():
        with pytest.raises(MrntkError, match=message):
            from_onnx(saved(model, tmp_path))
    foreign = make_model(nodes, tensors)
    foreign.graph.node[1].domain = "com.example"
    foreign.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(MrntkError, match="operators com.example.Relu are not supported"):
        from_onnx(saved(foreign, tmp_path))


def test_files_that_are_not_there_or_too_large(tmp_path):
    with pytest.raises(MrntkError, match="there is no such file"):
        from_onnx(tmp_path / "no.onnx")
    path = saved(make_model(*GRAPHS["average pool counting the padding"]), tmp_path)
    with pytest.raises(MrntkError, match="raise max_bytes=100 "):
        from_onnx(path, max_bytes=100)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(MrntkError, match="not an ONNX file|no complete ONNX graph"):
        from_onnx(path)


def test_a_damaged_tensor(tmp_path):
    model = make_model(*GRAPHS["average pool counting the padding"])
    model.graph.initializer[0].raw_data = b"1234"
    with pytest.raises(MrntkError, match="tensor w is damaged"):
        from_onnx(saved(model, tmp_path))


def test_nothing_global_is_left_changed(tmp_path, image):
    def state():
        return jax.config.jax_enable_x64, tuple(logging.getLogger().handlers), sys.stdout

    before = state()
    from_onnx(saved(make_model(*GRAPHS["average pool counting the padding"]), tmp_path))(image)
    assert state() == before
    with pytest.raises(MrntkError):
        from_onnx(saved(make_model([("Conv", ["x", "nowhere"], {})], {}), tmp_path))
    assert state() == before


def test_wrong_shape_of_an_input(tmp_path):
    source = from_onnx(saved(make_model(*GRAPHS["average pool counting the padding"]), tmp_path))
    with pytest.raises(MrntkError, match=r"s has shape \(3, 8, 9\)"):
        source(np.zeros((3, 8, 9)))
