"""Every source loads by name, does what its card says, and is a source: of one example, differentiable, batched by vmap."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import MrntkError, load_source
from mrntk.sources.features import FeatureCNN, on_features
from mrntk.sources.registry import SOURCES

OFFLINE = [name for name, entry in SOURCES.items() if entry.card.offline and entry.card.shape]


@pytest.mark.parametrize("name", [name for name in OFFLINE if name != "crepe-full"])
def test_pretrained_sources_by_name(name):
    options = {"side": 64} if "side" in SOURCES[name].options else {}
    source, card = load_source(name, **options), SOURCES[name].card
    assert source.num_outputs == card.num_classes and source.name.startswith(name)
    assert source.input_shape == ((3, 64, 64) if options else card.shape)
    s = jnp.asarray(np.random.default_rng(0).uniform(size=source.input_shape), jnp.float32)
    logits, gradient = jax.jit(lambda s: (source(s), jax.grad(lambda s: source(s).max())(s)))(s)
    assert logits.shape == (card.num_classes,) and np.abs(gradient).max() > 0


@pytest.mark.parametrize("name", ["efficientnet-lite0", "crepe-tiny", "speech-embedding"])
def test_the_same_network_untrained(name):
    """Same structure and shapes, other values, reproducible, with outputs of order one."""
    options = {"side": 64} if "side" in SOURCES[name].options else {}
    trained, one, again = (load_source(name, **options, **extra) for extra in ({}, {"untrained": 3}, {"untrained": 3}))
    assert load_source(name, **options, untrained=False).name == trained.name
    shapes = lambda source: [leaf.shape for leaf in jax.tree.leaves(source)]  # noqa: E731
    assert shapes(one) == shapes(trained) and one.name == f"{trained.name}-untrained"
    s = jnp.asarray(np.random.default_rng(0).uniform(size=trained.input_shape), jnp.float32)
    other = load_source(name, **options, untrained=4)
    trained, one, again, other = (eqx.filter_jit(source)(s) for source in (trained, one, again, other))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, trained) and not np.allclose(one, other) and 1e-3 < np.std(one) < 1e3


def test_a_head_on_the_feature_map_of_a_pretrained_network():
    """The classifier is a mean over the map and a linear layer; any other head takes its place."""
    features = load_source("efficientnet-lite0", side=64, features=True)
    assert features.map_shape == (1280, 2, 2) and features.num_outputs == 1280 * 4
    network = load_source("efficientnet-lite0", side=64)
    s = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 64, 64)), jnp.float32)
    found = eqx.filter_jit(features)(s).reshape(features.map_shape).mean((1, 2))
    np.testing.assert_allclose(network.classifier(found), eqx.filter_jit(network)(s), rtol=1e-3, atol=1e-4)
    head = FeatureCNN(features.num_outputs, 5, depth=2, width=3, key=jax.random.key(0), map_shape=features.map_shape)
    assert eqx.filter_jit(on_features(features, head))(s).shape == (5,)


def test_networks_trained_here(tmp_path, monkeypatch):
    monkeypatch.setenv("MRNTK_CACHE", str(tmp_path))
    source = load_source("dnn", task="digits", depth=1, width=4, epochs=1, per_class=5)
    assert source.input_shape == (1, 8, 8)


def test_a_function_is_a_source():
    source = load_source(lambda s: jnp.stack([s.sum(), s.max()]), input_shape=(4,))
    assert source.num_outputs == 2


def test_paths_as_readers_write_them(tmp_path, monkeypatch):
    """Under the home folder, with the suffix in capitals, and a name of ours that is also that of a file here."""
    from onnx import TensorProto, helper, save

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Tanh", ["x"], ["y"])], "one", ends[:1], ends[1:])
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(tmp_path / "Net.ONNX")
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("Net.ONNX", tmp_path / "Net.ONNX", "~/Net.ONNX"):
        np.testing.assert_allclose(load_source(name)(jnp.arange(4.0)), np.tanh(np.arange(4.0)), rtol=1e-6)
    (tmp_path / "dnn").touch()
    assert load_source("dnn", input_shape=(4,), num_outputs=2, depth=1, width=4).num_outputs == 2


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("resnet18.pth", r"a .pth file is not read here; write the network as an .onnx file \(torch.onnx.export\)"),
        ("Model.H5", r"a .h5 file is not read here.*Keras"),
        ("net.tflite", r"a .tflite file is not read here.*tf2onnx"),
        ("model.safetensors", r"a .safetensors file is not read here.*a CLIP checkpoint is given by its folder"),
        ("notes.txt", r"a .txt file is not read here; write the network as an .onnx file\.$"),
        ("weights", r"a file without a suffix is not read here"),
    ],
)
def test_files_of_other_kinds(tmp_path, monkeypatch, name, sentence):
    (tmp_path / name).write_bytes(b"1234")
    monkeypatch.chdir(tmp_path)
    for where in (tmp_path / name, str(tmp_path / name), name):
        with pytest.raises(MrntkError, match=sentence):
            load_source(where)


@pytest.mark.parametrize(
    "name, options, sentence",
    [
        ("efficientnet", {}, "source 'efficientnet' is unknown: did you mean efficientnet-lite"),
        ("crepe-tiny", {"side": 3}, "side=3: source crepe-tiny takes"),
        ("missing.onnx", {}, "missing.onnx"),
        ("nowhere/net.pt", {}, "a .pt file is not read here"),
        ("crepe-tiny", {"untrained": True}, "untrained=True: give a seed"),
        ("some/folder", {}, "some/folder"),
        ("MNIST", {}, "`mrntk list` names them all"),
        (lambda s: s, {"side": 3}, "side=3: a function takes input_shape"),
    ],
)
def test_mistakes(name, options, sentence):
    with pytest.raises(MrntkError, match=sentence):
        load_source(name, **options)


@pytest.mark.parametrize("name", [b"net.onnx", None, 3])
def test_names_of_other_types(name):
    with pytest.raises(MrntkError, match=f"name={name!r}: give a name or a path as str or Path, or a function"):
        inspect.unwrap(load_source)(name)  # without the check of types that tests add
