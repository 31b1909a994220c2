"""Training touches what it should, and the same key gives the same numbers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mrntk import DNN, FullyConnected, MrntkError, Reprogram, VisualPrompt, load_task
from mrntk.model.input_maps import Identity
from mrntk.model.output_maps import IdentityOutput, LinearOutput, TrainedLinear, bayesian_mapping, random_mapping
from mrntk.model.reprogram import predict
from mrntk.support.precision import in_float64
from mrntk.training import (
    IterativeMapping,
    cross_entropy_loss,
    fit,
    fit_seeds,
    gradient_descent,
    mse_loss,
    reprogramming_optimiser,
    source_optimiser,
    train_source,
)

ADAM = source_optimiser(0.02)


@pytest.fixture(scope="module")
def trained():
    task, key = load_task("digits"), jax.random.key(7)
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


@pytest.fixture(scope="module")
def toy():
    """(x, one-hot y) of three noisy classes in R^4, 30 to train and 12 to validate."""
    rng = np.random.default_rng(5)
    labels = np.arange(42) % 3
    x = np.eye(4)[labels] + 0.7 * rng.normal(size=(42, 4))
    return (x[:30], np.eye(3)[labels[:30]]), (x[30:], np.eye(3)[labels[30:]])


def network(key):
    return DNN((4,), 3, depth=2, width=8, key=key)


def reprogrammed(key, output_map=None):
    return Reprogram(FullyConnected((4,), (4,), key=key), network(jax.random.key(0)), output_map or IdentityOutput())


@pytest.fixture
def prompted(key):
    """(a visual prompt with a trained output map, one-hot targets of the six images)."""
    source = DNN((1, 6, 6), 3, depth=2, width=8, key=key)
    output_map = TrainedLinear.random(key, 3, 3, use_bias=False)
    return Reprogram(VisualPrompt((1, 6, 6), (4, 4)), source, output_map), np.eye(3)[[0, 1, 2] * 2]


def assert_same(one, two, **tolerance):
    """The same results, bit for bit unless a tolerance is given."""
    compare = np.testing.assert_allclose if tolerance else np.testing.assert_array_equal
    assert jax.tree.structure(one) == jax.tree.structure(two)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        compare(np.asarray(a), np.asarray(b), **tolerance)


def test_losses_by_hand():
    x, y = jnp.array([[0.0, 0.0], [jnp.log(3.0), 0.0]]), jnp.array([[1.0, 0.0], [0.0, 1.0]])
    assert float(cross_entropy_loss(lambda s: s, x, y)) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert float(mse_loss(lambda s: s, x, y)) == pytest.approx((1 + np.log(3) ** 2 + 1) / 4)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_fit_is_reproducible_and_learns(loss, toy, key):
    (x, y), validation = toy
    arguments = dict(loss=loss, optimiser=ADAM, batch=6, epochs=30, validation=validation)
    result = fit(network(key), x, y, key=key, **arguments)
    assert result.train_losses.shape == result.validation_losses.shape == (30,) and result.epochs == 30
    assert result.train_losses[-1] < result.train_losses[0] / 2 and not result.stopped_early
    assert_same(result, fit(network(key), x, y, key=key, **arguments))
    other = fit(network(key), x, y, key=jax.random.key(1), **arguments)
    assert (other.train_losses != result.train_losses).any()


def test_full_batch_fit_is_gradient_descent_in_float64_too(toy, key):
    (x, y), _ = toy
    model = reprogrammed(key, TrainedLinear.random(key, 3, 3))
    expected, losses = gradient_descent(model, x, y, step=0.05, steps=10)
    result = in_float64(fit)(model, x, y, key=key, optimiser=optax.sgd(0.05), epochs=10)
    np.testing.assert_allclose(result.train_losses, losses[:-1], rtol=1e-12)
    assert_same(result.model.theta(), expected.theta(), rtol=1e-10)
    assert (np.asarray(result.model.output_map.weight) != model.output_map.weight).all()


def test_every_example_is_seen_once_per_epoch(toy, key):
    """With a step of zero, the mean over minibatches is the mean over the data; and the order is another every epoch."""
    (x, y), _ = toy
    model = network(key)
    still = fit(model, x, y, key=key, optimiser=optax.sgd(0.0), batch=10, epochs=3).train_losses
    np.testing.assert_allclose(still, float(mse_loss(model, jnp.asarray(x), jnp.asarray(y))), rtol=1e-5)
    rest = fit(model, x, y, key=key, optimiser=optax.sgd(0.0), batch=29, epochs=3).train_losses  # one example sits out
    assert len(set(rest.tolist())) == 3


def test_gradient_descent_leaves_the_source_alone(prompted, images):
    model, y = prompted
    after, losses = gradient_descent(model, images, y, step=0.02, steps=20)
    assert losses.dtype == np.float64 and losses[-1] < losses[0]
    assert_same(after.source, model.source)
    assert (np.asarray(after.input_map.delta) != model.input_map.delta).any()


def test_recipe_trains_a_prompt_faster_than_weights(prompted, key, images):
    """Adam's first step is its learning rate in every entry: 0.1 for delta, 1e-3 for the trained output map. The source stays."""
    model, y = prompted
    after = fit(model, images, y, key=key, optimiser=reprogramming_optimiser(), epochs=1).model
    assert np.abs(after.input_map.delta).max() == pytest.approx(0.1, rel=1e-2)
    change = np.abs(np.asarray(after.output_map.weight) - np.asarray(model.output_map.weight)).max()
    assert change == pytest.approx(1e-3, rel=1e-2)
    assert_same(after.source, model.source)


def test_weight_decay_comes_with_the_optimiser(toy, key):
    (x, y), validation = toy
    sizes = []
    for optimiser in (ADAM, source_optimiser(0.02, 1.0)):
        model = fit(network(key), x, y, key=key, optimiser=optimiser, batch=6, epochs=10, validation=validation).model
        sizes.append(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array))))
    assert sizes[1] < 0.7 * sizes[0]


def test_early_stopping_returns_the_best(toy, key):
    (x, y), (x_v, y_v) = toy
    arguments = dict(key=key, loss="ce", optimiser=ADAM, batch=6, validation=(x_v, y_v))
    whole = fit(network(key), x, y, epochs=60, **arguments).validation_losses
    result = fit(network(key), x, y, epochs=60, patience=4, **arguments)
    best = int(result.validation_losses.argmin())
    assert result.stopped_early and result.epochs == best + 5 == len(result.train_losses) < 60
    np.testing.assert_array_equal(result.validation_losses, whole[: result.epochs])
    returned = cross_entropy_loss(result.model, jnp.asarray(x_v, jnp.float32), jnp.asarray(y_v, jnp.float32))
    assert float(returned) == pytest.approx(whole[best], rel=1e-5)
    assert whole[result.epochs - 1] > whole[best]


def test_seeds_at_once_equal_seeds_in_turn(toy, key):
    """Each stops early by itself, and stays as it was while the others go on."""
    (x, y), validation = toy
    keys = jax.random.split(key, 3)
    arguments = dict(loss="ce", optimiser=ADAM, batch=6, epochs=25, validation=validation, patience=3)
    together = fit_seeds(reprogrammed, keys, x, y, **arguments)
    epochs = set()
    for i in range(3):
        key_model, key_fit = jax.random.split(keys[i])
        alone = fit(reprogrammed(key_model), x, y, key=key_fit, **arguments)
        one = together.of_seed(i)
        assert (one.epochs, one.stopped_early) == (alone.epochs, alone.stopped_early)
        np.testing.assert_allclose(one.train_losses, alone.train_losses, rtol=2e-4)
        np.testing.assert_allclose(one.validation_losses, alone.validation_losses, rtol=2e-4)
        assert_same(one.model, alone.model, rtol=1e-3, atol=1e-4)
        epochs.add(one.epochs)
    assert together.train_losses.shape == (3, max(epochs)) and len(epochs) > 1
    scores = eqx.filter_vmap(lambda model: predict(model, jnp.asarray(x)))(together.model)
    assert scores.shape == (3, 30, 3)


def test_seeds_keep_a_shared_source_once(toy, key):
    source = network(key)
    (x, y), _ = toy
    make = lambda key: Reprogram(FullyConnected((4,), (4,), key=key), source)  # noqa: E731
    result = fit_seeds(make, jax.random.split(key, 3), x, y, optimiser=ADAM, epochs=2)
    weight = result.model.source.layers[0].weight
    assert weight.shape == (3, 8, 4) and weight.strides[0] == 0  # a view of one
    assert_same(result.of_seed(1).model.source, source)


def test_seeds_want_one_structure(toy, key):
    (x, y), _ = toy
    widths = iter([4, 5])
    with pytest.raises(MrntkError, match="make_model gives models of different structure"):
        make = lambda key: LinearOutput(jnp.ones((3, next(widths))))  # noqa: E731
        fit_seeds(make, jax.random.split(key, 2), x, y, optimiser=ADAM, epochs=1)


def test_iterative_mapping_finds_permuted_labels(toy, key):
    """The target's classes are the source's in another order; only a mapping that is estimated finds it."""
    (x, y), validation = toy
    source = fit(
        network(key), x, y, key=key, loss="ce", optimiser=ADAM, batch=6, epochs=25, validation=validation
    ).model
    permuted = y[:, [2, 0, 1]]
    fc = FullyConnected((4,), (4,), key=key)
    fc = eqx.tree_at(lambda fc: (fc.weight, fc.bias), fc, (jnp.eye(4), jnp.zeros(4)))
    model = Reprogram(fc, source, LinearOutput(jnp.eye(3)))
    arguments = dict(key=key, loss="ce", optimiser=reprogramming_optimiser(), batch=10, epochs=4)
    without = fit(model, x, permuted, **arguments).model
    mapped = fit(model, x, permuted, callback=IterativeMapping(x, permuted.argmax(1), every=2), **arguments).model
    np.testing.assert_array_equal(mapped.output_map.matrix, np.eye(3)[[2, 0, 1]])
    right = [np.mean(np.argmax(predict(m, jnp.asarray(x)), 1) == permuted.argmax(1)) for m in (mapped, without)]
    assert right[0] > 0.8 > 0.5 > right[1]


def test_iterative_mapping_by_bayes(toy, key):
    (x, y), _ = toy
    model = reprogrammed(key, random_mapping(key, 3, 3))
    ilm = IterativeMapping(x, y.argmax(1), every=3, estimate=bayesian_mapping)
    assert ilm(1, model) is None and ilm(2, model) is None
    scores = predict(Reprogram(model.input_map, model.source), jnp.asarray(x))
    np.testing.assert_allclose(ilm(3, model).output_map.matrix, bayesian_mapping(scores, y.argmax(1), 3).matrix)


def test_callback_sees_the_model_of_every_epoch(toy, key):
    (x, y), (x_v, y_v) = toy
    seen = {}
    start, keep = network(key), lambda epoch, model: seen.update({epoch: model})
    result = fit(start, x, y, key=key, optimiser=ADAM, batch=6, epochs=3, validation=(x_v, y_v), callback=keep)
    assert sorted(seen) == [0, 1, 2]
    assert_same(seen[0], start)
    after_two = mse_loss(seen[2], jnp.asarray(x_v), jnp.asarray(y_v))
    assert float(after_two) == pytest.approx(result.validation_losses[1], rel=1e-5)


BAD = {
    "x holds NaN": dict(x=np.full((30, 4), np.nan)),
    "y holds NaN": dict(y=np.full((30, 3), np.inf)),
    "y has shape \\(30,\\): give one row": dict(y=np.zeros(30, int)),
    "y has shape \\(29, 3\\)": dict(y=np.ones((29, 3))),
    "y has rows of 2 values, but the model gives": dict(y=np.ones((30, 2))),
    "x has examples of shape \\(7,\\), on which the model fails": dict(x=np.ones((30, 7))),
    "y is not a distribution": dict(y=np.ones((30, 3)), loss="ce"),
    "loss='hinge' is unknown: choose one of mse, ce": dict(loss="hinge"),
    "batch=31: give 1 to 30": dict(batch=31),
    "batch=0": dict(batch=0),
    "epochs=0": dict(epochs=0),
    "patience=2 needs validation": dict(patience=2),
    "patience=0": dict(patience=0),
    "checkpoint_every=0": dict(checkpoint_every=0),
    "validation\\[0\\] holds NaN": dict(validation=(np.full((2, 4), np.nan), np.eye(3)[:2])),
    "validation\\[1\\] has shape": dict(validation=(np.ones((2, 4)), np.eye(3))),
    "model has nothing to train": dict(model=Reprogram(Identity(), network(jax.random.key(0)))),
    "matrix has shape \\(3, 5\\)": dict(model=reprogrammed(jax.random.key(0), LinearOutput(jnp.ones((3, 5))))),
    "model.output_map is no LinearOutput": dict(callback=IterativeMapping(np.ones((1, 4)), np.zeros(1, int))),
    "callback returned a model of another structure": dict(callback=lambda *_: LinearOutput(jnp.ones((3, 5)))),
}


@pytest.mark.parametrize("sentence", BAD)
def test_bad_arguments(sentence, toy, key):
    (x, y), _ = toy
    good = dict(model=network(key), x=x, y=y, key=key, optimiser=ADAM, epochs=1)
    with pytest.raises(MrntkError, match=sentence):
        fit(**good | BAD[sentence])


def test_gradient_descent_refuses_bad_data(toy, key):
    (x, y), _ = toy
    with pytest.raises(MrntkError, match="x holds NaN"):
        gradient_descent(reprogrammed(key), x * np.nan, y, step=0.1, steps=1)
