"""CLIP's image tower agrees with an independent NumPy implementation and keeps float64; bad checkpoints are told apart."""

import importlib.util
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from mrntk import MrntkError, Reprogram, VisualPrompt, empirical_ntk
from mrntk.sources.pretrained.clip import from_clip, vision_model, without_mesh, zero_shot
from mrntk.sources.registry import load_source


def _script():
    path = Path(__file__).parent / "data" / "make_clip_reference.py"
    spec = importlib.util.spec_from_file_location("make_clip_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = _script()
SHAPE = (3, reference.SIDE, reference.SIDE)


@eqx.filter_jit
def compute(source, s):
    return source(s)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return reference.write_checkpoint(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture(scope="module")
def source(folder):
    return from_clip(folder)


@pytest.fixture(scope="module")
def stored():
    return dict(np.load(reference.OUTPUTS))


def test_stored_outputs_are_what_the_script_makes(stored):
    made = reference.make_outputs()
    assert made.keys() == stored.keys()
    for name, value in made.items():
        np.testing.assert_allclose(value, stored[name], rtol=1e-10)


def test_parity(folder, source, stored):
    """Embeddings before and after the projection, in float32 and, far closer, in float64."""
    assert (source.input_shape, source.num_outputs, source.name) == (SHAPE, reference.PROJECTION, "clip-tiny")
    pooled = from_clip(folder, projection=False)
    assert pooled.num_outputs == reference.HIDDEN
    for one, name in ((source, "projected"), (pooled, "pooled")):
        got = jax.jit(jax.vmap(one))(stored["images"].astype(np.float32))
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, stored[name], atol=1e-5)
    with jax.enable_x64(True):
        got = jax.jit(jax.vmap(source))(stored["images"])
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, stored["projected"], rtol=1e-12, atol=1e-13)


def test_several_heads(tmp_path, stored):
    """Hidden size 128 is two heads of 64 values; one layer."""
    tensors = reference.make_tensors(layers=1, hidden=128)
    sizes = {"hidden_size": 128, "intermediate_size": 512, "num_attention_heads": 2, "num_hidden_layers": 1}
    source = from_clip(reference.write_checkpoint(tmp_path, tensors, **sizes))
    expected = reference.embed(tensors, stored["images"][0], heads=2)[1]
    np.testing.assert_allclose(compute(source, stored["images"][0].astype(np.float32)), expected, atol=1e-5)


def test_normalised(folder, stored):
    got = compute(from_clip(folder, normalise=True), stored["images"][0].astype(np.float32))
    expected = stored["projected"][0]
    np.testing.assert_allclose(got, expected / np.linalg.norm(expected), atol=1e-5)


def test_gradient(source, stored):
    """Against central differences in float64."""
    s, direction, step = stored["images"][1], np.random.default_rng(3).normal(size=SHAPE), 1e-5
    with jax.enable_x64(True):
        exact = np.tensordot(compute(jax.jacrev(source), s), direction, 3)
        differences = (compute(source, s + step * direction) - compute(source, s - step * direction)) / (2 * step)
    np.testing.assert_allclose(exact, differences, rtol=1e-6, atol=1e-7)


def test_as_the_source_of_a_reprogrammed_model(source):
    rgb = np.random.default_rng(2).uniform(size=(2, 3, 8, 8))
    kernel = empirical_ntk(Reprogram(VisualPrompt(SHAPE, (8, 8)), source), rgb)
    assert kernel.dtype == np.float64 and kernel.shape == (2, 32, 2, 32)
    matrix = kernel.reshape(64, 64)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-10)
    assert np.trace(matrix) > 0


def test_traced_in_several_threads_at_once(source):
    """jimm is changed while it is traced; a second thread must wait, or it would take the first one's change back."""
    s = np.zeros(SHAPE, np.float32)
    with ThreadPoolExecutor(1) as pool:
        with without_mesh():
            other = pool.submit(jax.eval_shape, source, s)
            with pytest.raises(TimeoutError):
                other.result(timeout=1)
        assert other.result().shape == (reference.PROJECTION,)


def test_nothing_global_is_left_changed(source, stored):
    from jimm.common import sharding, transformer, vit

    jax.eval_shape(source, stored["images"][0])
    assert vit.reshard_like is transformer.reshard_like is sharding.reshard_like
    for name in ("tokamax", "huggingface_hub"):
        if importlib.util.find_spec(name) is None:
            assert not [module for module in sys.modules if module.split(".")[0] == name]


def test_zero_shot(folder, stored):
    """Logits are 100 times the cosine with each class's embedding, whatever its length."""
    texts = np.random.default_rng(9).normal(size=(4, reference.PROJECTION)).astype(np.float32)
    classifier = zero_shot(from_clip(folder), texts)
    assert (classifier.input_shape, classifier.num_outputs) == (SHAPE, 4)
    image = stored["projected"][0]
    cosines = texts @ image / np.linalg.norm(texts, axis=1) / np.linalg.norm(image)
    np.testing.assert_allclose(compute(classifier, stored["images"][0].astype(np.float32)), 100 * cosines, atol=1e-3)
    with pytest.raises(MrntkError, match=r"embeddings has shape \(4, 31\): give rows of 32"):
        zero_shot(from_clip(folder), texts[:, 1:])


def test_half_precision_and_own_statistics(tmp_path, stored):
    half = {name: value.astype(np.float16) for name, value in reference.make_tensors().items()}
    reference.write_checkpoint(tmp_path, half)
    statistics = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(statistics))
    source = from_clip(tmp_path)
    mean, std = (np.array(statistics[name])[:, None, None] for name in ("image_mean", "image_std"))
    same_pixels = (stored["images"][0] * reference.STD[:, None, None] + reference.MEAN[:, None, None] - mean) / std
    as_it_normalises = (same_pixels * std + mean).astype(
        np.float32
    )  # the same image again, in [0, 1] of its own statistics
    normalised = (as_it_normalises - mean) / std
    undone = normalised * reference.STD[:, None, None] + reference.MEAN[:, None, None]
    expected = reference.embed(half, undone)[1]
    np.testing.assert_allclose(compute(source, as_it_normalises), expected, atol=1e-4)
    (tmp_path / "preprocessor_config.json").write_text('{"image_std": [0, 1, 1]}')
    with pytest.raises(MrntkError, match="preprocessor_config.json has no image_mean and image_std"):
        from_clip(tmp_path)


def test_registry_takes_a_folder(folder):
    assert load_source(folder).name == "clip-tiny"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_attention_heads": 2}, "jimm computes CLIP with num_attention_heads=1.*has 2"),
        ({"hidden_act": "gelu"}, "hidden_act=quick_gelu.*has gelu"),
        ({"intermediate_size": 100}, "intermediate_size=256.*has 100"),
        ({"layer_norm_eps": 1e-6}, "layer_norm_eps"),
        ({"hidden_size": "64"}, "hidden_size='64' in config.json is not a size"),
        ({"image_size": 24}, "tensor vision_model.embeddings.position_embedding.weight has 320 values"),
        ({"num_hidden_layers": 3}, r"no tensor vision_model.encoder.layers.2"),
    ],
)
def test_checkpoints_of_another_kind(changes, message, tmp_path):
    with pytest.raises(MrntkError, match=message):
        from_clip(reference.write_checkpoint(tmp_path, **changes))


def test_damaged_checkpoints(folder, tmp_path):
    with pytest.raises(MrntkError, match="cannot read config.json"):
        from_clip(tmp_path)
    config = tmp_path / "config.json"
    for content, message in (
        ("{", "config.json is damaged"),
        ("[]", "is not a config"),
        ("{}", "has no vision_config"),
    ):
        config.write_text(content)
        with pytest.raises(MrntkError, match=message):
            from_clip(tmp_path)
    config.write_text((folder / "config.json").read_text())
    with pytest.raises(MrntkError, match="there is no model.safetensors"):
        from_clip(tmp_path)
    weights = (folder / "model.safetensors").read_bytes()
    for cut in (0, 5, 200, len(weights) - 1):
        (tmp_path / "model.safetensors").write_bytes(weights[:cut])
        with pytest.raises(MrntkError, match="model.safetensors is truncated or damaged"):
            from_clip(tmp_path)
    tensors = reference.make_tensors()
    for name in (
        "visual_projection.weight",
        "vision_model.encoder.layers.1.mlp.fc2.bias",
        "vision_model.pre_layrnorm.weight",
    ):
        save_file({other: value for other, value in tensors.items() if other != name}, tmp_path / "model.safetensors")
        with pytest.raises(MrntkError, match=f"has no tensor {name}"):
            from_clip(tmp_path)
    turned = {**tensors, "visual_projection.weight": np.ascontiguousarray(tensors["visual_projection.weight"].T)}
    save_file(turned, tmp_path / "model.safetensors")
    with pytest.raises(MrntkError, match="tensor visual_projection.weight has 2048 values in another shape"):
        from_clip(tmp_path)


def _sharded(folder, files):
    """The checkpoint of `reference` with its weights in two files; `files` names them in the index."""
    reference.write_checkpoint(folder)
    (folder / "model.safetensors").unlink()
    tensors = reference.make_tensors()
    names = sorted(tensors)
    parts = names[: len(names) // 2], names[len(names) // 2 :]
    for k, part in enumerate(parts):
        save_file({name: tensors[name] for name in part}, folder / f"model-{k}.safetensors")
    index = {"weight_map": {name: files[k] for k, part in enumerate(parts) for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_other_layouts_are_the_same_tower(folder, source, stored, tmp_path):
    """Shards, a configuration of the image tower alone, and weights without the projection."""
    s = np.random.default_rng(1).uniform(size=SHAPE).astype(np.float32)
    sharded = _sharded(tmp_path / "shards", ("model-0.safetensors", "model-1.safetensors"))
    alone, bare = (reference.write_checkpoint(tmp_path / name) for name in ("alone", "bare"))
    config = json.loads((alone / "config.json").read_text())
    flat = config["vision_config"] | {"model_type": "clip_vision_model"}
    (alone / "config.json").write_text(json.dumps(flat | {"projection_dim": config["projection_dim"]}))
    for other in (sharded, alone):
        np.testing.assert_array_equal(compute(from_clip(other), s), compute(source, s))
    (bare / "config.json").write_text(json.dumps(flat))
    tensors = reference.make_tensors()
    tower = {name: value for name, value in tensors.items() if name.startswith("vision_model")}
    save_file(tower, bare / "model.safetensors")
    expected = compute(from_clip(folder, projection=False), s)
    np.testing.assert_array_equal(compute(from_clip(bare, projection=False), s), expected)
    with pytest.raises(MrntkError, match="no tensor visual_projection.weight: load it with projection=False"):
        from_clip(bare)


@pytest.mark.parametrize("name", ["model-2.safetensors", "../model-1.safetensors"])
def test_shards_that_are_not_there_or_elsewhere(name, tmp_path):
    folder = _sharded(tmp_path / "a", ("model-0.safetensors", name))
    (folder / "model-1.safetensors").rename(tmp_path / "model-1.safetensors")
    with pytest.raises(MrntkError, match="index.json names the file '.*', which is not there"):
        from_clip(folder)


def test_a_damaged_index(tmp_path):
    folder = _sharded(tmp_path, ("model-0.safetensors", "model-1.safetensors"))
    for content, message in (
        ("{", "is damaged"),
        ("{}", "has no weight_map"),
        ('{"weight_map": [1]}', "no weight_map"),
    ):
        (folder / "model.safetensors.index.json").write_text(content)
        with pytest.raises(MrntkError, match=message):
            from_clip(folder)


def test_a_hub_name_without_the_downloader_or_a_network(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        MrntkError, match="download config.json and model.safetensors .* into a folder, and give its path"
    ):
        load_source("clip:openai/clip-vit-base-patch32")


def test_without_the_package(monkeypatch):
    vision_model.cache_clear()
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "jimm"}
    monkeypatch.setitem(sys.modules, "jimm.models.clip", None)
    with pytest.raises(MrntkError, match="pip install --no-deps jax-image-models"):
        vision_model()
    sys.modules.update(kept)
    vision_model.cache_clear()


def test_wrong_shape_of_an_image(source):
    with pytest.raises(MrntkError, match=r"s has shape \(3, 16, 8\)"):
        source(np.zeros((3, 16, 8)))
