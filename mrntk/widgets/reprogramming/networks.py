"""The explorer's sources: small networks that are made here, real ones, and the reader's own."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ...sources.registry import load_source
from ...sources.small import HALF, random_network, trained_half_network
from ...support.errors import MrntkError
from ...support.pinned import pinned
from ...support.precision import double
from .setting import OWN, SMALL, SOURCES, Setting

PIXELS = 32  # the side at which EfficientNet runs here: the smallest that it takes
LARGEST_INPUT = 20_000  # values of one input of an own source: g holds as many for every output of every example


class Network(NamedTuple):
    """A source, its name in words, and what tells it from others."""

    source: Callable
    words: str
    identity: tuple

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.input_shape


@lru_cache(maxsize=6)
def _network(name: str, depth: int, seed: int):
    """The source of that name; a real one in float64."""
    if name == "random":
        return random_network(depth, (seed, depth), HALF)
    if name == "trained":
        return trained_half_network(depth)
    options = {"side": PIXELS} if name.startswith("efficientnet") else {}
    if name.endswith("-untrained"):
        options["untrained"] = seed
    source = load_source(name.removesuffix("-untrained"), **options)
    with pinned(x64=True):
        return double(source)


def network(setting: Setting, own: Network | None = None) -> Network:
    """The source of a setting; `own` is the reader's own, if there is one.

    Raises
    ------
    MrntkError
        If the reader's own source is asked for and there is none.
    """
    if setting.source == OWN:
        if own is None:
            raise MrntkError("source=own: choose an .onnx file first.")
        return own
    small = setting.source in SMALL
    label = next(label for label, value in SOURCES.items() if value == setting.source)
    words = f"{label} of depth {setting.depth}" if small else label
    # the trained network is the same for all seeds, and pretrained ones are what they are
    seed = setting.seed if setting.source == "random" or setting.source.endswith("-untrained") else 0
    identity = (setting.source, setting.depth if small else 0, seed)
    return Network(_network(*identity), words, identity)


def own_network(path, digest: str, *, words: str) -> Network:
    """The source in the reader's .onnx file, in float64.

    Raises
    ------
    MrntkError
        If it cannot be read, is too large, or takes anything but images of 1 or 3 channels or series of 1.
    """
    with pinned(x64=True):
        source = double(load_source(path))
    shape = source.input_shape
    if not (len(shape) == 3 and shape[0] in (1, 3)) and not (len(shape) == 2 and shape[0] == 1):
        raise MrntkError(
            f"own file: its input has the shape {shape}; the explorer knows images (1 or 3, height, width) and series (1, time)."
        )
    if math.prod(shape) > LARGEST_INPUT:
        raise MrntkError(
            f"own file: its input {shape} has {math.prod(shape):,} values; give a source of at most {LARGEST_INPUT:,}."
        )
    return Network(source, words, (OWN, digest, 0))
