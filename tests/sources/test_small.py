"""Small sources: drawn as the package draws them, by NumPy, and better once they are trained."""

import jax
import numpy as np
import pytest

from mrntk import DNN, load_task, predict
from mrntk.sources import small
from mrntk.sources.small import HALF, random_network, trained_half_network


def test_a_random_start_has_the_package_s_shapes_and_distributions():
    source, theirs = random_network(3, 1), DNN((1, 28, 28), 10, depth=3, width=256, key=jax.random.key(0))
    assert jax.tree.map(lambda leaf: leaf.shape, source) == jax.tree.map(lambda leaf: leaf.shape, theirs)
    for mine, other in zip(source.layers, theirs.layers, strict=True):
        np.testing.assert_allclose(mine.weight.std(), other.weight.std(), rtol=0.06)
    assert source.layers[1].bias.std() == pytest.approx(0.1**0.5, rel=0.2)
    np.testing.assert_array_equal(source.layers[0].weight, random_network.__wrapped__(3, 1).layers[0].weight)
    assert (source.layers[0].weight != random_network(3, 2).layers[0].weight).any()
    assert source.layers[0].weight.dtype == np.float32 and source.name == "dnn-d3-w256"


def test_training_lowers_the_error_on_other_images(monkeypatch):
    monkeypatch.setattr(small, "HALF", HALF._replace(per_class=20, epochs=60))
    trained, start = trained_half_network.__wrapped__(2), random_network(2, 0, HALF)
    task = load_task("mnist5k").with_inputs(small._halved)
    x, y = task.x_test.astype(np.float32), task.y_test
    right = [np.mean(np.asarray(predict(one, x)).argmax(1) == y) for one in (start, trained)]
    assert right[0] < 0.2 < 0.35 < right[1]
