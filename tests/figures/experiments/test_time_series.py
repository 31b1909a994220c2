"""Helpers of the figure of time series: which examples it takes, how series are laid in, what its baselines are, its bound."""

import jax
import numpy as np
import pytest

from figures.making.registry import figures_folder, load
from mrntk import load_task

FIGURE = load(figures_folder() / "time_series.py").module


def test_the_archives_parts_are_used_whole_where_they_are_small_enough():
    task = load_task("coffee")
    x, y, x_test, y_test = FIGURE.parts_of(task, jax.random.key(0), 100, 250)
    np.testing.assert_array_equal(x, task.x_train.astype(np.float32))
    np.testing.assert_array_equal(y.argmax(1), task.y_train)
    np.testing.assert_array_equal(x_test, task.x_test.astype(np.float32))
    assert y_test.shape == (28, 2)


def test_a_capped_part_is_drawn_and_keeps_every_class():
    task = load_task("trace")
    drawn = [FIGURE.parts_of(task, jax.random.key(seed), 9, 5) for seed in range(20)]
    assert all(len(x) == 9 and np.all(y.sum(0) >= 2) for x, y, _, _ in drawn)
    assert len({x.tobytes() for x, *_ in drawn}) == 20
    again = FIGURE.parts_of(task, jax.random.key(3), 9, 5)
    np.testing.assert_array_equal(again[0], drawn[3][0])


def test_series_are_laid_in_one_after_the_other():
    x = np.arange(6.0).reshape(2, 1, 3)
    assert FIGURE.laid_in(x, 2, (1, 6)).tolist() == [[[0, 1, 2, 0, 1, 2]], [[3, 4, 5, 3, 4, 5]]]
    sound = FIGURE.laid_in(x, 2, (1, 12))
    assert sound.shape == (2, 1, 12) and np.all((sound[0] >= 0) & (sound[0] <= 2))
    a = FIGURE.prompt((1, 12), jax.random.key(0))
    assert a.num_parameters == 12
    np.testing.assert_allclose(a(sound[0]), sound[0] + jax.nn.sigmoid(a.delta), rtol=1e-6)


def test_published_numbers_are_accuracies_of_tasks_that_are_here():
    for stated in FIGURE.PUBLISHED.values():
        for name, value in stated.items():
            assert 0 < value <= 1 and load_task(name).num_classes >= 2
    for scale in FIGURE.SCALES.values():
        assert (
            set(scale["task"]) <= FIGURE.PUBLISHED["1-NN DTW"].keys()
            and set(scale["source"]) <= FIGURE.REPETITIONS.keys() == FIGURE.EACH.keys()
        )


def test_distances_and_risks():
    one, other = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])
    assert FIGURE.wasserstein(one, other) == pytest.approx(1.5)
    assert FIGURE.risk(np.array([[100.0, 0.0]]), np.array([1])) == pytest.approx(2**0.5)
