"""NumPy alone against the general path: every input map with masks and moved parameters, every depth, in float64."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import CNN, DNN, LinearOutput, Reprogram, empirical_ntk, predict_float64
from mrntk.model.input_maps import INPUT_MAPS, SeededFullyConnected
from mrntk.model.output_maps import TrainedLinear
from mrntk.ntk import plain
from mrntk.ntk.passes import outputs_and_rows, passes, scores
from mrntk.support.errors import MrntkError
from mrntk.support.precision import double

TARGET, SOURCE, N = (2, 4, 5), (2, 7, 6), 5
KNOWN = ("fc", "vp", "vp_fc", "none", "watermark")  # the input maps that widgets offer; others go the general way


def model_of(name, *, depth=2, mask=None, inner=(4, 3), moved=True, seed=0):
    """(a model in float64, its inputs); `moved` takes its parameters off their start, so that every slope is another."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(N, *(SOURCE if name == "watermark" else TARGET)))
    a = plain.drawn_input_map(name, TARGET, SOURCE, inner=inner, seed=3, mask=mask)
    if moved:
        a = jax.tree.map(lambda leaf: leaf + rng.normal(size=leaf.shape) if eqx.is_inexact_array(leaf) else leaf, a)
    with jax.enable_x64(True):
        source = double(DNN(SOURCE, 6, depth=depth, width=9, key=jax.random.key(depth)))
    return Reprogram(a, source, LinearOutput(rng.normal(size=(3, 6)))), x


def check_against_the_general_path(model, x):
    """Outputs, kernel and gradient."""
    outputs, g = outputs_and_rows(model, x)
    # jax.image.resize makes its weights in float32
    np.testing.assert_allclose(outputs, predict_float64(model, x), rtol=1e-5, atol=1e-5 * np.abs(outputs).max())
    theirs = empirical_ntk(model, x)
    mine = plain.kernel_of_rows(model.input_map, x, g)
    np.testing.assert_allclose(mine, theirs, atol=1e-5 * np.abs(theirs).max() + 1e-12)
    w = np.random.default_rng(1).normal(size=outputs.shape)
    with jax.enable_x64(True):
        theta, rest = eqx.partition(double(model.input_map), eqx.is_inexact_array)

        def weighted(theta):
            return jnp.sum(
                w * jax.vmap(Reprogram(eqx.combine(theta, rest), model.source, model.output_map))(jnp.asarray(x))
            )

        expected = jax.grad(weighted)(theta)
    found = plain.gradient(model.input_map, x, np.einsum("nc,nc...->n...", w, g))
    leaves = {path[-1].name: leaf for path, leaf in jax.tree_util.tree_leaves_with_path(expected)}
    assert set(found) == set(leaves)
    for name, leaf in leaves.items():
        np.testing.assert_allclose(found[name], leaf, atol=1e-5 * np.abs(leaf).max())


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("name", KNOWN)
def test_every_input_map_agrees_with_the_general_path(name, depth):
    check_against_the_general_path(*model_of(name, depth=depth))


@pytest.mark.parametrize("name", ["vp", "vp_fc"])
@pytest.mark.parametrize("seed", [0, 1])
def test_any_mask_agrees_with_the_general_path(name, seed):
    mask = np.random.default_rng(seed).uniform(size=SOURCE) < 0.3  # in the window as well
    model, x = model_of(name, mask=mask, seed=seed)
    assert parts_of(model)[1].delta.size == mask.sum()
    check_against_the_general_path(model, x)


def parts_of(model):
    return plain.parts(model.input_map)


@settings(max_examples=20, deadline=None)
@given(depth=st.integers(1, 4), width=st.integers(1, 12), n=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_network_s_jacobian_moves_its_scores(depth, width, n, seed):
    """Inside a linear region, f(z + d) - f(z) = J d exactly."""
    rng = np.random.default_rng(seed)
    sizes = [5] + [width] * (depth - 1) + [3]
    layers = [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
    z, d = rng.normal(size=(n, 5)), 1e-9 * rng.normal(size=(n, 5))
    found, jacobian = plain.scores_and_jacobian(layers, z)
    moved = plain.forward(layers, z + d)[0] - found
    np.testing.assert_allclose(moved, np.einsum("ncd,nd->nc", jacobian, d), atol=1e-12 * (1 + np.abs(found).max()))


def test_rows_of_cotangents_may_be_the_same_for_all_inputs_or_one_s_own():
    model, x = model_of("fc")
    z = plain.apply_input_map(model.input_map, x)
    _, pull = plain.forward(plain.layers_of(model.source), z)
    w = np.random.default_rng(0).normal(size=(N, 2, 6))
    own, same = pull(w), pull(w[0])
    assert own.shape == (N, 2, *SOURCE)
    np.testing.assert_allclose(own[0], same[0])
    assert not np.allclose(own[1], same[1])


@pytest.mark.parametrize(("size", "new_size"), [(8, 20), (28, 20), (28, 112), (32, 28), (8, 3), (5, 5)])
def test_resize_matrix_is_that_of_jax(size, new_size):
    x = np.random.default_rng(0).normal(size=(2, size, size)).astype(np.float32)
    theirs = jax.image.resize(x, (2, new_size, new_size), "linear", antialias=True)
    r = plain.resize_matrix(size, new_size)
    np.testing.assert_allclose(r @ x @ r.T, theirs, atol=1e-5)
    np.testing.assert_allclose(plain.resized(x[:, None], (new_size, new_size))[:, 0], theirs, atol=1e-5)


def test_random_layer_has_the_law_of_a_fully_connected_layer():
    """Affine in x, with E[a_k(x) a_k(x')] = 2 x . x' / d_T + 0.1 in every output k; stored or not."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 30))
    x[3] = 2 * x[0] - x[1]  # weights that sum to 1, so that c falls out
    stored = plain.drawn_input_map("fc", (30,), (1, 100_000), inner=(1,), seed=0)
    law = 2 * x @ x.T / 30 + 0.1
    for out in (plain.random_layer_outputs(x, 100_000, rng), plain.apply_input_map(stored, x)[:, 0]):
        np.testing.assert_allclose(out[3], 2 * out[0] - out[1], atol=1e-3)
        np.testing.assert_allclose(out @ out.T / out.shape[1], law, atol=0.03 * law.max())


@pytest.mark.parametrize("name", KNOWN)
def test_a_drawn_input_map_is_built_as_the_package_builds_it(name):
    mine, theirs = (
        model_of(name, moved=False)[0].input_map,
        INPUT_MAPS[name].make(TARGET, SOURCE, (4, 3), jax.random.key(0)),
    )
    assert jax.tree.structure(mine) == jax.tree.structure(theirs) and mine.num_parameters == theirs.num_parameters
    for one, other in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
        assert one.shape == other.shape
        if not one.any():
            assert not np.any(other)  # delta starts at 0
    prompt = plain.parts(mine)[1]
    if hasattr(prompt, "index"):
        np.testing.assert_array_equal(prompt.index, plain.parts(theirs)[1].index)


def test_a_narrower_window_keeps_the_rows_of_the_layer():
    wide, narrow = (model_of("vp_fc", inner=(size, 2), moved=False)[0].input_map.fully_connected for size in (5, 3))
    np.testing.assert_array_equal(wide.weight.reshape(2, 5, 2, -1)[:, 1:4], narrow.weight.reshape(2, 3, 2, -1))


def test_what_is_unknown_here_is_an_error_in_words(monkeypatch):
    seeded = SeededFullyConnected((2,), (3,), key=jax.random.key(0))
    with pytest.raises(MrntkError, match="input_map=SeededFullyConnected is unknown to mrntk.ntk.plain"):
        plain.apply_input_map(seeded, np.ones((1, 2)))
    with pytest.raises(MrntkError, match="output_map=TrainedLinear: here it must be"):
        plain.output_matrix(TrainedLinear(np.eye(2)), 2)
    monkeypatch.setattr(plain, "LARGEST_LAYER", 11)
    with pytest.raises(MrntkError, match="W would have 12 entries, more than 11; choose the prompt"):
        plain.drawn_input_map("fc", (3,), (1, 4), inner=(4,), seed=77)


# Passes: a source of another kind goes by JAX, in blocks.


@pytest.fixture(scope="module")
def convolutional():
    with jax.enable_x64(True):
        source = double(CNN((1, 6, 6), 5, depth=2, width=4, key=jax.random.key(0)))
    a = plain.drawn_input_map("vp_fc", (3,), (1, 6, 6), inner=(4, 4), seed=0)
    return Reprogram(a, source, LinearOutput(np.random.default_rng(1).normal(size=(3, 5))))


def test_other_sources_agree_with_the_general_path_and_are_watched(convolutional):
    x, told = np.random.default_rng(0).uniform(size=(7, 3)), []  # 7: the last block is filled up
    outputs, g = outputs_and_rows(convolutional, x, told.append)
    assert told == sorted(told) and told[0] == 0 and 0.8 < told[-1] < 1 and len(told) == 2 + 2 * 3
    np.testing.assert_allclose(outputs, predict_float64(convolutional, x), atol=1e-10)
    theirs = empirical_ntk(convolutional, x)
    np.testing.assert_allclose(
        plain.kernel_of_rows(convolutional.input_map, x, g), theirs, atol=1e-9 * np.abs(theirs).max()
    )
    w = np.random.default_rng(1).normal(size=(7, 2, 5))
    z = plain.apply_input_map(convolutional.input_map, x)
    blocks = list(passes(convolutional.source, z))
    assert [one.place for one in blocks] == [slice(0, 4), slice(4, 7)]
    own = np.concatenate([one.pull(w[one.place]) for one in blocks])
    with jax.enable_x64(True):
        jacobian = jax.vmap(jax.jacrev(convolutional.source))(jnp.asarray(z))
    np.testing.assert_allclose(own, np.einsum("nkc,nc...->nk...", w, jacobian), atol=1e-10)


def test_a_pass_can_be_stopped(convolutional):
    class Stop(Exception):
        pass

    def say(share):
        if share > 0.5:
            raise Stop

    with pytest.raises(Stop):
        scores(convolutional.source, np.zeros((7, 1, 6, 6)), say)
