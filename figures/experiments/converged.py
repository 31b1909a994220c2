"""One reprogramming that was trained until it ended: what the kernel says first, the losses on the way, what came of it."""

import numpy as np
import pandas as pd
import scipy.special

from mrntk.prediction.before_training import before_training
from mrntk.prediction.functionals import functionals
from mrntk.training import Plateau, fit, late_losses
from mrntk.training.recipes import reprogramming_optimiser

from .reprogramming import loss_and_accuracy

CHECKS = (1000, 2000, 4000, 8000)  # steps after which a plateau is looked for
SOLVED = 0.01  # share of the constant predictor's loss at which nothing is left to learn
WAY = (100, 300, 1000)  # steps after which the loss on the way is kept


def constant_loss(y, loss: str) -> float:
    """The lowest loss of a predictor that gives all inputs the same outputs; 0.45, or log 10, for ten equal classes."""
    mean = y.mean(0)
    if loss == "mse":
        return float(0.5 * ((y - mean) ** 2).sum(1).mean())
    return float(scipy.special.entr(mean).sum())


def floored(data: pd.DataFrame, column: str) -> pd.DataFrame:
    """The data with no loss of that column below `SOLVED`: what is below differs by when training was stopped alone."""
    return data.assign(**{column: np.maximum(data[column], SOLVED * data["constant_loss"])})


def trained_to_the_end(model, x, y, *, key, loss: str, most: int, batch: int | None = None, callback=None):
    """(trained model, losses of every epoch): theta_A by the authors' optimiser, until the loss is at a plateau or solved.

    Parameters
    ----------
    most : epochs after which it ends in any case; with batch None an epoch is a step.
    """
    until = Plateau(checks=tuple(step for step in CHECKS if step <= most), solved=SOLVED * constant_loss(y, loss))
    options = {"optimiser": reprogramming_optimiser(), "epochs": most, "loss": loss, "batch": batch}
    found = fit(model, x, y, key=key, callback=callback, until=until, **options)
    return found.model, found.train_losses


def measure_to_the_end(model, data, *, key, loss: str, most: int) -> dict:
    """Spectrum at the start, full-batch training of theta_A to its end, then losses and accuracies side by side.

    Parameters
    ----------
    data : (x, y, x_test, y_test) as `examples` gives them.
    loss : "mse" or "ce"; the kernel's predicted loss is the squared one in both cases.

    Returns
    -------
    {"trained": number of trained values, "constant_loss", "start_loss", "steps", "loss_100", ...: after the steps of `WAY`, or
    the last if training ended before, "nine_tenths_loss", "end_loss": see `late_losses`, "train_loss", "train_accuracy",
    "test_loss", "test_accuracy", "kernel_sum": the sum of |Theta_T| over all entries, divided by N} and the
    `functionals` of Theta_T. A model that trains nothing has its start everywhere.
    """
    x, y, x_test, y_test = data
    before = before_training(model, x, y)
    start = loss_and_accuracy(model, x, y, loss)[0]
    row = {"trained": model.input_map.num_parameters, "constant_loss": constant_loss(y, loss), "start_loss": start}
    losses = np.full(100, start)
    if model.input_map.num_parameters:
        model, losses = trained_to_the_end(model, x, y, key=key, loss=loss, most=most)
    nine_tenths, end = late_losses(losses)
    row |= {"steps": len(losses)} | {f"loss_{step}": losses[min(step, len(losses)) - 1] for step in WAY}
    row |= {"nine_tenths_loss": nine_tenths, "end_loss": end}
    row["train_loss"], row["train_accuracy"] = loss_and_accuracy(model, x, y, loss)
    row["test_loss"], row["test_accuracy"] = loss_and_accuracy(model, x_test, y_test, loss)
    return row | {"kernel_sum": float(np.abs(before.kernel).sum() / len(x))} | functionals(before)
