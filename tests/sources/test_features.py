"""A head on frozen features is their composition, trains alone, and its layers are what they say."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrntk import MrntkError, Reprogram, VisualPrompt, empirical_ntk
from mrntk.sources.features import FeatureCNN, extract, on_features, square_map, train_head
from mrntk.sources.own.function import from_function
from mrntk.support.precision import double
from mrntk.training import fit

SHAPE = (1, 6, 6)


MATRIX = np.random.default_rng(5).normal(size=(36, 12)).astype(np.float32) / 3


@pytest.fixture(scope="module")
def features():
    return from_function(lambda w, s: jnp.tanh(s.ravel() @ w), SHAPE, name="features", weights=MATRIX)


@pytest.fixture(scope="module")
def head():
    return FeatureCNN(12, 3, depth=2, width=4, key=jax.random.key(3))


@pytest.fixture
def x():
    return np.random.default_rng(6).uniform(size=(7, *SHAPE)).astype(np.float32)


def count(model):
    return sum(leaf.size for leaf in jax.tree.leaves(model) if hasattr(leaf, "size"))


def test_composition(features, head, x):
    source = on_features(features, head)
    assert (source.input_shape, source.num_outputs) == (SHAPE, 3)
    assert source.name == "features+feature-cnn-d2-w4"
    expected = jax.vmap(head)(jax.vmap(features)(x))
    np.testing.assert_allclose(eqx.filter_jit(jax.vmap(source))(x), expected, rtol=1e-5, atol=1e-6)
    any_head = from_function(lambda f: f[:5] ** 2, (12,))
    np.testing.assert_allclose(on_features(features, any_head)(x[0]), features(x[0])[:5] ** 2, rtol=1e-5)


def test_gradient_passes_through_both(features, head, x):
    """J_source = J_head J_features, in float64; the arrays of the features get none, those of the head do."""
    source = on_features(features, head)
    with jax.enable_x64(True):
        s = x[0].astype(np.float64)
        head, source = double(head), double(source)
        product, got = eqx.filter_jit(
            lambda head, source, s: (
                jnp.tensordot(jax.jacrev(head)(features(s)), jax.jacrev(features)(s), 1),
                jax.jacrev(source)(s),
            )
        )(head, source, s)
        assert got.dtype == np.float64 and jnp.abs(got).max() > 0
        np.testing.assert_allclose(got, product, rtol=1e-10, atol=1e-12)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda source: jnp.sum(source(x[0]) ** 2)))(on_features(features, head))
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient.features))
    assert all((leaf != 0).any() for leaf in jax.tree.leaves(gradient.head.last))


@settings(max_examples=5, deadline=None)
@example(n=7, batch=3)
@given(n=st.integers(1, 9), batch=st.integers(1, 12))
def test_extraction_in_batches_is_vmap(n, batch):
    source = from_function(lambda s: jnp.stack([s.sum(), s.ravel()[3] ** 2, jnp.sin(s[0, 1, 2])]), SHAPE)
    x = np.random.default_rng(n).normal(size=(n, *SHAPE)).astype(np.float32)
    got = extract(source, x, batch=batch)
    assert isinstance(got, np.ndarray)
    np.testing.assert_allclose(got, jax.vmap(source)(x), rtol=1e-5, atol=1e-6)


def test_extraction_shows_progress(features, x):
    seen = []
    extract(features, x, batch=3, progress=lambda starts: seen.extend(starts) or starts)
    assert seen == [0, 3, 6]


def test_training_the_head_alone(features, head, x):
    """The head of the composition is the one that `fit` makes of the features; the features stay as they are."""
    y = np.eye(3, dtype=np.float32)[np.arange(7) % 3]
    options = dict(key=jax.random.key(8), optimiser=optax.adam(3e-2), epochs=40, loss="ce")
    source, result = train_head(features, head, x, y, validation=(x[:3], y[:3]), extract_batch=4, **options)
    extracted = extract(features, x)
    alone = fit(head, extracted, y, validation=(extracted[:3], y[:3]), **options)
    for ours, other in zip(jax.tree.leaves(source.head), jax.tree.leaves(alone.model), strict=True):
        np.testing.assert_allclose(ours, other, atol=1e-3)
    np.testing.assert_array_equal(source.features.weights, MATRIX)
    assert result.train_losses[-1] < 0.3 * result.train_losses[0] and result.validation_losses.shape == (40,)


def test_as_the_source_of_a_reprogrammed_model(features, head, images):
    kernel = empirical_ntk(Reprogram(VisualPrompt(SHAPE, (4, 4)), on_features(features, head)), images)
    assert kernel.shape == (6, 3, 6, 3) and np.trace(kernel.reshape(18, 18)) > 0


@given(size=st.integers(1, 3000))
def test_the_map_of_a_vector_is_as_square_as_can_be(size):
    channels, height, width = square_map(size)
    assert channels == 1 and height * width == size and height <= width
    assert all(size % better for better in range(height + 1, math.isqrt(size) + 1))


@pytest.mark.parametrize("depth", [1, 6])
def test_layers_of_the_cnn(depth):
    """Depth counts 3x3 convolutions; the last layer sees every place."""

    def make(**options):
        return FeatureCNN(32, 5, depth=depth, width=4, key=jax.random.key(1), **options)

    model = eqx.filter_eval_shape(make)
    assert model.map_shape == (1, 4, 8)
    assert count(model) == (9 * 4 + 4) + (depth - 1) * (9 * 16 + 4) + 4 * 32 * 5 + 5
    on_a_map = eqx.filter_eval_shape(make, map_shape=(2, 4, 4))
    assert count(on_a_map) == (2 * 9 * 4 + 4) + (depth - 1) * (9 * 16 + 4) + 4 * 16 * 5 + 5
    assert eqx.filter_eval_shape(on_a_map, jax.ShapeDtypeStruct((32,), np.float32)).shape == (5,)


def test_the_cnn_by_hand():
    """Depth 1 on a 1x3 map, written out."""
    model = FeatureCNN(3, 2, depth=1, width=2, key=jax.random.key(2))
    f = np.array([0.3, -1.0, 2.0])
    weight, bias = np.asarray(model.convolutions[0].weight, float), np.asarray(model.convolutions[0].bias, float)
    padded = np.pad(f, 1)
    hidden = [[max(0, weight[c, 0, 1] @ padded[i : i + 3] + bias[c, 0, 0]) for i in range(3)] for c in range(2)]
    expected = np.asarray(model.last.weight, float) @ np.ravel(hidden) + np.asarray(model.last.bias, float)
    np.testing.assert_allclose(model(f.astype(np.float32)), expected, rtol=1e-5)


def test_initialisation_is_the_papers():
    model = FeatureCNN(256, 10, depth=2, width=32, key=jax.random.key(2))
    for layer, fan_in in [(model.convolutions[1], 32 * 9), (model.last, 32 * 256)]:
        np.testing.assert_allclose(np.var(layer.weight), 2 / fan_in, rtol=0.1)


def test_bad_arguments(features, head, x, key):
    for depth in (0, 7):
        with pytest.raises(MrntkError, match=f"depth={depth}: the head has 1 to 6"):
            FeatureCNN(12, 3, depth=depth, width=4, key=key)
    with pytest.raises(MrntkError, match="width=0"):
        FeatureCNN(12, 3, depth=1, width=0, key=key)
    for map_shape in ((1, 3, 5), (3, 4, 0), (0, 3, 4)):
        with pytest.raises(MrntkError, match="whose product is num_features=12"):
            FeatureCNN(12, 3, depth=1, width=4, key=key, map_shape=map_shape)
    with pytest.raises(MrntkError, match="head does not take the 12 outputs of features"):
        on_features(features, FeatureCNN(10, 3, depth=1, width=4, key=key))
    with pytest.raises(MrntkError, match="head gives"):
        on_features(features, lambda f: f.sum())
    with pytest.raises(MrntkError, match="batch=0"):
        extract(features, x, batch=0)
    for wrong in (x[:0], x[:, :, :5]):
        with pytest.raises(MrntkError, match="x has shape"):
            extract(features, wrong)
