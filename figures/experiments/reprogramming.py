"""What the experiments share: input maps by name, examples, and the loss and accuracy of a model or a source."""

import numpy as np

from mrntk.model.accuracy import accuracy
from mrntk.model.input_maps import INPUT_MAPS
from mrntk.model.reprogram import predict
from mrntk.training import cross_entropy_loss, mse_loss

MAPS = ("fc", "vp", "vp_fc", "none")  # those of the paper's experiments
MAP_NAMES = {name: kind.label for name, kind in INPUT_MAPS.items()}
LOSSES = {"mse": mse_loss, "ce": cross_entropy_loss}


def loss_and_accuracy(model, x, y, loss: str) -> tuple[float, float]:
    """(mean loss, share of right answers) on inputs x with one-hot targets y."""
    outputs = predict(model, x, batch=500)
    return float(LOSSES[loss](lambda out: out, outputs, y)), float(accuracy(outputs, y))


def source_quality(source, task, *, loss: str = "mse", shown: int | None = 1000) -> dict:
    """Loss and accuracy of a source on its own task.

    Parameters
    ----------
    shown : at most so many examples of each part, evenly spread; None for all of them.

    Returns
    -------
    {"source_train_loss", "source_train_accuracy", "source_test_loss", "source_test_accuracy"}.
    """
    about = {}
    for part, x, labels in (("train", task.x_train, task.y_train), ("test", task.x_test, task.y_test)):
        rows = np.linspace(0, len(x) - 1, min(shown or len(x), len(x))).astype(int)
        found = loss_and_accuracy(source, x[rows].astype(np.float32), task.one_hot(labels[rows]), loss)
        about |= {f"source_{part}_loss": found[0], f"source_{part}_accuracy": found[1]}
    return about


def examples(task, key, per_class: int, test: int):
    """(x, y, x_test, y_test), float32, one-hot rows: examples per class drawn by the key, `test` evenly spread test examples."""
    x, labels = task.draw(key, min(per_class, int(np.bincount(task.y_train).min())))
    shown = np.linspace(0, len(task.x_test) - 1, min(test, len(task.x_test))).astype(int)
    x_test, y_test = task.x_test[shown], task.one_hot(task.y_test[shown])
    return x.astype(np.float32), task.one_hot(labels), x_test.astype(np.float32), y_test
