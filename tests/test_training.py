"""Training touches what it should, and the same key gives the same numbers."""

import jax
import numpy as np
import pytest

from mrntk import DNN, FullyConnected, Reprogram, VisualPrompt, load_task
from mrntk.reprogram import predict
from mrntk.training import gradient_descent, train_source


@pytest.fixture
def trained(key):
    task = load_task("digits")
    source = DNN(task.input_shape, 10, depth=2, width=32, key=key)
    return task, source, train_source(source, task.x_train, task.one_hot(task.y_train), key=key, epochs=60)


def test_source_learns(trained):
    task, _, (source, losses) = trained
    accuracy = np.mean(np.argmax(predict(source, task.x_test), 1) == task.y_test)
    assert accuracy > 0.8 and losses.shape == (60,) and losses[-1] < losses[0] / 3


def test_same_key_same_numbers(trained, key):
    task, source, (_, losses) = trained
    again = train_source(source, task.x_train, task.one_hot(task.y_train), key=key, epochs=60)[1]
    other = train_source(source, task.x_train, task.one_hot(task.y_train), key=jax.random.key(1), epochs=60)[1]
    assert (losses == again).all() and not (losses == other).all()


@pytest.mark.parametrize("name", ["fc", "vp"])
def test_reprogramming_trains_only_the_input_map(name, key, images):
    source = DNN((1, 6, 6), 3, depth=2, width=8, key=key)
    input_map = FullyConnected((1, 4, 4), (1, 6, 6), key=key) if name == "fc" else VisualPrompt((1, 6, 6), (4, 4))
    model, losses = gradient_descent(
        Reprogram(input_map, source), images, np.eye(3)[[0, 1, 2] * 2], step=0.02, steps=20
    )
    assert losses.dtype == np.float64 and losses[-1] < losses[0]
    for before, after in zip(jax.tree.leaves(source), jax.tree.leaves(model.source), strict=True):
        np.testing.assert_array_equal(before, after)
