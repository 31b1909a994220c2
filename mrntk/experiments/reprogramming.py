"""One reprogramming: a source, an input transformation, a few target examples; what the kernel says first, what training
gives then.
"""

import jax
import numpy as np

from ..errors import MrntkError
from ..functionals import functionals
from ..inputs import FullyConnected, FullyConnectedPrompt, InputMap, Resize, VisualPrompt
from ..ntk.empirical import empirical_ntk
from ..precision import double
from ..recipes import reprogramming_optimiser
from ..reprogram import Reprogram, predict
from ..training import cross_entropy_loss, fit, mse_loss

MAPS = ("fc", "vp", "vp_fc", "none")
MAP_NAMES = {"fc": "FC", "vp": "VP", "vp_fc": "VP+FC", "none": "none"}
INNER = 5 / 7  # of the source's side, for the image inside a prompt: 20 of 28 pixels
LOSSES = {"mse": mse_loss, "ce": cross_entropy_loss}


def make_input_map(name: str, target_shape: tuple, source_shape: tuple, *, key, inner: float = INNER) -> InputMap:
    """The input transformation of that name in `MAPS`; `inner` is the share of the source's side that an image keeps in a prompt.

    Raises
    ------
    MrntkError
        For another name.
    """
    window = tuple(max(1, round(inner * side)) for side in source_shape[1:])
    if name == "fc":
        return FullyConnected(target_shape, source_shape, key=key)
    if name == "vp":
        return VisualPrompt(source_shape, window)
    if name == "vp_fc":
        return FullyConnectedPrompt(target_shape, source_shape, window, key=key)
    if name == "none":
        return Resize(tuple(source_shape))
    raise MrntkError(f"map={name!r} is unknown: choose one of {', '.join(MAPS)}.")


def loss_and_accuracy(model, x, y, loss: str) -> tuple[float, float]:
    """(mean loss, share of right answers) on inputs x with one-hot targets y."""
    outputs = predict(model, x, batch=500)
    return float(LOSSES[loss](lambda out: out, outputs, y)), float((np.argmax(outputs, 1) == np.argmax(y, 1)).mean())


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


def starting_outputs(model: Reprogram, x) -> np.ndarray:
    """f_T(x) before training, in float64."""
    with jax.enable_x64(True):
        return np.asarray(predict(double(model), np.asarray(x, np.float64)))


def examples(task, key, per_class: int, test: int):
    """(x, y, x_test, y_test), float32, one-hot rows: examples a class drawn with the key, `test` evenly spread test examples."""
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
    kernel = empirical_ntk(model, x)
    found = functionals(kernel, starting_outputs(model, x) - y, y)
    row = {"trained": model.input_map.num_parameters, "start_loss": loss_and_accuracy(model, x, y, loss)[0]}
    if model.input_map.num_parameters:
        optimiser = reprogramming_optimiser()
        model = fit(
            model, x, y, key=key, optimiser=optimiser, epochs=epochs, loss=loss, batch=batch, callback=callback
        ).model
    row["train_loss"], row["train_accuracy"] = loss_and_accuracy(model, x, y, loss)
    row["test_loss"], row["test_accuracy"] = loss_and_accuracy(model, x_test, y_test, loss)
    return row | {"kernel_sum": float(np.abs(kernel).sum() / len(x))} | found
