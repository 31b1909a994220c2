"""Every source by name, with its card, and the one function that loads them."""

from collections.abc import Callable
from pathlib import Path

from ..support.cards import check_options, find, options_of
from . import trained
from .own import function, onnx_file
from .pretrained import clip, crepe, efficientnet

SOURCES = {**trained.ENTRIES, **efficientnet.ENTRIES, **crepe.ENTRIES}


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
        If there is no such source, or if its weights are missing, damaged or do not fit.

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
    if not isinstance(name, str | Path):
        return function.from_function(name, **check_options("a function", options, options_of(function.from_function)))
    path = Path(name)
    if path.suffix == ".onnx":
        return onnx_file.from_onnx(path, **check_options("an .onnx file", options, options_of(onnx_file.from_onnx)))
    if str(name).startswith("clip:") or (str(name) not in SOURCES and (path.is_dir() or len(path.parts) > 1)):
        checked = check_options("a CLIP checkpoint", options, options_of(clip.from_clip))
        return clip.from_clip(str(name).removeprefix("clip:"), **checked)
    entry = find("source", str(name), SOURCES)
    return entry.load(**check_options(f"source {name}", options, entry.options))
