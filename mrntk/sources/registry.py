"""Every source by name, with its card, and the one function that loads them."""

import os
from collections.abc import Callable
from pathlib import Path

from ..support.cards import check_options, find, options_of
from ..support.errors import MrntkError
from . import trained
from .own import function, onnx_file
from .pretrained import clip, crepe, efficientnet, speech

SOURCES = {**trained.ENTRIES, **efficientnet.ENTRIES, **crepe.ENTRIES, **speech.ENTRIES}
OTHERS = {  # files of networks that are not read: what makes a file or folder of it that is
    ".pt": "torch.onnx.export",
    ".pth": "torch.onnx.export",
    ".ckpt": "torch.onnx.export",
    ".safetensors": "torch.onnx.export; a CLIP checkpoint is given by its folder",
    ".keras": "Keras' model.export(..., format='onnx')",
    ".h5": "Keras' model.export(..., format='onnx')",
    ".tflite": "tf2onnx",
    ".pb": "tf2onnx",
}


def load_source(name: str | Path | Callable, /, **options):
    """A source f_S by name, from a file of the reader's, or from a function.

    Parameters
    ----------
    name : a name of `SOURCES` (`mrntk list` prints them); the path of an .onnx file; a folder with a CLIP checkpoint
        (config.json and model.safetensors), or "clip:" and a hub name; or a function of ONE example written in JAX.
    **options : those that the card names, for example `side=96`, or `task="fashion5k", depth=3, width=64, seed=42`.

    Returns
    -------
    equinox.Module
        A source: callable on one example, with `input_shape`, `num_outputs` and `name`.

    Raises
    ------
    MrntkError
        If there is no such source, if the file is of another kind, or if its weights are missing, damaged or do not fit.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from mrntk import load_source
    >>> random = load_source("dnn", input_shape=(1, 8, 8), num_outputs=10, depth=2, width=16)
    >>> random.name, random(jnp.ones((1, 8, 8))).shape
    ('dnn-d2-w16', (10,))
    >>> load_source(lambda s: s[:2] ** 2, input_shape=(5,), name="squares").num_outputs
    2
    """
    if callable(name):
        return function.from_function(name, **check_options("a function", options, options_of(function.from_function)))
    if not isinstance(name, str | os.PathLike):
        raise MrntkError(f"name={name!r}: give a name or a path as str or Path, or a function.")
    place = os.path.expanduser(str(name).removeprefix("clip:"))
    path = Path(place)
    is_path = path.exists() or len(path.parts) > 1 or path.suffix.lower() in (".onnx", *OTHERS)
    if str(name) not in SOURCES and (is_path or str(name).startswith("clip:")):
        return _from_place(place, options)
    entry = find("source", str(name), SOURCES)
    return entry.load(**check_options(f"source {name}", options, entry.options))


def _from_place(place: str, options: dict):
    """A source from an .onnx file, or from a folder or a hub's name of a CLIP checkpoint."""
    path, suffix = Path(place), Path(place).suffix.lower()
    if suffix == ".onnx":
        return onnx_file.from_onnx(path, **check_options("an .onnx file", options, options_of(onnx_file.from_onnx)))
    if path.is_file() or (suffix in OTHERS and not path.is_dir()):
        kind = f"a {suffix} file" if suffix else "a file without a suffix"
        how = f" ({OTHERS[suffix]})" if suffix in OTHERS else ""
        raise MrntkError(f"{path}: {kind} is not read here; write the network as an .onnx file{how}.")
    return clip.from_clip(place, **check_options("a CLIP checkpoint", options, options_of(clip.from_clip)))
