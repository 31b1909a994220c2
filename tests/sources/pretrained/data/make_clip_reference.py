"""A tiny random CLIP checkpoint in Hugging Face layout, and its image embeddings by a NumPy implementation of its own.

    python tests/sources/data/make_clip_reference.py

writes clip_reference.npz beside this file. It shares no code with mrntk or jimm: the architecture is written down from Radford
et al. 2021 and Dosovitskiy et al. 2021 (patch embedding, class token, positions, pre-norm blocks with quick GELU, the class
token's last norm, projection), the tensors' names from the published checkpoints.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

HIDDEN, HEADS, LAYERS, PATCH, SIDE, PROJECTION, IMAGES = 64, 1, 2, 8, 16, 32, 3
MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])
OUTPUTS = Path(__file__).with_name("clip_reference.npz")


def make_config(**changes):
    """config.json, with other values in the image tower's part where asked."""
    vision = {
        "hidden_size": HIDDEN, "intermediate_size": 4 * HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "image_size": SIDE, "patch_size": PATCH, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
        "projection_dim": PROJECTION, "num_channels": 3, **changes,
    }  # fmt: skip
    # A text tower of another width than the projection, as ViT-L/14 does not have, but others may.
    return {
        "model_type": "clip",
        "projection_dim": PROJECTION,
        "text_config": {"hidden_size": 48},
        "vision_config": vision,
    }


def make_tensors(layers=LAYERS, hidden=HIDDEN):
    """Random weights of both towers' layout; of the text tower only one tensor, which must be passed over."""
    rng = np.random.default_rng(20)
    tensors = {}

    def add(name, *shape, scale=None, around=0.0):
        scale = 1 / np.sqrt(shape[-1]) if scale is None else scale
        tensors[name] = (around + scale * rng.normal(size=shape)).astype(np.float32)

    def norm(name):
        add(f"{name}.weight", hidden, scale=0.2, around=1.0)
        add(f"{name}.bias", hidden, scale=0.2)

    def linear(name, n_out, n_in):
        add(f"{name}.weight", n_out, n_in)
        add(f"{name}.bias", n_out, scale=0.2)

    base = "vision_model"
    add(f"{base}.embeddings.class_embedding", hidden, scale=1.0)
    add(f"{base}.embeddings.patch_embedding.weight", hidden, 3, PATCH, PATCH, scale=0.07)
    add(f"{base}.embeddings.position_embedding.weight", (SIDE // PATCH) ** 2 + 1, hidden, scale=0.5)
    norm(f"{base}.pre_layrnorm")
    norm(f"{base}.post_layernorm")
    for i in range(layers):
        layer = f"{base}.encoder.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{layer}.self_attn.{name}", hidden, hidden)
        linear(f"{layer}.mlp.fc1", 4 * hidden, hidden)
        linear(f"{layer}.mlp.fc2", hidden, 4 * hidden)
        norm(f"{layer}.layer_norm1")
        norm(f"{layer}.layer_norm2")
    add("visual_projection.weight", PROJECTION, hidden)
    add("text_model.final_layer_norm.weight", 48)
    add("logit_scale", 1)
    return tensors


def write_checkpoint(folder, tensors=None, **changes):
    """The folder as it would be downloaded."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(make_config(**changes)))
    save_file(make_tensors() if tensors is None else tensors, folder / "model.safetensors")
    return folder


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def embed(tensors, image, heads=HEADS):
    """(hidden,) before and (projection,) after the projection, in float64, of one image (3, side, side) in [0, 1]."""
    t = {name: value.astype(np.float64) for name, value in tensors.items()}

    def norm(name, x):
        return layer_norm(x, t[f"vision_model.{name}.weight"], t[f"vision_model.{name}.bias"])

    def linear(name, x):
        return x @ t[f"vision_model.{name}.weight"].T + t[f"vision_model.{name}.bias"]

    pixels = (image - MEAN[:, None, None]) / STD[:, None, None]
    kernel = t["vision_model.embeddings.patch_embedding.weight"]
    patch, places = kernel.shape[-1], range(0, image.shape[-1], kernel.shape[-1])
    patches = [pixels[:, i : i + patch, j : j + patch] for i in places for j in places]
    tokens = [t["vision_model.embeddings.class_embedding"], *(np.tensordot(kernel, p, axes=3) for p in patches)]
    x = np.stack(tokens) + t["vision_model.embeddings.position_embedding.weight"]  # (tokens, hidden)
    x = norm("pre_layrnorm", x)
    layers = 1 + max(int(name.split(".")[3]) for name in t if name.startswith("vision_model.encoder.layers."))
    for layer in (f"encoder.layers.{i}" for i in range(layers)):
        h = norm(f"{layer}.layer_norm1", x)
        q, k, v = (
            np.split(linear(f"{layer}.self_attn.{name}_proj", h), heads, axis=1) for name in "qkv"
        )  # each a list of (tokens, hidden / heads)
        mixed = []
        for q_h, k_h, v_h in zip(q, k, v, strict=True):
            scores = q_h @ k_h.T / np.sqrt(q_h.shape[1])
            weights = np.exp(scores - scores.max(1, keepdims=True))
            mixed.append(weights / weights.sum(1, keepdims=True) @ v_h)
        x = x + linear(f"{layer}.self_attn.out_proj", np.concatenate(mixed, axis=1))
        h = linear(f"{layer}.mlp.fc1", norm(f"{layer}.layer_norm2", x))
        x = x + linear(f"{layer}.mlp.fc2", h / (1 + np.exp(-1.702 * h)))
    pooled = norm("post_layernorm", x[0])
    return pooled, t["visual_projection.weight"] @ pooled


def make_outputs():
    """Images and their embeddings."""
    images = np.random.default_rng(21).uniform(size=(IMAGES, 3, SIDE, SIDE))
    pooled, projected = zip(*(embed(make_tensors(), image) for image in images), strict=True)
    return {"images": images, "pooled": np.stack(pooled), "projected": np.stack(projected)}


if __name__ == "__main__":
    np.savez(OUTPUTS, **make_outputs())
