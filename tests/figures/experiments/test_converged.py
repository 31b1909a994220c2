"""A reprogramming that was trained to its end: its numbers are those of the kernel and of the losses, its end is one."""

import jax
import numpy as np
import pandas as pd
import pytest

from figures.experiments.converged import (
    CHECKS,
    SOLVED,
    WAY,
    constant_loss,
    floored,
    measure_to_the_end,
    trained_to_the_end,
)
from figures.experiments.reprogramming import MAPS, examples
from mrntk import DNN, load_task
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram, predict_float64
from mrntk.ntk.empirical import empirical_ntk
from mrntk.prediction.functionals import FUNCTIONALS


@pytest.fixture
def source(key):
    return DNN((1, 14, 14), 10, depth=2, width=32, key=key)


def test_the_constant_predictor_of_ten_equal_classes():
    y = np.eye(10)[np.arange(20) % 10]
    assert constant_loss(y, "mse") == pytest.approx(0.45) and constant_loss(y, "ce") == pytest.approx(np.log(10))


def test_losses_below_what_counts_as_solved_are_equal():
    data = pd.DataFrame({"loss": [1.0, 1e-3, 1e-9], "constant_loss": 0.5})
    np.testing.assert_allclose(floored(data, "loss")["loss"], [1, SOLVED * 0.5, SOLVED * 0.5])


@pytest.mark.parametrize("name", MAPS)
def test_a_measured_reprogramming(key, source, name):
    data = examples(load_task("digits"), key, 2, 50)
    model = Reprogram(make_input_map(name, (1, 8, 8), source.input_shape, key=key), source)
    row = measure_to_the_end(model, data, key=key, loss="mse", most=20)
    ways = {f"loss_{step}" for step in WAY}
    assert {*FUNCTIONALS, *ways, "steps", "end_loss", "train_loss", "test_accuracy", "trained"} <= set(row)
    assert row == measure_to_the_end(model, data, key=key, loss="mse", most=20)
    kernel = empirical_ntk(model, data[0])
    assert row["lambda_max"] == pytest.approx(np.linalg.eigvalsh(kernel.reshape(200, 200))[-1], abs=1e-12)
    assert row["kernel_sum"] == pytest.approx(np.abs(kernel).sum() / 20)
    residual = predict_float64(model, data[0]) - data[1]
    assert row["start_loss"] == pytest.approx((residual**2).sum() / 40, rel=1e-5)
    if name == "none":
        assert row["train_loss"] == row["end_loss"] == row["start_loss"]
    else:
        assert row["steps"] == 20 and row["train_loss"] < row["loss_300"] <= row["start_loss"]


def test_training_ends_when_its_examples_are_learned_and_not_before(key, source):
    x, y, *_ = examples(load_task("digits"), key, 1, 10)
    model = Reprogram(make_input_map("fc", (1, 8, 8), source.input_shape, key=key), source)
    _, losses = trained_to_the_end(model, x, y, key=jax.random.key(1), loss="mse", most=CHECKS[-1])
    solved = SOLVED * constant_loss(y, "mse")
    late = np.array([np.median(losses[step - 10 : step]) for step in range(50, len(losses) + 1, 50)])
    assert 50 * len(late) == len(losses) < CHECKS[-1] and (late <= solved).tolist() == [False] * (len(late) - 1) + [
        True
    ]
