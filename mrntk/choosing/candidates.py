"""What can be chosen: a source in words, such as `cnn:task=mnist5k,depth=3`, and what makes a reprogrammed model of it."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ..model.input_maps import INNER, INPUT_MAPS, make_input_map
from ..model.output_maps import LinearOutput, bayesian_mapping, frequency_mapping, random_mapping
from ..model.reprogram import Reprogram, predict
from ..ntk.plain import resized
from ..ntk.rows import apply_input_map
from ..sources.registry import SOURCES
from ..support.arrays import Array
from ..support.cards import find
from ..support.errors import MrntkError
from ..tasks import Task

OUTSIDE = r",(?![^()]*\))"  # a comma that is not within brackets, such as those of a shape
KINDS = {1: "vectors", 2: "series", 3: "images"}  # by axes of one input
OUTPUT_MAPS = ("frequency", "random", "bayesian")
SMALL = "per_class=400,epochs=10,batch=32,patience=0"  # how the small networks of `EVERY` are trained
EVERY = (  # what "all" stands for; those that do not fit a task say so
    *(f"{family}:task={task},{sizes},width={width},{SMALL}"
      for task in ("mnist5k", "fashion5k")
      for family, sizes, width in (("dnn", "depth=3", 256), ("dnn", "depth=6", 256), ("cnn", "depth=2", 16))),
    "efficientnet-lite0:side=64", "efficientnet-lite1:side=64", "efficientnet-lite2:side=64",
    "efficientnet-lite0:side=64,untrained=0", "crepe-tiny", "crepe-tiny:untrained=0", "speech-embedding",
)  # fmt: skip


class Candidate(NamedTuple):
    """One choice: which source, for which task, behind which maps."""

    task: str
    source: str  # as `read_source` takes it
    input_map: str = "fc"
    inner: float = INNER  # side of the image in a prompt, share of the source's
    output_map: str = "frequency"


def read_source(words: str, what: str = "source") -> tuple[str, dict]:
    """(name or path, options) of a source, or a task, in words: "name", or "name:option=value,option=value".

    Raises
    ------
    MrntkError
        If something behind the colon is no option.

    Examples
    --------
    >>> from mrntk.choosing import read_source
    >>> read_source("cnn:task=mnist5k,depth=3")
    ('cnn', {'task': 'mnist5k', 'depth': 3})
    >>> read_source("mine.onnx")
    ('mine.onnx', {})
    """
    name, colon, options = words.partition(":")
    if not colon or "=" not in options or name == "clip":
        return words, {}
    found = {}
    for part in re.split(OUTSIDE, options):
        option, equals, value = part.strip().partition("=")
        if not equals or not option.isidentifier():
            raise MrntkError(f"{what} {words!r}: {part!r} is no option; write name:option=value,option=value.")
        try:
            found[option] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[option] = value  # a name, such as task=mnist5k
    return name, found


def split_sources(text: str) -> list[str]:
    """Several sources in one text, separated by commas; the commas between the options of one do not part it.

    Examples
    --------
    >>> from mrntk.choosing.candidates import split_sources
    >>> split_sources("dnn:task=mnist5k,depth=3,crepe-tiny,mine.onnx")
    ['dnn:task=mnist5k,depth=3', 'crepe-tiny', 'mine.onnx']
    """
    found: list[str] = []
    for part in filter(None, map(str.strip, re.split(OUTSIDE, text))):
        if found and re.match(r"\w+=", part):
            found[-1] += f",{part}"
        else:
            found.append(part)
    return found


def check_source(words: str):
    """Raise, before anything is loaded, if a source is unknown or its file is missing.

    Raises
    ------
    MrntkError
        As `read_source`; naming the nearest, or the path.
    """
    name, _ = read_source(words)
    path = Path(name).expanduser()
    if name in SOURCES or name.startswith("clip:") or path.exists():
        return
    if path.suffix or len(path.parts) > 1:
        raise MrntkError(f"source {name}: there is no such file or folder.")
    find("source", name, SOURCES)


def suited(
    x: Float[np.ndarray, "N C *space"], input_map: str, source_shape: tuple[int, ...]
) -> Float[np.ndarray, "N channels *size"]:
    """Inputs as the input map of that name takes them.

    A layer takes any. The others want the source's channels: grey becomes equal colours, colours become their mean. A watermark
    wants the source's size as well.

    Raises
    ------
    MrntkError
        If the source takes another kind of input than the task has; the message goes on after a candidate's name.
    """
    if INPUT_MAPS[input_map].has_layer or x.shape[1:] == tuple(source_shape):
        return x
    if x.ndim != 1 + len(source_shape):
        takes, have = (KINDS.get(axes, f"inputs of {axes} axes") for axes in (len(source_shape), x.ndim - 1))
        raise MrntkError(f"it takes {takes} and the task has {have}: only a layer (fc, vp_fc) joins them")
    if x.shape[1] != source_shape[0]:
        x = np.repeat(x.mean(1, keepdims=True), source_shape[0], axis=1)
    return resized(x, source_shape[1:]) if input_map == "watermark" else x


def output_map_of(
    name: str,
    source: Callable,
    z: Float[Array, "N *dS"],
    labels: Int[np.ndarray, " N"],
    classes: int,
    key: PRNGKeyArray,
) -> LinearOutput:
    """b of that name; z are the inputs of the source before training, which "frequency" and "bayesian" look at.

    Raises
    ------
    MrntkError
        If the source has fewer outputs than the task has classes.
    """
    if classes > source.num_outputs:
        raise MrntkError(f"it has {source.num_outputs} outputs and the task has {classes} classes")
    if name == "random":
        return random_mapping(key, source.num_outputs, classes)
    make = {"frequency": frequency_mapping, "bayesian": bayesian_mapping}[name]
    return make(predict(source, z), labels, classes)


def model_of(
    source: Callable, candidate: Candidate, task: Task, x, labels, key: PRNGKeyArray
) -> tuple[Reprogram, np.ndarray]:
    """(the reprogrammed source before training, inputs as it takes them).

    Raises
    ------
    MrntkError
        If source, task and maps do not fit each other; the message goes on after the candidate's name.
    """
    key_input, key_output = jax.random.split(key)
    x = suited(x, candidate.input_map, source.input_shape)
    a = make_input_map(candidate.input_map, x.shape[1:], source.input_shape, key=key_input, inner=candidate.inner)
    z = apply_input_map(a, x) if candidate.output_map != "random" else x
    return Reprogram(a, source, output_map_of(candidate.output_map, source, z, labels, task.num_classes, key_output)), x
