"""One reprogramming: a source, an input transformation, a few target examples; what the kernel says first, what training
gives then.
"""

import numpy as np

from mrntk.model.accuracy import accuracy
from mrntk.model.input_maps import INPUT_MAPS
from mrntk.model.reprogram import Reprogram, predict
from mrntk.prediction.before_training import before_training
from mrntk.prediction.functionals import functionals
from mrntk.training import cross_entropy_loss, fit, mse_loss
from mrntk.training.recipes import reprogramming_optimiser

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


def measure(model: Reprogram, data, *, key, loss: str, epochs: int, batch: int | None = None, callback=None) -> dict:
    """Spectrum at the start, then training of theta_A by the authors' optimiser, then losses and accuracies.

    Parameters
    ----------
    data : (x, y, x_test, y_test) as `examples` gives them.
    loss : "mse" or "ce"; the kernel's predicted loss is the squared one in both cases.

    Returns
    -------
    {"trained": number of trained values, "start_loss", "train_loss", "train_accuracy", "test_loss", "test_accuracy",
    "kernel_sum": the sum of |Theta_T| over all entries, divided by N} and the `functionals` of Theta_T.
    """
    x, y, x_test, y_test = data
    before = before_training(model, x, y)
    row = {"trained": model.input_map.num_parameters, "start_loss": loss_and_accuracy(model, x, y, loss)[0]}
    if model.input_map.num_parameters:
        optimiser = reprogramming_optimiser()
        model = fit(
            model, x, y, key=key, optimiser=optimiser, epochs=epochs, loss=loss, batch=batch, callback=callback
        ).model
    row["train_loss"], row["train_accuracy"] = loss_and_accuracy(model, x, y, loss)
    row["test_loss"], row["test_accuracy"] = loss_and_accuracy(model, x_test, y_test, loss)
    return row | {"kernel_sum": float(np.abs(before.kernel).sum() / len(x))} | functionals(before)
