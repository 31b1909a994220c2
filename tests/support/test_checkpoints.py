"""An interrupted run continues to the same numbers, bit for bit, and never with other arguments or half a file."""

import jax
import numpy as np
import optax
import pytest

from mrntk import DNN, FullyConnected, MrntkError, Reprogram
from mrntk.model.output_maps import random_mapping
from mrntk.support.checkpoints import read_checkpoint, write_checkpoint
from mrntk.training import IterativeMapping, fit, fit_seeds, mse_loss, source_optimiser
from mrntk.training.epochs import ONE, Data, EpochSettings, Examples, Training, first_state, program_of

ADAM = source_optimiser(0.02)


@pytest.fixture(scope="module")
def toy():
    """(x, one-hot y) of three noisy classes in R^4, 30 to train and 12 to validate."""
    rng = np.random.default_rng(5)
    labels = np.arange(42) % 3
    x = np.eye(4)[labels] + 0.7 * rng.normal(size=(42, 4))
    return (x[:30], np.eye(3)[labels[:30]]), (x[30:], np.eye(3)[labels[30:]])


def network(key):
    return DNN((4,), 3, depth=2, width=8, key=key)


def reprogrammed(key):
    return Reprogram(FullyConnected((4,), (4,), key=key), network(jax.random.key(0)), random_mapping(key, 3, 3))


def assert_same(one, two):
    """The same results, bit for bit."""
    assert jax.tree.structure(one) == jax.tree.structure(two)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


class Interrupted(Exception):
    pass


def until(stop):
    """A progress wrapper that breaks off when epoch `stop` is asked for."""

    def progress(epochs):
        for epoch in epochs:
            if epoch == stop:
                raise Interrupted
            yield epoch

    return progress


@pytest.mark.parametrize("seeds, every", [(False, 3), (True, 1)])
def test_resumes_bit_for_bit(seeds, every, toy, key, tmp_path):
    """With a callback that exchanges the mapping, and with early stopping, which has to remember what it saw."""
    (x, y), validation = toy
    labels, path = y.argmax(1), tmp_path / "new" / "run.ckpt"
    arguments = dict(loss="ce", optimiser=ADAM, batch=8, epochs=9, validation=validation, patience=8)
    arguments |= dict(callback=IterativeMapping(x, labels, every=2))

    def run(**more):
        if seeds:
            return fit_seeds(reprogrammed, jax.random.split(key, 2), x, y, **arguments, **more)
        return fit(reprogrammed(key), x, y, key=key, **arguments, **more)

    whole = run()
    with pytest.raises(Interrupted):
        run(checkpoint=path, checkpoint_every=every, progress=until(5))
    seen = []
    resumed = run(checkpoint=path, checkpoint_every=every, progress=lambda epochs: seen.extend(epochs) or iter(epochs))
    assert seen == list(range(5 if every == 1 else 3, 9))
    assert_same(whole, resumed)
    assert_same(whole, run(checkpoint=path, progress=until(0)))  # done: it is read, not trained again


def test_a_finished_early_stop_is_not_continued(toy, key, tmp_path):
    (x, y), validation = toy
    arguments = dict(key=key, loss="ce", optimiser=ADAM, batch=6, epochs=60, patience=4, validation=validation)
    first = fit(network(key), x, y, checkpoint=tmp_path / "run", **arguments)
    assert first.stopped_early
    assert_same(first, fit(network(key), x, y, checkpoint=tmp_path / "run", **arguments))


@pytest.fixture(scope="module")
def written(toy, tmp_path_factory):
    """(arguments of a run, the checkpoint it left)."""
    (x, y), _ = toy
    key, path = jax.random.key(7), tmp_path_factory.mktemp("written") / "run"
    arguments = dict(model=network(key), x=x, y=y, key=key, optimiser=ADAM, batch=8, epochs=2)
    fit(**arguments, checkpoint=path)
    return arguments, path.read_bytes()


@pytest.mark.parametrize(
    "change, part",
    [
        (lambda a: a | dict(epochs=4), "other epochs"),
        (lambda a: a | dict(key=jax.random.key(2)), "other key"),
        (lambda a: a | dict(x=a["x"] + 1e-3), "other data"),
        (lambda a: a | dict(model=network(jax.random.key(3))), "other model"),
        (lambda a: a | dict(optimiser=optax.adam(0.021)), "other optimiser"),
        (lambda a: a | dict(loss="ce"), "other optimiser, loss"),
        (lambda a: a | dict(batch=9), "other optimiser, loss, batch"),
        (lambda a: a | dict(callback=IterativeMapping(a["x"], np.zeros(30, int))), "other callback"),
    ],
)
def test_checkpoint_of_other_arguments(change, part, written, tmp_path):
    arguments, content = written
    path = tmp_path / "run"
    path.write_bytes(content)
    with pytest.raises(MrntkError, match=f"checkpoint=.*run belongs to a run with other arguments \\({part}"):
        fit(**change(arguments), checkpoint=path)
    assert path.read_bytes() == content


def test_names_in_the_code_are_no_part_of_a_checkpoint(toy, key):
    """The compiled step's text tells the optimisers apart, and holds no name of a field, so that one can be renamed."""

    def text(optimiser):
        settings = EpochSettings(mse_loss, optimiser, 8, None)
        training = Training(ONE, network(key), key, Data(Examples(*toy[0]), None), settings)
        return program_of(first_state(network(key), settings), training)

    assert "optimiser_state" not in text(ADAM) and text(ADAM) == text(ADAM) != text(optax.adam(0.021))


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-7], lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: b"", lambda c: b"[]\n"]
)
def test_damaged_checkpoint(damage, tmp_path):
    path, fingerprint, content = tmp_path / "run", {"epochs": "2"}, {"weight": np.arange(3.0)}
    write_checkpoint(path, fingerprint, content)
    assert_same(read_checkpoint(path, fingerprint, content), content)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MrntkError, match="checkpoint=.*run is damaged or no checkpoint: delete it"):
        read_checkpoint(path, fingerprint, content)


def test_a_folder_that_cannot_be_written(toy, key, tmp_path):
    """Said before the first epoch, and the fix it names is an argument of `fit`."""
    (x, y), _ = toy
    (tmp_path / "taken").touch()
    arguments = dict(key=key, optimiser=ADAM, epochs=2, progress=until(0))
    with pytest.raises(MrntkError, match="cannot write into .*taken.*: give checkpoint a path in another folder"):
        fit(network(key), x, y, checkpoint=tmp_path / "taken" / "run", **arguments)
