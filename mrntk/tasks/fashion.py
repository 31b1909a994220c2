"""Fashion-MNIST, a subset that is shipped with this project: arrays of shape (N, 1, 28, 28) with values in [0, 1].

data/fashion5k.json says where it comes from and how it was made, data/fashion5k.LICENSE is its licence.
"""

import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from ..support.cards import Card, Entry
from ..support.errors import MrntkError
from .task import Task

FILE = Path(__file__).parent / "data" / "fashion5k.npz"
CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
FASHION5K = Card(
    name="fashion5k",
    title="Fashion-MNIST, 5,000 pieces of clothing",
    shape=(1, 28, 28),
    num_classes=10,
    classes=CLASSES,
    size="5,000 + 1,000 images",
    origin="the first 500 training and the first 100 test images of every class of Fashion-MNIST; in this project",
    licence="MIT (Zalando SE 2017)",
    citation="Xiao, Rasul and Vollgraf 2017, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
)


@cache
def fashion5k() -> Task:
    """Fashion-MNIST, 500 training and 100 test images per class (28 x 28), of the official parts.

    Raises
    ------
    MrntkError
        If the file that this project ships is missing or damaged.
    """
    try:
        with np.load(FILE, allow_pickle=False) as arrays:
            x_train, y_train, x_test, y_test = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise MrntkError(
            f"task fashion5k: {FILE.name}, which mrntk ships, cannot be read ({error}): install mrntk again."
        ) from None
    train, test = ((x / 255).reshape(-1, 1, 28, 28) for x in (x_train, x_test))
    return Task(FASHION5K, train, y_train.astype(int), test, y_test.astype(int))


ENTRIES = {FASHION5K.name: Entry(FASHION5K, fashion5k)}
