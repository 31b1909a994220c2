"""The shared experiment: input maps by name, data, loss and accuracy."""

import jax
import numpy as np
import pytest

from figures.experiments.reprogramming import MAPS, examples, loss_and_accuracy
from mrntk import DNN, MrntkError, load_task
from mrntk.model.input_maps import make_input_map


@pytest.fixture
def source(key):
    return DNN((1, 14, 14), 10, depth=2, width=32, key=key)


def test_maps_by_name(key, source):
    counts = {}
    for name in MAPS:
        a = make_input_map(name, (1, 8, 8), source.input_shape, key=key)
        assert a(np.zeros((1, 8, 8))).shape == source.input_shape
        counts[name] = a.num_parameters
    assert counts == {"fc": 196 * 65, "vp": 196 - 100, "vp_fc": 100 * 65 + 96, "none": 0}
    with pytest.raises(MrntkError, match="map='prompt' is unknown: choose one of fc, vp"):
        make_input_map("prompt", (1, 8, 8), source.input_shape, key=key)


def test_examples_are_drawn_by_the_key(key):
    task = load_task("digits")
    x, y, x_test, y_test = examples(task, key, 3, 40)
    assert x.shape == (30, 1, 8, 8) and y.sum(0).tolist() == [3] * 10 and len(x_test) == len(y_test) == 40
    assert np.array_equal(x, examples(task, key, 3, 40)[0])
    assert not np.array_equal(x, examples(task, jax.random.key(9), 3, 40)[0])
    assert len(set(y_test.argmax(1))) > 5  # spread over the test part, not its beginning


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_loss_and_accuracy_by_hand(loss):
    outputs, y = np.array([[2.0, 0], [0, 1], [3, 1]], np.float32), np.eye(2)[[0, 1, 1]]
    found = loss_and_accuracy(lambda out: out, outputs, y, loss)
    by_hand = {"mse": (1 + 0 + 9) / 6, "ce": (np.log1p(np.exp(-2)) + np.log1p(np.exp(-1)) + np.log1p(np.exp(2))) / 3}
    assert found == (pytest.approx(by_hand[loss], rel=1e-6), pytest.approx(2 / 3))
