"""Reading a CLIP checkpoint in Hugging Face layout: sizes, pixel statistics and the image tower's tensors, each one checked."""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...support.errors import MrntkError

FILES = ("config.json", "model.safetensors")
# Pixel statistics of CLIP's training images, of the three colours: its published preprocessing.
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# What config.json may leave out: the values of the first published checkpoint, ViT-B/32.
DEFAULTS = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "image_size": 224,
    "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "num_channels": 3,
}  # fmt: skip
# Names of jimm's parameters and of the checkpoint's tensors, part by part.
TENSORS = {
    "encoder.cls_token": "vision_model.embeddings.class_embedding",
    "encoder.position_embeddings": "vision_model.embeddings.position_embedding.weight",
    "encoder.patch_embeddings": "vision_model.embeddings.patch_embedding",
    "encoder.ln_pre": "vision_model.pre_layrnorm",  # so spelt in the checkpoints
    "encoder.ln_post": "vision_model.post_layernorm",
    "visual_projection": "visual_projection",
    "encoder.layers.norm1": "vision_model.encoder.layers.{}.layer_norm1",
    "encoder.layers.norm2": "vision_model.encoder.layers.{}.layer_norm2",
    "encoder.layers.attn.query": "vision_model.encoder.layers.{}.self_attn.q_proj",
    "encoder.layers.attn.key": "vision_model.encoder.layers.{}.self_attn.k_proj",
    "encoder.layers.attn.value": "vision_model.encoder.layers.{}.self_attn.v_proj",
    "encoder.layers.attn.out": "vision_model.encoder.layers.{}.self_attn.out_proj",
    "encoder.layers.mlp.layers.0": "vision_model.encoder.layers.{}.mlp.fc1",
    "encoder.layers.mlp.layers.3": "vision_model.encoder.layers.{}.mlp.fc2",
}


def _json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MrntkError(f"folder={path.parent}: cannot read {path.name} ({error.strerror}); put it there.") from None
    except ValueError:
        raise MrntkError(f"folder={path.parent}: {path.name} is damaged: download it again.") from None
    if not isinstance(content, dict):
        raise MrntkError(f"folder={path.parent}: {path.name} is not a configuration: download it again.")
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """The image tower's sizes, once they are known to be what jimm can compute."""
    content = _json(folder / FILES[0])
    alone = str(content.get("model_type", "")).startswith("clip_vision")  # the image tower without the tower for texts
    vision = content if alone else content.get("vision_config")
    if not isinstance(vision, dict):
        raise MrntkError(
            f"folder={folder}: {FILES[0]} has no vision_config, so this is not a CLIP checkpoint: choose another."
        )
    config = {**DEFAULTS, **{name: value for name, value in vision.items() if value is not None}}
    config["projection_dim"] = content.get("projection_dim", vision.get("projection_dim", 512))
    for name in ("hidden_size", "num_hidden_layers", "image_size", "patch_size", "projection_dim"):
        if not isinstance(config[name], int) or config[name] < 1:
            raise MrntkError(
                f"folder={folder}: {name}={config[name]!r} in {FILES[0]} is not a size: download it again."
            )
    only = {
        "num_attention_heads": config["hidden_size"] / 64,
        "intermediate_size": 4 * config["hidden_size"],
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "num_channels": 3,
    }
    for name, value in only.items():
        if config[name] != value:
            raise MrntkError(
                f"folder={folder}: jimm computes CLIP with {name}={value}, but {FILES[0]} has {config[name]}: choose another "
                "checkpoint, such as one of OpenAI's ViT-B/32, ViT-B/16 or ViT-L/14."
            )
    return config


def read_statistics(folder: Path):
    """Mean and standard deviation of the three colours, from preprocessor_config.json if it is there."""
    path = folder / "preprocessor_config.json"
    content = _json(path) if path.is_file() else {}
    mean, std = (np.array(content.get(name, value)) for name, value in (("image_mean", MEAN), ("image_std", STD)))
    if mean.shape != (3,) or std.shape != (3,) or not (std > 0).all():
        raise MrntkError(
            f"folder={folder}: {path.name} has no image_mean and image_std of three colours: download it again."
        )
    return tuple(mean.tolist()), tuple(std.tolist())


def _stored(names: tuple[str, ...]) -> str:
    """Name in the checkpoint, {} for the layer, of a parameter of jimm."""
    part, last = ".".join(names[:-1]), names[-1]
    whole = ".".join(names)
    return TENSORS[whole] if whole in TENSORS else f"{TENSORS[part]}.{'bias' if last == 'bias' else 'weight'}"


def _as_in_jimm(array: np.ndarray, kernel: bool) -> np.ndarray:
    """Axes in jimm's order: inputs before outputs, channels last."""
    if not kernel:
        return array
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _files(folder: Path) -> dict[str, Path]:
    """Which file holds which tensor; the weights are one file, or shards with an index.

    Raises
    ------
    MrntkError
        If a file is missing or damaged, or if the index names a file outside the folder.
    """
    whole, index = folder / FILES[1], folder / f"{FILES[1]}.index.json"
    if whole.is_file():
        with _opened(whole) as file:
            return dict.fromkeys(file.keys(), whole)
    if not index.is_file():
        raise MrntkError(f"folder={folder}: there is no {FILES[1]}; put the checkpoint's there.")
    shards = _json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise MrntkError(f"folder={folder}: {index.name} has no weight_map: download it again.")
    for shard in sorted(set(shards.values())):
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise MrntkError(
                f"folder={folder}: {index.name} names the file {shard!r}, which is not there; put it there."
            )
    return {name: folder / shard for name, shard in shards.items()}


@contextmanager
def _opened(path: Path):
    """A safetensors file; what is wrong with it is told in a sentence."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="flax") as file:  # NumPy has no bfloat16
            yield file
    except (SafetensorError, OSError) as error:
        raise MrntkError(
            f"folder={path.parent}: {path.name} is truncated or damaged ({error}): download it again."
        ) from None


def read_weights(
    folder: Path, wanted: dict[tuple[str, ...], tuple[int, ...]], projection: bool = True
) -> list[jax.Array]:
    """The tensors of the image tower in float32, in the order of `wanted`: jimm's names and shapes.

    Without `projection` that one may be missing, and is zero then.
    """
    files = _files(folder)

    def read(name: str, shape: tuple[int, ...], kernel: bool) -> np.ndarray:
        if name.startswith("visual_projection") and name not in files:
            if not projection:
                return np.zeros(shape, np.float32)
            raise MrntkError(f"folder={folder}: {FILES[1]} has no tensor {name}: load it with projection=False.")
        if name not in files:
            raise MrntkError(f"folder={folder}: {FILES[1]} has no tensor {name}: it is incomplete; download it again.")
        with _opened(files[name]) as file:
            array = _as_in_jimm(np.asarray(file.get_tensor(name), np.float32), kernel)
        if array.size != np.prod(shape) or (kernel and array.ndim == len(shape) and array.shape != shape):
            raise MrntkError(
                f"folder={folder}: tensor {name} has {array.size} values in another shape than {FILES[0]} says, "
                f"{shape}: the two files do not belong together."
            )
        return array.reshape(shape)

    weights = []
    for names, shape in wanted.items():
        name, kernel = _stored(names), names[-1] == "kernel"
        if "{}" in name:
            layers = [read(name.format(i), shape[1:], kernel) for i in range(shape[0])]
            weights.append(jnp.asarray(np.stack(layers)))
        else:
            weights.append(jnp.asarray(read(name, shape, kernel)))
    return weights


def find_folder(name: str | Path) -> Path:
    """The folder of the checkpoint, fetched if `name` is that of a hub and the reader has its downloader."""
    if Path(name).is_dir():
        return Path(name)
    by_hand = (
        f"folder={str(name)!r} is no folder here, and {{}}: download {' and '.join(FILES)} of the checkpoint from the Hugging "
        "Face hub into a folder, and give its path."
    )
    try:
        from huggingface_hub import hf_hub_download, try_to_load_from_cache  # noqa: F401
    except ImportError:
        raise MrntkError(
            by_hand.format("the package huggingface_hub, which could fetch it, is not installed")
        ) from None
    try:
        paths = [Path(hf_hub_download(str(name), file)) for file in FILES]
    except Exception as error:
        raise MrntkError(by_hand.format(f"it cannot be fetched ({type(error).__name__})")) from None
    try:
        hf_hub_download(str(name), "preprocessor_config.json")
    except Exception:  # noqa: S110 - the published preprocessing is known without it
        pass
    return paths[0].parent
