"""Networks are trained once, by the recipe, on the training part alone; afterwards they come from the cache."""

import equinox as eqx
import jax
import numpy as np
import pytest

from mrntk import MrntkError, load_task
from mrntk.sources import trained
from mrntk.sources.trained import Recipe, load_family, train

QUICK = Recipe(epochs=3, per_class=20, batch=32)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MRNTK_CACHE", str(tmp_path))
    return tmp_path / "sources"


@pytest.fixture
def task():
    return load_task("digits")


@pytest.fixture
def never(monkeypatch):
    """Fails the test when something is trained."""
    monkeypatch.setattr(trained, "fit", lambda *arguments, **options: pytest.fail("trained again"))


def weights(found):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(found.source, eqx.is_array))]


def same(one, two):
    return all((a == b).all() for a, b in zip(weights(one), weights(two), strict=True))


def test_training_helps_and_is_kept(task, cache, monkeypatch):
    first = train("dnn", task, depth=2, width=16, recipe=Recipe(epochs=4, batch=32))
    assert first.validation_losses[-1] < 0.8 * first.validation_losses[0]
    (path,) = cache.iterdir()  # nothing unfinished is left
    assert path.name.startswith("dnn-d2-w16-digits-")
    monkeypatch.setattr(trained, "fit", lambda *arguments, **options: pytest.fail("trained again"))
    again = train("dnn", task, depth=2, width=16, recipe=Recipe(epochs=4, batch=32))
    assert same(first, again)
    np.testing.assert_array_equal(first.train_losses, again.train_losses)


@pytest.mark.parametrize(
    "change",
    [
        dict(seed=43),
        dict(depth=3),
        dict(recipe=Recipe(epochs=3, per_class=20, batch=16)),
        dict(recipe=Recipe(epochs=3, per_class=20, batch=32, loss="mse")),
    ],
)
def test_everything_that_matters_is_in_the_key(change, task, cache):
    given = dict(depth=2, width=8, recipe=QUICK)
    one, two = train("dnn", task, **given), train("dnn", task, **(given | change))
    assert len(list(cache.iterdir())) == 2
    assert len(weights(one)) != len(weights(two)) or not same(one, two)


def test_other_data_is_another_training(task, cache):
    train("dnn", task, depth=1, width=8, recipe=QUICK)
    train("dnn", task.with_inputs(lambda x: 1 - x), depth=1, width=8, recipe=QUICK)
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_file_is_made_again(task, cache):
    first = train("dnn", task, depth=1, width=8, recipe=QUICK)
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    assert same(first, train("dnn", task, depth=1, width=8, recipe=QUICK))


def test_an_interrupted_training_goes_on(task, cache):
    def interrupted(epochs):
        for epoch in epochs:
            if epoch == 2:
                raise KeyboardInterrupt
            yield epoch

    seen = []
    whole = train("dnn", task, depth=1, width=9, recipe=Recipe(epochs=4, patience=0))
    (path,) = cache.iterdir()
    path.unlink()
    with pytest.raises(KeyboardInterrupt):
        train("dnn", task, depth=1, width=9, recipe=Recipe(epochs=4, patience=0), progress=interrupted)
    progress = lambda epochs: (seen.append(epoch) or epoch for epoch in epochs)  # noqa: E731
    again = train("dnn", task, depth=1, width=9, recipe=Recipe(epochs=4, patience=0), progress=progress)
    assert seen == [2, 3] and same(whole, again)


def test_held_out_examples_are_a_tenth_of_every_class_and_never_test_examples(task):
    (x, y), (held_x, held_y) = trained.held_out_tenth(task, 30, jax.random.key(0))
    assert (held_y.sum(0) == 3).all() and (y.sum(0) == 27).all()
    known = {image.tobytes() for image in task.x_train}
    assert all(image.tobytes() in known for image in (*x, *held_x))
    assert not {image.tobytes() for image in x} & {image.tobytes() for image in held_x}


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (dict(family="rnn"), "family='rnn' is unknown: choose one of dnn, cnn"),
        (dict(family="dnn", levels=2), "depth is missing: dnn takes the whole numbers depth, width"),
        (dict(family="dnn", depth=1, width=4, levels=2), "levels=2: dnn takes"),
        (dict(family="dnn", depth=1, width=4, recipe=Recipe(per_class=9999)), "per_class=9999: give 2 to 124"),
    ],
)
def test_bad_arguments(arguments, sentence, task, never):
    with pytest.raises(MrntkError, match=sentence):
        train(task=task, **arguments)


@pytest.mark.parametrize("field", [dict(epochs=-1), dict(learning_rate=-1.0), dict(patience=-1), dict(batch=0)])
def test_bad_recipes(field):
    (name,) = field
    with pytest.raises(MrntkError, match=f"{name}=.*(give a whole number|must be positive)"):
        Recipe(**field)


def test_by_name_trained_or_random(task):
    source = load_family("cnn", task="digits", depth=1, width=4, epochs=1, per_class=5)
    assert (source.input_shape, source.num_outputs) == ((1, 8, 8), 10)
    assert load_family("vgg", input_shape=(3, 16, 16), num_outputs=4, levels=1, groups=2, width=3).num_outputs == 4
    with pytest.raises(MrntkError, match="leave them out with task="):
        load_family("dnn", task="digits", num_outputs=3, depth=1, width=4)
    with pytest.raises(MrntkError, match="task is missing: name what dnn is trained on"):
        load_family("dnn", depth=2, width=4)
