"""Every source by name, with its card, and the one function that loads them."""

from collections.abc import Callable
from pathlib import Path

from ..cards import find
from ..errors import MrntkError
from . import clip, crepe, efficientnet, function, onnx_file, trained

SOURCES = {**trained.ENTRIES, **efficientnet.ENTRIES, **crepe.ENTRIES, **clip.ENTRIES}


def load_source(name: str | Path | Callable, **options):
    """A source f_S by name, from a file of the reader's, or from a function.

    Parameters
    ----------
    name : a name of `SOURCES` (`mrntk list` prints them); the path of an .onnx file; a folder with a CLIP checkpoint
        (config.json and model.safetensors), or "clip:" and a hub name; or a function of ONE example written in JAX.
    options : those that the card names, for example `side=96`, or `task="fashion5k", depth=3, width=64, seed=42`.

    Returns
    -------
    A source: callable on one example, with `input_shape`, `num_outputs` and `name`.

    Raises
    ------
    MrntkError
        If there is no such source, or if its weights are missing, damaged or do not fit.
    """
    if not isinstance(name, str | Path):
        return function.from_function(name, **options)
    path = Path(name)
    if path.suffix == ".onnx":
        return onnx_file.from_onnx(path, **options)
    if str(name).startswith("clip:"):
        return clip.from_clip(str(name).removeprefix("clip:"), **options)
    if path.is_dir() and str(name) not in SOURCES:
        return clip.from_clip(path, **options)
    entry = find("source", str(name), SOURCES)
    unknown = sorted(set(options) - set(entry.options))
    if unknown:
        raise MrntkError(
            f"{unknown[0]}={options[unknown[0]]!r}: source {name} takes {', '.join(entry.options) or 'no options'}."
        )
    return entry.load(**options)
