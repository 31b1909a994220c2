"""Small fully connected sources for MNIST's images: at random, or trained within a second or two. Nothing is stored on disk."""

from functools import cache, partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..support.pinned import pinned
from ..tasks import Task, load_task
from ..tasks.task import rows_in_turn
from ..training import train_source
from .networks import BIAS_STD, DNN

CLASSES = 10


class Size(NamedTuple):
    """How large a network is and how much it is trained."""

    side: int  # of the images
    width: int
    per_class: int  # images
    epochs: int


WHOLE, HALF = Size(28, 256, 60, 20), Size(14, 64, 200, 10)  # MNIST as it is, and averages of 2 x 2 pixels


@cache
def random_network(depth: int, seed: int | tuple[int, ...], size: Size = WHOLE) -> DNN:
    """A network of that many linear layers for grey images at its random start, in float32.

    It has the distribution of `DNN`, matrices N(0, 2 / fan in) and biases N(0, 0.1), and is drawn by NumPy, since JAX would
    compile a program for every shape.
    """
    rng, shape = np.random.default_rng(seed), (1, size.side, size.side)

    def drawn(array):
        std = (2 / array.shape[1]) ** 0.5 if len(array.shape) > 1 else BIAS_STD
        return jnp.asarray(std * rng.normal(size=array.shape), array.dtype)

    with pinned():
        make = partial(DNN, shape, CLASSES, depth=depth, width=size.width)
        return jax.tree.map(drawn, eqx.filter_eval_shape(lambda key: make(key=key), jax.random.key(0)))


def _trained(start: DNN, task: Task, rows, size: Size, seed: int) -> DNN:
    """After so many epochs with the squared loss."""
    x, y = task.x_train[rows].astype(np.float32), task.one_hot(task.y_train[rows])
    with pinned():
        return train_source(start, x, y, key=jax.random.key(seed), epochs=size.epochs)[0]


@cache
def trained_network(depth: int, seed: int = 0) -> DNN:
    """The network of size WHOLE, trained on MNIST at 28 x 28; its start is `random_network(depth, (seed, depth))`."""
    task = load_task("mnist5k")
    rows = rows_in_turn(task, WHOLE.per_class * CLASSES, seed)
    return _trained(random_network(depth, (seed, depth)), task, rows, WHOLE, seed)


def _halved(images: Float[np.ndarray, "N c h w"]) -> Float[np.ndarray, "N c h/2 w/2"]:
    """Averages of 2 x 2 pixels."""
    n, c, h, w = images.shape
    return images.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))


@cache
def trained_half_network(depth: int, seed: int = 0) -> DNN:
    """The network of size HALF, trained on MNIST at 14 x 14."""
    task = load_task("mnist5k").with_inputs(_halved)
    rows = rows_in_turn(task, HALF.per_class * CLASSES, seed).reshape(HALF.per_class, -1).T.ravel()  # class by class
    return _trained(random_network(depth, seed, HALF), task, rows, HALF, seed)
