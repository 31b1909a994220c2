"""A pretrained network's shapes with random weights: the baseline that shows what the training was worth."""

import math
from collections.abc import Mapping

import numpy as np

from ...support.errors import MrntkError


def seed_of(untrained: int | bool | None) -> int | None:
    """The seed, or None for the trained network.

    Raises
    ------
    MrntkError
        For True, which names no seed.
    """
    if untrained is True:
        raise MrntkError(
            "untrained=True: give a seed, for example untrained=0, or leave it out for the trained network."
        )
    return None if untrained is False else untrained


def random_tensors(layout: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Tensors of the names and shapes in `layout`, as before any training.

    Weights of two or more axes, outputs first, are N(0, 2 / fan_in); batch norms are the identity (scale and variance 1, shift
    and mean 0); biases are 0.
    """
    rng = np.random.default_rng(seed)

    def fresh(name: str, shape: tuple[int, ...]):
        if len(shape) > 1:
            return rng.normal(size=shape) * (2 / math.prod(shape[1:])) ** 0.5
        return np.ones(shape) if name.endswith(("weight", "running_var")) else np.zeros(shape)

    return {name: fresh(name, tuple(shape)) for name, shape in layout.items()}
