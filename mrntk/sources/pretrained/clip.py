"""CLIP's image tower as a source, by jax-image-models (imported as `jimm`), from a checkpoint in Hugging Face layout.

`jimm` asks at its import for two packages that the image tower never uses: tokamax, attention kernels for large accelerators,
and huggingface_hub, the downloader. Where they are not installed, stand-ins are lent to `sys.modules` during the import and taken
back afterwards. It also moves arrays between the devices of a mesh, which it wants even on one device; while it is traced here,
that step is left out. The architecture is jimm's; `mrntk.sources.pretrained.clip_checkpoint` reads the weights.
"""

import importlib
import importlib.util
import sys
import threading
import types
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from ...ntk.compat import lent
from ...support.arrays import Array
from ...support.errors import MrntkError
from ..contract import check_input, prove
from ..features import OnFeatures, on_features
from .clip_checkpoint import find_folder, read_config, read_statistics, read_weights

# jimm without what it does not need.


def _stand_ins() -> dict[str, types.ModuleType]:
    """Empty modules under every name that jimm imports from a package that is not installed."""
    wanted = {
        "tokamax": ("tokamax", "tokamax._src", "tokamax._src.ops", "tokamax._src.ops.attention",
                    "tokamax._src.ops.attention.api", "tokamax._src.autotuning", "tokamax._src.autotuning.api"),
        "huggingface_hub": ("huggingface_hub",),
    }  # fmt: skip
    modules = {}
    for package, names in wanted.items():
        if importlib.util.find_spec(package) is None:
            modules |= {name: _StandIn(name) for name in names}
    for name, module in modules.items():
        home, _, last = name.rpartition(".")
        if home:
            setattr(modules[home], last, module)
    return modules


class _StandIn(types.ModuleType):
    """A module that has any name that is asked for, as None."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return None


_LOCK = threading.RLock()  # kernels are computed in several threads


@contextmanager
def without_mesh():
    """jimm without its step between devices, which fails where there is no mesh."""
    homes = [importlib.import_module(f"jimm.common.{name}") for name in ("vit", "transformer")]
    with _LOCK:
        originals = [home.reshard_like for home in homes]
        try:
            for home in homes:
                home.reshard_like = lambda value, reference: value
            yield
        finally:
            for home, original in zip(homes, originals, strict=True):
                home.reshard_like = original


@cache
def vision_model():
    """The class `jimm.CLIPVisionModel`.

    Raises
    ------
    MrntkError
        If jax-image-models is not installed, or does not work with what is.
    """
    try:
        with lent((), _stand_ins()):
            return importlib.import_module("jimm.models.clip").CLIPVisionModel
    except ImportError as error:
        for name in [name for name in sys.modules if name.split(".")[0] == "jimm"]:
            del sys.modules[name]  # a half-imported package would fail differently the second time
        raise MrntkError(
            f"CLIP needs the package jax-image-models ({error}): pip install --no-deps jax-image-models==0.4.0"
        ) from None


# The source.


def _attention(query, key, value, **_):
    """softmax(q k^T / sqrt(d)) v in the precision of the input; Flax's own computes the softmax in float32."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * query.shape[-1] ** -0.5
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, axis=-1), value)


class Tower:
    """jimm's image tower without its weights; equal only to itself, so that calls share compiled code."""

    def __init__(self, config: dict[str, Any]):
        from flax import nnx

        make = vision_model()
        with nnx.use_eager_sharding(False):  # it would ask for a mesh of devices
            model = nnx.eval_shape(
                lambda: make(  # dtype None: that of the input and of the weights
                    config["image_size"], config["num_hidden_layers"], config["hidden_size"], config["patch_size"],
                    config["projection_dim"], dtype=None, attention_fn=_attention,
                )
            )  # fmt: skip
        self.definition, params, rest = nnx.split(model, nnx.Param, ...)
        self.rest = rest
        self.structure = jax.tree.structure(params)
        self.shapes = {tuple(map(str, names)): value.shape for names, value in nnx.to_flat_state(params)}

    def wanted(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """Names and shapes of the weights, without jimm's own count of the places."""
        return {names: shape for names, shape in self.shapes.items() if names[-1] != "vision_position_ids"}

    def __call__(self, weights, image: Float[Array, "1 side side 3"], projection: bool):
        from flax import nnx

        leaves = iter(weights)
        params = [
            jnp.arange(shape[1])[None] if names[-1] == "vision_position_ids" else next(leaves).astype(image.dtype)
            for names, shape in self.shapes.items()
        ]
        with nnx.use_eager_sharding(False), without_mesh():
            rest = jax.tree.map(_unused, self.rest)  # made anew: Flax binds it to the trace in which it was made
            model = nnx.merge(self.definition, jax.tree.unflatten(self.structure, params), rest)
            features = model(image, do_projection=False)
        return features @ model.visual_projection.kernel[...] if projection else features


def _unused(leaf):
    """A value for what only dropout would use, at rate 0."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), leaf.shape)
    return jnp.zeros(leaf.shape, leaf.dtype)


class CLIPSource(eqx.Module):
    """f_S(s): CLIP's embedding of ONE image (3, side, side) in [0, 1]; make it with `from_clip`."""

    weights: list[Array]
    tower: Tower = eqx.field(static=True)
    mean: tuple[float, ...] = eqx.field(static=True)
    std: tuple[float, ...] = eqx.field(static=True)
    projection: bool = eqx.field(static=True)
    normalise: bool = eqx.field(static=True)
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __call__(self, s: Float[Array, "*dS"]) -> Float[Array, " cS"]:
        check_input(self, s)
        mean, std = (jnp.asarray(values, s.dtype)[:, None, None] for values in (self.mean, self.std))
        image = jnp.moveaxis((s - mean) / std, 0, -1)[None]
        out = self.tower(self.weights, image, self.projection)[0]
        return out / jnp.linalg.norm(out) if self.normalise else out


def from_clip(folder: str | Path, *, projection: bool = True, normalise: bool = False) -> CLIPSource:
    """CLIP's image tower as a source.

    It takes (3, side, side) pixels in [0, 1], with the checkpoint's own side, and subtracts CLIP's mean itself.
    Source: Radford et al. 2021, Learning transferable visual models from natural language supervision.

    Parameters
    ----------
    folder : a folder with config.json and model.safetensors, or its shards, in Hugging Face layout, of a whole CLIP or of its
        image tower alone (preprocessor_config.json, if there, gives the pixel statistics), or a hub name such as
        "openai/clip-vit-base-patch32", which needs a network and huggingface_hub.
    projection : give the embedding shared with texts (projection_dim values); otherwise what it is projected from (hidden_size).
    normalise : divide the embedding by its length.

    Raises
    ------
    MrntkError
        If the checkpoint is missing, damaged or incomplete, or is of a kind that jimm does not compute: it takes heads of 64
        values, quick GELU and hidden layers four times as wide.
    """
    found = find_folder(folder)
    config = read_config(found)
    mean, std = read_statistics(found)
    tower = Tower(config)
    weights = read_weights(found, tower.wanted(), projection)
    side = config["image_size"]
    size = config["projection_dim" if projection else "hidden_size"]
    name = f"clip-{(found.resolve() if Path(folder).is_dir() else Path(folder)).name}"
    source = CLIPSource(weights, tower, mean, std, projection, normalise, (3, side, side), size, name)
    prove(source, f"folder={folder}: the image tower")
    return source


class CosineHead(eqx.Module):
    """scale * cosine similarity of an image's embedding with the embedding of every class."""

    embeddings: Float[Array, "c dim"]
    scale: float = eqx.field(static=True)

    def __call__(self, features: Float[Array, " dim"]) -> Float[Array, " c"]:
        rows = self.embeddings / jnp.linalg.norm(self.embeddings, axis=1, keepdims=True)
        return self.scale * rows @ (features / jnp.linalg.norm(features))


def zero_shot(source: CLIPSource, embeddings: Float[Array, "c dim"], *, scale: float = 100.0) -> OnFeatures:
    """CLIP as a classifier: logits of the classes whose texts have these `embeddings`, one row per class, of any length.

    `scale` is the inverse temperature; CLIP's training ends at 100. The texts are embedded elsewhere, by CLIP's text tower.

    Raises
    ------
    MrntkError
        If the embeddings are not as long as the source's.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != source.num_outputs:
        raise MrntkError(
            f"embeddings has shape {embeddings.shape}: give rows of {source.num_outputs} values, one per class."
        )
    return on_features(source, CosineHead(jnp.asarray(embeddings), scale))
