"""The trained mapping's kernel term is exact; the estimated mappings are what a hand count gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import DNN, FullyConnected, MrntkError, Reprogram
from mrntk.model.output_maps import (
    IdentityOutput,
    LinearOutput,
    OutputMap,
    TrainedLinear,
    bayesian_mapping,
    frequency_mapping,
    joint_counts,
    many_to_one_mapping,
    random_mapping,
)
from mrntk.support.precision import double


def examples(counts):
    """Scores and labels with exactly these joint counts, (c_T, c_S)."""
    counts = np.asarray(counts)
    t, s = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    return np.eye(counts.shape[1])[s], t


def chosen(mapping):
    """The source class of every target class of a one-to-one mapping."""
    matrix = np.asarray(mapping.matrix)
    assert (np.sort(matrix, 1)[:, :-1] == 0).all() and (matrix.max(1) == 1).all() and matrix.sum(0).max() <= 1
    return matrix.argmax(1).tolist()


@pytest.mark.parametrize("use_bias", [True, False])
def test_trained_linear_factor_equals_the_jacobian(use_bias, key):
    with jax.enable_x64(True):
        output = double(TrainedLinear.random(key, 5, 3, use_bias=use_bias))
        scores = np.random.default_rng(0).normal(size=(4, 5))
        jacobians = [jax.tree.leaves(jax.jacrev(lambda b, s=s: b(s))(output)) for s in scores]
        rows = [np.concatenate([leaf.reshape(3, -1) for leaf in leaves], 1) for leaves in jacobians]
        assert rows[0].shape == (3, 15 + 3 * use_bias)
        for factors in (TrainedLinear.factors, OutputMap.factors):
            for i, j in ((0, 0), (1, 3)):
                (one,), (two,) = factors(output, scores[i]), factors(output, scores[j])
                got = (one.u @ two.u) * (one.v @ two.v.T)
                np.testing.assert_allclose(got, rows[i] @ rows[j].T, rtol=1e-10, atol=1e-12)


def test_trained_linear_starts_where_it_is_told(key):
    matrix = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(TrainedLinear(matrix)(jnp.ones(3)), [3, 12])
    np.testing.assert_array_equal(TrainedLinear(matrix, jnp.ones(2))(jnp.ones(3)), [4, 13])
    assert np.var(TrainedLinear.random(key, 400, 50).weight) == pytest.approx(1 / 400, rel=0.05)


def test_only_the_trained_mapping_is_in_theta(key):
    input_map, source = FullyConnected((2,), (4,), key=key), DNN((4,), 3, depth=1, width=1, key=key)
    sizes = {}
    for output in (IdentityOutput(), random_mapping(key, 3, 2), TrainedLinear.random(key, 3, 2)):
        theta = Reprogram(input_map, source, output).theta()
        sizes[type(output).__name__] = sum(leaf.size for leaf in jax.tree.leaves(theta)) - input_map.num_parameters
    assert sizes == {"IdentityOutput": 0, "LinearOutput": 0, "TrainedLinear": 8}


def test_fixed_mappings_add_no_term(key):
    for output in (IdentityOutput(), random_mapping(key, 3, 2)):
        assert output.factors(jnp.ones(3)) == ()


def test_source_size(key):
    assert IdentityOutput().num_source is None
    assert random_mapping(key, 5, 2).num_source == TrainedLinear.random(key, 5, 2).num_source == 5


@pytest.mark.parametrize("output, argument", [(LinearOutput, "matrix"), (TrainedLinear, "weight")])
def test_a_mapping_that_does_not_fit(output, argument, key):
    model = Reprogram(
        FullyConnected((2,), (4,), key=key), DNN((4,), 3, depth=1, width=1, key=key), output(jnp.ones((2, 5)))
    )
    with pytest.raises(MrntkError, match=f"{argument} has shape \\(2, 5\\).*shape \\(3,\\).*one column for each score"):
        jax.vmap(model)(jnp.ones((6, 2)))


def test_random_mapping_gives_distinct_classes():
    drawn = [chosen(random_mapping(jax.random.key(i), 6, 4)) for i in range(20)]
    assert all(len(set(classes)) == 4 for classes in drawn)
    assert len({tuple(classes) for classes in drawn}) > 10
    assert chosen(random_mapping(jax.random.key(3), 6, 4)) == drawn[3]


def test_many_to_one_is_a_mean_of_scores_of_its_own():
    mapping = many_to_one_mapping(jax.random.key(0), 10, 3, 2)
    matrix = np.asarray(mapping.matrix)
    assert matrix.shape == (3, 10) and set(matrix.ravel()) == {0, 0.5}
    assert np.all((matrix > 0).sum(1) == 2) and np.all((matrix > 0).sum(0) <= 1)
    scores = np.arange(10.0)
    np.testing.assert_allclose(mapping(scores), [scores[row > 0].mean() for row in matrix])
    assert not np.array_equal(matrix, many_to_one_mapping(jax.random.key(1), 10, 3, 2).matrix)
    with pytest.raises(MrntkError, match="each=4: 3 target classes can have 1 to 3 of 10 source scores"):
        many_to_one_mapping(jax.random.key(0), 10, 3, 4)


@pytest.mark.parametrize(
    "counts, expected",
    [
        ([[5, 0, 0], [0, 4, 0], [0, 0, 3]], [0, 1, 2]),
        ([[9, 5, 0], [8, 1, 0]], [0, 1]),  # source 0 goes to the more frequent pair, target 1 takes its next best
        ([[8, 1, 0], [9, 5, 0]], [1, 0]),
        ([[3, 3, 0], [3, 3, 0]], [0, 1]),  # ties: the smallest target class, then the smallest source class
        ([[0, 0, 7], [0, 0, 2]], [2, 0]),  # target 1 is predicted nothing that is free
    ],
)
def test_frequency_mapping_by_hand(counts, expected):
    scores, labels = examples(counts)
    np.testing.assert_array_equal(joint_counts(scores, labels, len(counts)), counts)
    assert chosen(frequency_mapping(scores, labels, len(counts))) == expected


def test_bayesian_mapping_by_hand():
    scores, labels = examples([[3, 1, 0], [1, 0, 0]])
    # P(t | s) = N_ts / (N_s + 1): [3/5, 1/2, 0] and [1/5, 0, 0]; then every row is divided by its sum.
    expected = [[0.6 / 1.1, 0.5 / 1.1, 0], [1, 0, 0]]
    np.testing.assert_allclose(bayesian_mapping(scores, labels, 2, smoothing=1.0).matrix, expected, rtol=1e-6)
    unsmoothed = [[0.75 / 1.75, 1 / 1.75, 0], [1, 0, 0]]
    np.testing.assert_allclose(bayesian_mapping(scores, labels, 2, smoothing=0.0).matrix, unsmoothed, rtol=1e-6)


def test_bayesian_mapping_takes_more_target_than_source_classes():
    scores, labels = examples([[2, 0], [0, 2], [1, 1]])
    assert bayesian_mapping(scores, labels, 3).matrix.shape == (3, 2)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), c_t=st.integers(1, 4), extra=st.integers(0, 3), seed=st.integers(0, 1000))
def test_permutation_laws(data, c_t, extra, seed):
    """The order of examples does not matter; renaming target or source classes renames rows or columns."""
    c_s = c_t + extra
    rng = np.random.default_rng(seed)
    counts = rng.permutation(c_t * c_s).reshape(c_t, c_s) + 1  # all different, so that no tie has to be broken
    scores, labels = examples(counts)
    order = rng.permutation(len(labels))
    target = np.array(data.draw(st.permutations(range(c_t))))
    source = np.array(data.draw(st.permutations(range(c_s))))
    for estimate in (frequency_mapping, bayesian_mapping):
        matrix = np.asarray(estimate(scores, labels, c_t).matrix)
        np.testing.assert_allclose(estimate(scores[order], labels[order], c_t).matrix, matrix, rtol=1e-6)
        renamed = estimate(scores[:, source], np.argsort(target)[labels], c_t).matrix
        np.testing.assert_allclose(renamed, matrix[target][:, source], rtol=1e-6)
        np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda s, y: random_mapping(jax.random.key(0), 3, 4), "num_target=4: a one-to-one mapping needs 1 to 3"),
        (lambda s, y: frequency_mapping(s, y, 4), "num_target=4: a one-to-one mapping needs 1 to 3"),
        (lambda s, y: frequency_mapping(s, y, 1), "num_target=1, but labels run from 0 to 1"),
        (lambda s, y: frequency_mapping(s, y[:-1], 2), "labels has shape \\(4,\\).*give 5 class numbers"),
        (lambda s, y: frequency_mapping(s, y.astype(float), 2), "type float64"),
        (lambda s, y: frequency_mapping(s * np.nan, y, 2), "source_scores holds NaN"),
        (lambda s, y: bayesian_mapping(s, y, 3), "labels holds no example of class 2"),
        (lambda s, y: bayesian_mapping(s, y, 2, smoothing=-1.0), "smoothing=-1.0"),
    ],
)
def test_bad_arguments(call, sentence):
    with pytest.raises(MrntkError, match=sentence):
        call(*examples([[3, 1, 0], [1, 0, 0]]))
